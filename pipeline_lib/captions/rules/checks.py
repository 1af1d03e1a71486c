"""Decide what is refused: captions that cannot be negated, and sentences that are not faithful.

The paper drops unfaithful answers of its language model without publishing the rule. Here every refusal has a reason
from the closed list `Reason`, and a negated caption must pass `unfaithful`.
"""

import enum
import re

from spacy.tokens import Doc, Token

from pipeline_lib.captions.rules import phrases
from pipeline_lib.captions.rules.relations import Pair, Relations
from pipeline_lib.captions.tagger.lexicon import in_lexicon
from pipeline_lib.captions.tagger.usual import VERBS_FIRST
from pipeline_lib.captions.tagger.words import word_set
from pipeline_lib.clip.tokenizer import fits_clip

# No caption this long fits CLIP's 77 tokens; tagging or encoding a megabyte to find out would take minutes.
MAX_BYTES = 1000
WORD = re.compile(r"[^\W_]+(?:[’'][^\W_]+)?")
MARKUP = re.compile(r"</?\w+[^>]*>|&\w+;|https?:|www\.")

# Nouns too, but with a noun after them at the head of a caption they tell somebody to do something.
COMMANDS = word_set(
    "use turn fix hide layer place add mix try check choose keep create build draw decorate save learn cook spread "
    "fill put pour arrange transform replace attach remove avoid combine grow make get buy store stop"
)

# What follows a command's verb, and hardly ever a noun that looks like one.
OBJECTS = ("DT", "PRP", "PRP$", "RP", "TO")


class Reason(enum.StrEnum):
    """Why a caption has no negated caption; `NO_ANSWER`: a language model gave none of the wanted form."""

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
    NO_PAIR = "no-pair"
    QUANTIFIER = "quantifier"
    NO_RULE = "no-rule"
    UNFAITHFUL = "unfaithful"
    NO_ANSWER = "no-answer"


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
    if phrases.NEGATIONS.intersection(caption.lower().replace("n't", " n't").split()):
        return Reason.ALREADY_NEGATED
    return None


def refuse_tagged(doc: Doc, relations: Relations) -> Reason | None:
    """Return why a tagged and parsed caption is refused as a whole, or None."""
    tokens = list(doc)
    lower, tags = [token.lower_ for token in tokens], [token.tag_ for token in tokens]
    if "?" in lower or tags[0] in ("WRB", "WP") or lower[0] == "what":
        return Reason.QUESTION
    asks = tags[0] == "MD" or tokens[0].lemma_ in ("be", "have", "do")
    if asks and len(tags) > 1 and tags[1] in ("PRP", "DT", "EX", "NNP", "PRP$"):
        return Reason.QUESTION
    verb_first = tags[0] == "VB" and (tokens[0].lemma_ in VERBS_FIRST or tags[min(1, len(tags) - 1)] in OBJECTS)
    told = lower[0] in COMMANDS and len(tags) > 1 and tags[1] in ("NN", "NNS", "JJ", "DT", "PRP$", "CD", "JJR", "NNP")
    if verb_first or told or lower[0] in ("let", "lets", "please"):
        return Reason.COMMAND
    if any(tag == "PRP" and _speaks(lower, tags, i) for i, tag in enumerate(tags)):
        return Reason.CONVERSATION
    if sum(word.isalpha() and not in_lexicon(word) for word in lower) > 0.5 * len(lower):
        return Reason.NOT_ENGLISH
    if relations.subject is None:
        return Reason.NO_NOUN
    if not relations.pairs:
        return Reason.NO_PAIR
    if any(tag == "MD" and word in phrases.UNCERTAIN_MODALS for word, tag in zip(lower, tags, strict=True)):
        return Reason.NO_RULE
    return None


def _speaks(lower: list[str], tags: list[str], i: int) -> bool:
    """Whether a pronoun is a speaker or a listener who does something: "you can see", not "a cat looks at you"."""
    after = i + 1 if i + 1 < len(lower) else i
    if lower[i] not in phrases.SPEAKERS or (lower[i] == "us" and lower[after] in ("state", "county", "territory")):
        return False
    return lower[i] in ("i", "we") or tags[after][:2] in ("VB", "MD", "RB")


def quantified(doc: Doc, pair: Pair) -> bool:
    """Whether a quantifier would leave the negated caption true: "some people do not sit", "not on every wall"."""
    spans = [pair.object, pair.owner] if pair.owner else [pair.object]
    if any(doc[start].lower_ in phrases.QUANTIFIERS for start, _ in spans):
        return True
    start = pair.owner[0] if pair.owner else 0
    if start > 1 and doc[start - 1].lower_ == "of" and doc[start - 2].lower_ in phrases.QUANTIFIERS:
        return True  # "some of the boats in a harbor"
    return pair.kind in ("verb", "participle") and any(
        token.lower_ in phrases.QUANTIFIERS for token in doc[: pair.predicate[0]]
    )


def unfaithful(doc: Doc, pair: Pair, word: str, negated: str, exclusion: str) -> str | None:
    """Return what is wrong with a negated caption and its exclusion caption, or None.

    Parameters
    ----------
    doc : Doc
        The caption.
    pair : Pair
        The negated pair.
    word : str
        The negation word that was used.
    negated, exclusion : str
        What was made of the caption.
    """
    old, new, left = (WORD.findall(text.lower()) for text in (doc.text, negated, exclusion))
    negations = [token for token in new if token in phrases.NEGATIONS]
    if len(negations) != 1 or negations[0] not in (word, "cannot"):
        return "one negation word expected"
    content = WORD.findall(doc[slice(*_without_article(doc, pair.object))].text.lower())
    if not content or not _contains(new, content):
        return "the object is gone"
    if _contains(left, content):
        return "the exclusion caption still has the object"
    lost = [token for token in old if token not in new]
    changed = (
        {token.lower_ for token in doc[slice(*pair.predicate)]}
        | {"with", "and", "has", "had", "have", "can", "the"}
        | phrases.INDEFINITES
    )
    if not set(lost) <= changed:
        return "words of the caption are gone"
    remaining = set(left)
    if not any(token.lower_ in remaining and _names(token) for token in doc):
        return "the exclusion caption names nothing"
    if left[0] != old[0] and doc[0].lower_ == old[0] and (pair.place != "start" or left[0] in phrases.DANGLING):
        return "the exclusion caption does not begin well"
    if not set(left) <= set(old) or left[-1] in phrases.DANGLING or len(left) >= len(old):
        return "the exclusion caption does not end well"
    return None


def _names(token: Token) -> bool:
    return token.pos_ in ("NOUN", "PROPN") or token.tag_ == "VBG" or token.lower_ in phrases.PERSONS


def _without_article(doc: Doc, span: tuple[int, int]) -> tuple[int, int]:
    start = span[0]
    while start < span[1] - 1 and (doc[start].lower_ in phrases.INDEFINITES or doc[start].lower_ == "the"):
        start += 1
    return start, span[1]


def _contains(text: list[str], part: list[str]) -> bool:
    return any(text[i : i + len(part)] == part for i in range(len(text) - len(part) + 1))
