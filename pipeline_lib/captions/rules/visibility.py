"""What a picture can show, and so which predicate-object pairs of a caption can be negated.

A negated caption has to be false of a picture that its caption describes, and a distractor has to show its object. So
pairs are left out that no picture shows ("wants a dog", "by a novelist", "with confidence"), that stand beside a
headline, or whose caption is no sentence to begin with. No lexicon at hand
knows which nouns are abstract: ``abstract.txt`` does.
"""

import re
from pathlib import Path

from pipeline_lib.captions.rules.chunks import FINITE, VERB_FORMS, WORDS, Caption, Pair, Span
from pipeline_lib.captions.tagger.lexicon import WORDS as TAGGER_WORDS
from pipeline_lib.formats.word_lists import read_word_lists

NOUNS = read_word_lists(Path(__file__).with_name("abstract.txt"))
ABSTRACT_ENDING = re.compile(
    r"\w{3,}(?:ness|ism|ility|ivity|ality|osity|icity|iency|ancy|itude|ology|onomy|(?<!i)hood)"
)
KEYWORDS = re.compile("(?:NN){5}")
NUMBER = re.compile(r"[’']?\d\S*|'?s")

# Kinds of chunks that no sentence has: cut off after an article or a preposition, a verb's base form that nothing asks
# for, two finite verbs together, a verb or an act first ("playing chess is fun").
NO_SENTENCE = re.compile(r"[pcDSW]\.?$|(?<![TMdRrcB])B|Z[Rr]*Z|^[bhdMZ]|^[GgvV].*[bhdMZ]")
FINITE_VERB = re.compile(f"[{FINITE}]")
ANY_VERB = re.compile(f"[{VERB_FORMS}]")
MAKERS = TAGGER_WORDS.animate | WORDS.makers
ACTS = WORDS.companioned | WORDS.intransitive
# A sentence behind a headline describes the picture if it is short and no turn of speech: "bright idea : he put ...".
MAX_HEADLINE = 18
# After a dash so few words are a label: "a dog on a sofa - stock photo".
MAX_LABEL = 5


def negatable_pairs(caption: Caption, pairs: list[Pair]) -> list[Pair]:
    """Return those of a caption's pairs that can be negated, in the order of their predicates."""
    if caption.subject is None or not _is_sentence(caption):
        return []
    pairs = [pair for pair in _beside_no_headline(caption, pairs) if _is_object_visible(caption, pair)]
    pairs = sorted(pairs + _contents(caption, pairs), key=lambda pair: pair.predicate)
    return [pair for pair in pairs if _is_link_visible(caption, pair)]


def head_of(caption: Caption, span: Span) -> int:
    """Return the token that a noun phrase is about: *view* of "a view of the sea", *roses* of "a number of roses"."""
    start, stop = span
    for i in range(start + 1, stop):
        if caption.lower[i] == "of":
            counts = caption.lemmas[i - 1] in WORDS.kinds or caption.lemmas[i - 1] in NOUNS.parts
            return stop - 1 if counts else i - 1
    return stop - 1


def is_visible(caption: Caption, span: Span) -> bool:
    """Whether a picture could show a noun phrase: it has a noun or colour, and its head is not abstract."""
    start, stop = span
    at = head_of(caption, span)
    lower, tags = caption.lower, caption.tags
    head, lemma, before = lower[at], caption.lemmas[at].lower(), lower[max(start, at - 1)]
    if (head in NOUNS.days and before in NOUNS.skies) or caption.is_compound(at):
        return True
    if lemma in NOUNS.turns or head in NOUNS.turns or head in TAGGER_WORDS.calendar or NUMBER.fullmatch(head):
        return False
    if is_abstract(lemma) or is_abstract(head) or tags[at][:2] in ("VB", "RB"):
        return False
    if lower[start] in ("one", "more", "less", "fewer", "most", "least"):
        return False
    if head in NOUNS.seasons and (lower[start] in NOUNS.pointing or before == "a" or before in TAGGER_WORDS.calendar):
        return False
    kinds = [tag[:2] for tag in tags[start:stop]]
    return not KEYWORDS.search("".join(kinds)) and ("NN" in kinds or "JJ" in kinds)


def is_abstract(noun: str) -> bool:
    """Whether a noun is in the list of abstract nouns, or has the ending of one."""
    return noun in NOUNS.abstract or (ABSTRACT_ENDING.fullmatch(noun) is not None and noun not in NOUNS.concrete)


def _is_about_nothing(caption: Caption, span: Span) -> bool:
    """Whether a noun phrase is about an abstraction, of which no place or act shows: "congratulations on ..."."""
    at = head_of(caption, span)
    head, lemma, before = caption.lower[at], caption.lemmas[at].lower(), caption.lower[max(0, at - 1)]
    if before == "still" or (head in NOUNS.days and before in NOUNS.skies):
        return False  # "still life with apples", "a spring day with blossoms"
    abstract = lemma in NOUNS.turns or is_abstract(lemma) or is_abstract(head)
    return abstract and caption.tags[at][:2] == "NN" and lemma not in NOUNS.stand_ins


def _is_sentence(caption: Caption) -> bool:
    """Whether a caption is whole, reports nothing, and no two verbs or noun phrases follow each other."""
    chunks = caption.chunks
    kinds = "".join(chunk.kind for chunk in chunks)
    if NO_SENTENCE.search(kinds) or any(
        chunk.kind in VERB_FORMS and caption.lemmas[chunk.start] in WORDS.saying for chunk in chunks
    ):
        return False
    verb = ANY_VERB.search(kinds)
    for match in re.finditer("n(?=n)", kinds):
        if caption.tags[chunks[match.end()].start] != "DT":
            continue
        finite = FINITE_VERB.match(kinds, match.end() + 1)
        # "a village a house on the coast", "a hall is on the left the roof has lights"
        if FINITE_VERB.search(kinds, 0, match.start()) if finite else not verb or match.start() < verb.start():
            return False
    return True


def _beside_no_headline(caption: Caption, pairs: list[Pair]) -> list[Pair]:
    """Leave out what stands beside a headline: "gold rush : | a dog in the snow".

    Before a colon or dash a phrase is a heading; after it only a short sentence is sure to describe the picture.
    """
    chunks, length = caption.chunks, len(caption.lower)
    breaks = [chunk.start for chunk in chunks[:-1] if chunk.kind == "."]
    if not breaks:
        return pairs
    if len(breaks) > 1:
        return []
    (at,) = breaks
    mark = caption.lower[at]
    after = next((chunk.kind for chunk in chunks if chunk.start > at), ".")
    if length - at <= MAX_LABEL and after in "n." and mark[0] in ":-–—|":
        return [pair for pair in pairs if pair.object[1] <= at]  # "a dog on a sofa - stock photo"
    verb = next((chunk.start for chunk in chunks if chunk.kind in FINITE), length)
    if mark != ":" or after != "n" or length > MAX_HEADLINE or (verb < length and caption.lemmas[verb] in WORDS.light):
        return []
    return [pair for pair in pairs if at < pair.predicate[0] <= verb]


def _is_object_visible(caption: Caption, pair: Pair) -> bool:
    """Whether a picture could show the object or the act: not "a project | done by | industry"."""
    start, stop = pair.predicate
    made = caption.lower[stop - 1] == "by" and caption.head(pair.object).lower() in MAKERS
    if made and caption.lemmas[start] not in ("hold", "carry", "ride"):
        return False
    # "a singer performs | on saturday": whatever the object is, the act shows.
    acts = (
        pair.kind in ("verb", "participle")
        and caption.tags[stop - 1] == "IN"
        and caption.tags[pair.object[0]] != "PRP"
        and not ACTS.isdisjoint(caption.lemmas[start:stop])
    )
    return acts or is_visible(caption, pair.object)


def _contents(caption: Caption, pairs: list[Pair]) -> list[Pair]:
    """Return "a bowl | of | fruit" for every container in the caption whose contents are told."""
    code, found = caption.code, []
    for start, stop in dict.fromkeys([caption.subject, *(pair.object for pair in pairs)]):
        of = code.find("o", start, stop)
        told = of > start and caption.lemmas[of - 1] in WORDS.containers and code[of + 1] != "D"
        backdrop = told and caption.lemmas[of - 1] == "background" and start and caption.code[start - 1] == "I"
        if told and not backdrop and is_visible(caption, (of + 1, stop)):
            found.append(Pair("contents", (of, of + 1), (of + 1, stop), (start, of), "first"))
    return found


def _is_link_visible(caption: Caption, pair: Pair) -> bool:
    """Whether a picture shows the link: not "wants a dog", "by a novelist", a clause about something else."""
    if pair.kind != "and" and pair.place != "later" and _is_about_nothing(caption, pair.owner):
        return False
    if pair.kind in ("verb", "participle"):
        return _is_act_visible(caption, pair)
    link, head, owner = caption.lower[pair.predicate[0]], caption.head(pair.object), caption.head(pair.owner).lower()
    if (link in ("against", "between") and owner in WORDS.contests) or (link == "in" and head in WORDS.shots):
        return False
    if owner in WORDS.shots and link not in ("with", "of"):
        return False
    if owner == "view" and link not in WORDS.viewed:
        return pair.kind != "preposition"
    if link == "by":
        return head in WORDS.shores
    return link != "during" or head in WORDS.weather or pair.place == "later"


def _is_act_visible(caption: Caption, pair: Pair) -> bool:
    """Whether an act is told of the picture and of its own time, and is one that shows."""
    start, stop = pair.predicate
    code, owner = caption.code, caption.lower[pair.owner[0]]
    before = caption.lower[start - 1] if start else ""
    if before == "as" or owner in ("him", "them", "me", "us") or (owner == "it" and pair.owner[0] > 0):
        return False  # "as can be seen", "sees him dived", "the sea and it 's waves"
    if (caption.lemmas[start] in WORDS.light or caption.lemmas[start] == "look") and code[start + 1] == "T":
        return False
    if (code[start] == "b" and caption.lower[stop - 1] == "for") or caption.head(pair.owner) == "view":
        return False  # "a view looking out of a car"
    return not any(
        caption.lemmas[i] in WORDS.unseen and caption.lower[i] != "like" and caption.tags[i][:2] != "NN"
        for i in range(start, stop)  # a noun is none: "discuss plans at a table"
    )
