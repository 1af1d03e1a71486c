"""Which predicate-object pairs of a caption are offered for negation.

A negated caption has to be false of a picture that its caption describes, and a person has to be able to read it. So
pairs are left out that no picture shows ("wants a dog", "by a novelist"), that stand beside a headline, or whose
caption is no sentence to begin with. Where nothing is left, a caption is read as a whole: "the water | is | calm",
"a portrait | of | an owl".
"""

import re

from spacy.tokens import Doc

from pipeline_lib.captions.rules.depictable import depictable, names_nothing
from pipeline_lib.captions.rules.items import Item, Pair
from pipeline_lib.captions.rules.phrases import (
    COMPANIONED,
    CONTAINERS,
    INTRANSITIVE,
    LIGHT,
    PEOPLE,
    PICTURES,
    SAYING,
    SHORES,
    STATES,
    UNSEEN,
    WEAK_PREPOSITIONS,
    WEATHER,
)
from pipeline_lib.captions.tagger.usual import ANIMATE
from pipeline_lib.captions.tagger.words import word_set

# Whom "by" names as the maker, whom no picture shows: "bones of a right hand by organisation".
MAKERS = ANIMATE | {"organisation", "organization", "company", "brand", "unknown", "people"}
# Kinds of items that no sentence has: cut off after an article or a preposition, a verb's base form that nothing asks
# for, two finite verbs together, a verb or an act first ("playing chess is fun").
STUMBLE = re.compile(r"[pcDSW]\.?$|(?<![TMdRrcB])B|Z[Rr]*Z|^[bhdMZ]|^[GgvV].*[bhdMZ]")
VERBS = "bhdMZGgVvB"
FINITE = re.compile("[bhdMZ]")
FIRST_VERB = re.compile(f"[{VERBS}]")
# A sentence behind a headline describes the picture if it is short and no turn of speech: "bright idea : he put ...".
MAX_HEADLINE = 18
# After a dash so few words are a label: "a dog on a sofa - stock photo".
MAX_LABEL = 5
# Of adjectives that say what one thinks of a thing rather than how it looks: "susceptible", "important".
UNSEEN_ENDINGS = (
    "ible",
    "able",
    "ant",
    "ent",
    "ive",
    "ous",
    "ical",
    "ial",
    "ful",
    "ready",
    "better",
    "best",
    "good",
    "perfect",
)
ACTS = COMPANIONED | INTRANSITIVE
# Whom a contest is against shows as little as where a photo is: "the game against a team", "a photo on a clear day".
CONTESTS = word_set("game match fixture clash win victory fight race tournament final semi-final series")
TELLING = word_set("locate situate base note design make")  # these say nothing without the rest of their phrase
SHOTS = word_set("photo photograph picture pic snapshot selfie image shot")
OCCASIONS = word_set("birthday party wedding holiday dinner lunch breakfast night anniversary event")
VIEWED = ("from", "with", "in", "on", "at", "over", "through")


def offered(doc: Doc, code: str, items: list[Item], subject: tuple[int, int] | None, pairs: list[Pair]) -> list[Pair]:
    """Return the pairs that can be negated, in the order of their predicates.

    Parameters
    ----------
    doc : Doc
        The caption.
    code : str
        One letter per token.
    items : list of Item
        What the code was cut into.
    subject : (int, int) or None
        The first noun phrase.
    pairs : list of Pair
        All that the caption says.
    """
    if subject is None or _stumbles(doc, items):
        return []
    pairs = [pair for pair in _of_one_sentence(doc, items, pairs) if _shown(doc, pair)]
    pairs = [_without_picture(doc, code, pair) for pair in pairs]
    pairs = sorted(pairs + _contents(doc, code, subject, pairs), key=lambda pair: pair.predicate)
    pairs = [pair for pair in pairs if not _invisible(doc, code, pair)]
    strong = [pair for pair in pairs if not _weak(doc, pair)]
    return strong or pairs or _states(doc, code, items) or _whole(doc, code, items, subject)


def _stumbles(doc: Doc, items: list[Item]) -> bool:
    """Whether a caption reports, is cut off, or two verbs or noun phrases follow each other as in no sentence."""
    kinds = "".join(item.kind for item in items)
    if STUMBLE.search(kinds) or any(item.kind in VERBS and doc[item.start].lemma_ in SAYING for item in items):
        return True
    if kinds.startswith("Vn") and doc[items[1].start].tag_ == "DT":
        return True  # "illuminated a town at night"
    verb = FIRST_VERB.search(kinds)
    for match in re.finditer("n(?=n)", kinds):
        if doc[items[match.end()].start].tag_ != "DT":
            continue
        finite = FINITE.match(kinds, match.end() + 1)
        # "a village a house on the coast", "a hall is on the left the roof has lights"
        if FINITE.search(kinds, 0, match.start()) if finite else not verb or match.start() < verb.start():
            return True
    return False


def _of_one_sentence(doc: Doc, items: list[Item], pairs: list[Pair]) -> list[Pair]:
    """Leave out what stands beside a headline: "gold rush : | a dog in the snow".

    Before a colon or dash a phrase is a heading; after it only a short sentence is sure to describe the picture.
    """
    breaks = [item.start for item in items[:-1] if item.kind == "."]
    if not breaks:
        return pairs
    if len(breaks) > 1:
        return []
    (at,) = breaks
    after = next((item.kind for item in items if item.start > at), ".")
    if any(item.stop == at and item.kind == "p" for item in items):
        return []  # "image of : a window"
    if len(doc) - at <= MAX_LABEL and after in "n." and doc[at].text[0] in ":-–—|":
        return [pair for pair in pairs if pair.object[1] <= at]  # "a dog on a sofa - stock photo"
    verb = next((item.start for item in items if item.kind in "bhdMZ"), len(doc))
    if (
        doc[at].text != ":"
        or after != "n"
        or len(doc) > MAX_HEADLINE
        or (verb < len(doc) and doc[verb].lemma_ in LIGHT)
    ):
        return []
    return [pair for pair in pairs if at < pair.predicate[0] <= verb]


def _shown(doc: Doc, pair: Pair) -> bool:
    """Whether a picture could show a pair: not "a project | done by | industry"."""
    maker = doc[pair.predicate[1] - 1].lower_ == "by" and doc[pair.object[1] - 1].lemma_.lower() in MAKERS
    if doc[pair.owner[1] - 1].tag_ == "CD":
        return False  # "one after a troubled path"
    if is_state(doc, (pair.predicate[0], pair.object[1])):
        return True
    if maker and doc[pair.predicate[0]].lemma_ not in ("hold", "carry", "ride"):
        return False
    # "a singer performs | on saturday": whatever the object is, the act shows.
    acts = (
        pair.kind in ("verb", "participle")
        and doc[pair.predicate[1] - 1].tag_ == "IN"
        and doc[pair.object[0]].tag_ != "PRP"
        and any(token.lemma_ in ACTS for token in doc[slice(*pair.predicate)])
    )
    return acts or depictable(doc, pair.object)


def _without_picture(doc: Doc, code: str, pair: Pair) -> Pair:
    """Read "is | a photo of a ring" as "is a photo of | a ring"."""
    if pair.kind == "verb" and code[pair.predicate[0]] == "b" and is_picture(doc, pair.object):
        of = code.index("o", pair.object[0])
        return pair._replace(predicate=(pair.predicate[0], of + 1), object=(of + 1, pair.object[1]))
    return pair


def _contents(doc: Doc, code: str, subject: tuple[int, int], pairs: list[Pair]) -> list[Pair]:
    """Return "a bowl | of | fruit" for every container in the caption that has its contents told."""
    found = []
    for start, stop in dict.fromkeys([subject, *(pair.object for pair in pairs)]):
        of = code.find("o", start, stop)
        if of > start and doc[of - 1].lemma_ in CONTAINERS and depictable(doc, (of + 1, stop)) and code[of + 1] != "D":
            found.append(Pair("contents", (of, of + 1), (of + 1, stop), (start, of), "first"))
    return found


def _invisible(doc: Doc, code: str, pair: Pair) -> bool:
    """Whether no picture shows the link: "wants a dog", "by a novelist", a clause about something else."""
    if pair.kind != "and" and pair.place != "later" and names_nothing(doc, pair.owner):
        return True
    if pair.kind in ("verb", "participle"):
        return _aside(doc, code, pair)
    if is_state(doc, (pair.predicate[0], pair.object[1])):
        return False
    link, head = doc[pair.predicate[0]].lower_, doc[pair.object[1] - 1].lemma_
    owner = doc[pair.owner[1] - 1].lemma_.lower()
    if (link in ("against", "between") and owner in CONTESTS) or (owner in SHOTS and link not in ("with", "of")):
        return True
    if link == "in" and head in SHOTS:
        return True
    if link == "for" and (code[pair.object[0]] != "D" or head in OCCASIONS or pair.place == "later"):
        return True
    if owner == "view" and link not in VIEWED:
        return pair.kind == "preposition"
    if link in WEAK_PREPOSITIONS and (head in PEOPLE or (link == "from" and code[pair.object[0]] != "D")):
        return True
    return (link == "by" and head not in SHORES) or (link == "during" and head not in WEATHER and pair.place != "later")


def _aside(doc: Doc, code: str, pair: Pair) -> bool:
    """Whether an act is told of something else, of another time, or is none that shows."""
    start, owner = pair.predicate[0], doc[pair.owner[0]].lower_
    before = doc[start - 1].lower_ if start else ""
    if start and code[start - 1] == "W":
        if pair.place != "first" or pair.kind == "participle" or before not in ("that", "which", "who"):
            return True
        if doc[start].tag_ == "VBD" and code[start] == "Z":
            return True
    return (
        before == "as"  # "as can be seen"
        or owner in ("him", "them", "me", "us")  # "sees him dived"
        or (owner == "it" and pair.owner[0] > 0)  # "the sea and it 's waves"
        or (doc[start].lemma_ in LIGHT | {"look"} and code[start + 1] == "T")
        or (code[start] == "b" and doc[pair.predicate[1] - 1].lower_ == "for")
        or doc[pair.owner[1] - 1].lemma_ == "view"  # "a view looking out of a car"
        or any(
            token.lemma_ in UNSEEN and token.lower_ != "like" and token.tag_[:2] != "NN"  # "discuss plans at a table"
            for token in doc[slice(*pair.predicate)]
        )
    )


def _weak(doc: Doc, pair: Pair) -> bool:
    """Whether a picture hardly shows a pair: "for the garden", "from a shop", "on display"."""
    if is_state(doc, (pair.predicate[0], pair.object[1])):
        return True
    link, head = doc[pair.predicate[0]].lower_, doc[pair.object[1] - 1].lemma_
    return pair.kind == "preposition" and (link in WEAK_PREPOSITIONS or (link == "during" and head not in WEATHER))


def _states(doc: Doc, code: str, items: list[Item]) -> list[Pair]:
    """Return "the water | is | calm" and "a dog | is | running" of a caption that opens with it."""
    if len(items) < 3 or items[0].kind != "n" or items[1].kind != "b":
        return []
    i = items[1].stop
    word = code[i : i + 1]
    passive = word == "v" and doc[i].tag_ == "VBN" and doc[i].lemma_ not in UNSEEN | TELLING
    if passive and depictable(doc, (items[0].start, items[0].stop)) and code[i + 1 : i + 2] in ("", ".", "R", "S", "I"):
        return [Pair("verb", (items[1].start, i), (i, i + 1), (items[0].start, items[0].stop), "first")]
    state = (word == "A" and doc[i].lower_ not in UNSEEN and not doc[i].lower_.endswith(UNSEEN_ENDINGS)) or (
        word == "v" and doc[i].tag_ == "VBG" and doc[i].lemma_ in INTRANSITIVE
    )
    if not state or code[i + 1 : i + 2] not in ("", ".", ",", "S", "I"):
        return []
    return [Pair("verb", (items[1].start, i), (i, i + 1), (items[0].start, items[0].stop), "first")]


def _whole(doc: Doc, code: str, items: list[Item], subject: tuple[int, int]) -> list[Pair]:
    """Return "photo | of | a dog" and "the facade | of | a church" of a caption that is nothing else."""
    of = code.find("o", *subject)
    labelled = "." in code[:-1] and doc[of - 1].lower_ not in PICTURES  # "picture of a village : a look at its life"
    if subject[0] != items[0].start or labelled or of < 0 or code[of - 1] != "N":
        return []
    if doc[of - 1].lower_ not in PICTURES and (
        not depictable(doc, (subject[0], of)) or any(item.kind in "bhdMZGgV," for item in items)
    ):
        return []
    if not depictable(doc, (of + 1, subject[1])):
        return []
    return [Pair("picture", (of, of + 1), (of + 1, subject[1]), (subject[0], of), "first")]


def is_state(doc: Doc, span: tuple[int, int]) -> bool:
    """Whether words are a turn of speech for how a thing is, which shows: "on display", "in bloom"."""
    return doc[slice(*span)].text.lower().replace(" ", "_") in STATES


def is_picture(doc: Doc, span: tuple[int, int]) -> bool:
    """Whether a noun phrase starts as "photo of", "view of", "illustration of": a name for the picture itself."""
    words = [token.lower_ for token in doc[span[0] : span[1]]]
    return "of" in words and words[words.index("of") - 1] in PICTURES
