"""Decide what is refused: captions that cannot be negated, and sentences that are not faithful.

The paper drops unfaithful answers of its language model without publishing the rule. Here every refusal has a reason
from the closed list `Reason`, and a negated caption must pass `unfaithful`.
"""

import enum
import re

from pipeline_lib.captions.rules.chunks import WORDS, Caption, Pair, Span
from pipeline_lib.captions.rules.rewriting import left_out
from pipeline_lib.captions.rules.scenes import SCENES, tells_no_picture
from pipeline_lib.captions.tagger.lexicon import WORDS as TAGGER_WORDS
from pipeline_lib.captions.tagger.lexicon import in_lexicon
from pipeline_lib.clip.tokenizer import fits_clip

# No caption this long fits CLIP's 77 tokens; tagging or encoding a megabyte to find out would take minutes.
MAX_BYTES = 1000
WORD = re.compile(r"[^\W_]+(?:[’'][^\W_]+)?")
MARKUP = re.compile(r"</?\w+[^>]*>|&\w+;|https?:|www\.")
# What follows a command's verb, and hardly ever a noun that looks like one.
AFTER_COMMAND = ("DT", "PRP", "PRP$", "RP", "TO")
AFTER_COMMANDING_NOUN = ("NN", "NNS", "JJ", "DT", "PRP$", "CD", "JJR", "NNP")
# What a form may take out of a caption, beside the pair's predicate.
REPLACEABLE = {"with", "and", "a", "an", "has", "had", "have", "can", "the"} | WORDS.indefinites | SCENES.praise

# What an exclusion caption may be made of, and still names no more than that there is a picture.
NO_PICTURE = SCENES.carriers | SCENES.fillers | SCENES.periods | TAGGER_WORDS.calendar | {"event", "industry"}


class Reason(enum.StrEnum):
    """Why a caption has no negated caption."""

    COLUMNS = "columns"
    ENCODING = "encoding"
    CONTROL_CHARACTER = "control-character"
    EMPTY = "empty"
    TOO_LONG = "too-long"
    MARKUP = "markup"
    NOT_ENGLISH = "not-english"
    ALREADY_NEGATED = "already-negated"
    QUESTION = "question"
    COMMAND = "command"
    CONVERSATION = "conversation"
    NO_NOUN = "no-noun"
    NO_PICTURE = "no-picture"  # told of the past or the future, advice, an address to the reader
    NO_PAIR = "no-pair"
    QUANTIFIER = "quantifier"
    NO_RULE = "no-rule"
    DOUBTFUL = "doubtful"  # no sentence whose score reaches `min_quality`
    UNFAITHFUL = "unfaithful"
    NO_ANSWER = "no-answer"  # a language model gave no answer of the wanted form


def refuse_text(caption: str) -> Reason | None:
    """Return why a caption is refused before it is tagged, or None."""
    if not caption.strip():
        return Reason.EMPTY
    if len(caption.encode()) > MAX_BYTES or not fits_clip(caption):
        return Reason.TOO_LONG
    if MARKUP.search(caption):
        return Reason.MARKUP
    letters = [character for character in caption if character.isalpha()]
    if not letters:
        return Reason.EMPTY
    if sum(not character.isascii() for character in letters) > 0.2 * len(letters):
        return Reason.NOT_ENGLISH
    if WORDS.negations.intersection(caption.lower().replace("n't", " n't").split()):
        return Reason.ALREADY_NEGATED
    return None


def refuse_parsed(caption: Caption) -> Reason | None:
    """Return why a tagged and parsed caption is refused as a whole, or None."""
    lower, tags, lemma = caption.lower, caption.tags, caption.lemmas[0]
    second = tags[1] if len(tags) > 1 else ""
    if "?" in lower or tags[0] in ("WRB", "WP") or lower[0] == "what":
        return Reason.QUESTION
    if (tags[0] == "MD" or lemma in ("be", "have", "do")) and second in ("PRP", "DT", "EX", "NNP", "PRP$"):
        return Reason.QUESTION
    verb_first = tags[0] == "VB" and (lemma in TAGGER_WORDS.verbs_first or second in AFTER_COMMAND)
    noun_first = lower[0] in WORDS.commands and second in AFTER_COMMANDING_NOUN
    if verb_first or noun_first or lower[0] in ("let", "lets", "please"):
        return Reason.COMMAND
    if any(tag == "PRP" and _speaks(caption, i) for i, tag in enumerate(tags)):
        return Reason.CONVERSATION
    if sum(word.isalpha() and not in_lexicon(word) for word in lower) > 0.5 * len(lower):
        return Reason.NOT_ENGLISH
    if caption.subject is None:
        return Reason.NO_NOUN
    if tells_no_picture(caption):
        return Reason.NO_PICTURE
    if not caption.pairs:
        return Reason.NO_PAIR
    return None


def _speaks(caption: Caption, i: int) -> bool:
    """Whether a pronoun is a speaker or a listener who does something: "you can see", not "a cat looks at you"."""
    word, after = caption.lower[i], min(i + 1, len(caption.lower) - 1)
    if word not in WORDS.speakers or (word == "us" and caption.lower[after] in ("state", "county", "territory")):
        return False
    return word in ("i", "we") or caption.tags[after][:2] in ("VB", "MD", "RB")


def quantified(caption: Caption, pair: Pair) -> bool:
    """Whether a quantifier would leave the negated caption true: "some people do not sit", "not on every wall"."""
    lower, quantifiers = caption.lower, WORDS.quantifiers
    start = pair.owner[0] if pair.owner else 0
    if lower[pair.object[0]] in quantifiers or (pair.owner and lower[start] in quantifiers):
        return True
    if start > 1 and lower[start - 1] == "of" and lower[start - 2] in quantifiers:
        return True  # "some of the boats in a harbor"
    return pair.kind in ("verb", "participle") and not quantifiers.isdisjoint(lower[: pair.predicate[0]])


def unfaithful(caption: Caption, pair: Pair, word: str, negated: str, exclusion: str) -> str | None:
    """Return what is wrong with a pair's negated caption, by a negation word, and its exclusion caption; or None."""
    old, new, left = (WORD.findall(text.lower()) for text in (caption.doc.text, negated, exclusion))
    negations = [token for token in new if token in WORDS.negations]
    if len(negations) != 1 or negations[0] not in (word, "cannot"):
        return "one negation word expected"
    content = WORD.findall(caption.text(_without_article(caption, pair.object)).lower())
    if not content or not _contains(new, content):
        return "the object is gone"
    if _contains(left, content):
        return "the exclusion caption still has the object"
    lost = {token for token in old if token not in new}
    gone = left_out(caption, pair) if pair.owner else pair.predicate
    if not lost <= REPLACEABLE.union(caption.lower[slice(*gone)]):
        return "words of the caption are gone"
    if not any(kept in left and _names(caption, i, alone=len(left) == 1) for i, kept in enumerate(caption.lower)):
        return "the exclusion caption names nothing"
    if set(left) <= NO_PICTURE:
        return "the exclusion caption names no more than a picture"
    if left[0] != old[0] and caption.lower[0] == old[0] and (pair.place != "start" or left[0] in WORDS.dangling):
        return "the exclusion caption does not begin well"
    if not set(left) <= set(old) or left[-1] in WORDS.dangling or len(left) >= len(old):
        return "the exclusion caption does not end well"
    return None


def _names(caption: Caption, i: int, alone: bool) -> bool:
    acts = caption.tags[i] == "VBG" and not alone  # "playing chess", but not "hiding"
    return acts or caption.doc[i].pos_ in ("NOUN", "PROPN") or caption.lower[i] in WORDS.persons


def _without_article(caption: Caption, span: Span) -> Span:
    start, stop = span
    while start < stop - 1 and (caption.lower[start] in WORDS.indefinites or caption.lower[start] == "the"):
        start += 1
    return start, stop


def _contains(text: list[str], part: list[str]) -> bool:
    return any(text[i : i + len(part)] == part for i in range(len(text) - len(part) + 1))
