"""Read a language model's answers, and trust none: schema, phrases that stand in the caption, faithful sentences.

Inputs: the text of an answer, and the tagged caption. Outputs: subject and pairs as spans of the caption
(`read_pairs`), or the three texts of a negation (`read_sentences`). An answer that cannot be used raises `Unusable`
with a reason that is also told to the model, which is then asked again.
"""

import json
from typing import NamedTuple

import jsonschema
from spacy.language import Language
from spacy.tokens import Doc

from pipeline_lib.captions.rules import checks, phrases
from pipeline_lib.captions.rules.checks import WORD, Reason
from pipeline_lib.captions.rules.relations import Pair
from pipeline_lib.captions.table import NEGATION_WORDS
from pipeline_lib.captions.tagger.words import word_set
from pipeline_lib.clip.tokenizer import fits_clip

_TEXT = {"type": "string", "minLength": 1}


def _closed(**properties: dict) -> dict:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


DECOMPOSITION = _closed(
    subject={"type": ["string", "null"]},
    pairs={"type": "array", "items": _closed(predicate=_TEXT, object=_TEXT)},
)
SENTENCES = _closed(negated_caption=_TEXT, exclusion_caption=_TEXT, object=_TEXT)

# What the grammar of a negation may bring in, beside the negation word itself.
GRAMMAR = word_set("a an the any do does did is are was were be that which who has have there with and but cannot")


class Unusable(Exception):
    """An answer that cannot be used: `reason` for the table, the message for the model."""

    def __init__(self, problem: str, reason: Reason):
        super().__init__(problem)
        self.reason = reason


class Decomposition(NamedTuple):
    """What the model found in a caption, as spans of tokens: `subject` (or None) and `pairs`."""

    subject: tuple[int, int] | None
    pairs: list[Pair]


class Sentences(NamedTuple):
    """The chosen pair's negation word, negated caption and exclusion caption."""

    word: str
    negated: str
    exclusion: str


def _parse(answer: str, schema: dict) -> dict:
    try:
        content = json.loads(answer)
        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair is JSON, and no text
    except (ValueError, RecursionError):
        raise Unusable("it is not JSON", Reason.NO_ANSWER) from None
    for error in jsonschema.Draft202012Validator(schema).iter_errors(content):
        place = "/".join(map(str, error.absolute_path)) or "the object"
        raise Unusable(f"{place} does not fit the schema ({error.validator})", Reason.NO_ANSWER)
    return content


def read_pairs(answer: str, doc: Doc, tagger: Language) -> Decomposition:
    """Read the decomposition of a caption (paper section 3, step 1).

    Parameters
    ----------
    answer : str
        What the model said.
    doc : Doc
        The tagged caption.
    tagger : Language
        Whose tokeniser made it.

    Raises
    ------
    Unusable
        If the answer is no JSON of the schema `DECOMPOSITION`, or a phrase does not stand in the caption.
    """
    content = _parse(answer, DECOMPOSITION)
    lower = [token.lower_ for token in doc]

    def starts(phrase: str) -> tuple[list[int], int]:
        wanted = [token.lower_ for token in tagger.make_doc(phrase.strip())]
        found = [i for i in range(len(lower) - len(wanted) + 1) if wanted and lower[i : i + len(wanted)] == wanted]
        return found, len(wanted)

    subject = None
    if content["subject"] is not None and content["subject"].strip():
        found, length = starts(content["subject"])
        if not found:
            raise Unusable("the subject does not stand in the caption word for word", Reason.UNFAITHFUL)
        subject = (found[0], found[0] + length)
    pairs = []
    for number, pair in enumerate(content["pairs"]):
        predicates, n_predicate = starts(pair["predicate"])
        objects, n_object = starts(pair["object"])
        near = [(o - p, p, o) for p in predicates for o in objects if p + n_predicate <= o]
        if not near:
            problem = f"pairs/{number}: predicate and, after it, object do not stand in the caption word for word"
            raise Unusable(problem, Reason.UNFAITHFUL)
        _, p, o = min(near)
        kind = "verb" if any(doc[i].pos_ in ("VERB", "AUX") for i in range(p, p + n_predicate)) else "preposition"
        place = "later" if p else "start"
        pairs.append(Pair(kind, (p, p + n_predicate), (o, o + n_object), subject, place))
    return Decomposition(subject, pairs)


def read_sentences(answer: str, doc: Doc, found: Decomposition, chosen: int, tagger: Language) -> Sentences:
    """Read the negated caption and the exclusion caption (paper section 3, step 3), and check them.

    They pass the same checks as those of the rules (`checks.unfaithful`) and some that only free text needs.

    Parameters
    ----------
    answer, doc, tagger
        As of `read_pairs`.
    found : Decomposition
        Of the caption.
    chosen : int
        Which of its pairs was to be negated.

    Raises
    ------
    Unusable
        If the answer is no JSON of the schema `SENTENCES`, or not faithful to the caption.
    """
    content = _parse(answer, SENTENCES)
    negated, exclusion, thing = (
        " ".join(content[name].split()) for name in ("negated_caption", "exclusion_caption", "object")
    )
    pair = found.pairs[chosen]
    new = WORD.findall(negated.lower())
    word = next((word for word in NEGATION_WORDS if word in new), "not" if "cannot" in new else "")
    if not WORD.findall(exclusion):
        problem = "the exclusion caption is empty"
    elif _content(doc, pair.object) != _content(tagger.make_doc(thing)):
        problem = "the object is not the one of the pair"
    else:
        problem = (
            checks.unfaithful(doc, pair, word, negated, exclusion)
            or _rewritten(doc, negated, new, tagger)
            or _misplaced(doc, new, found, chosen, word)
        )
    if problem is None and not fits_clip(negated):
        problem = "the negated caption is too long"
    if problem:
        raise Unusable(problem, Reason.UNFAITHFUL)
    return Sentences(word, negated, exclusion)


def _content(doc: Doc, span: tuple[int, int] | None = None) -> list[str]:
    """Return the words of a phrase, in lower case, without an article before them."""
    words = WORD.findall(doc[slice(*(span or (0, len(doc))))].text.lower())
    while len(words) > 1 and (words[0] in phrases.INDEFINITES or words[0] == "the"):
        words = words[1:]
    return words


def _rewritten(doc: Doc, negated: str, new: list[str], tagger: Language) -> str | None:
    """Return a problem if the negated caption has other words than the caption, or has them in another order."""
    old = WORD.findall(doc.text.lower())
    lemmas = {token.lemma_.lower() for token in doc}
    known = GRAMMAR.union(NEGATION_WORDS, (token.lower_ for token in doc), lemmas)
    for token in tagger(negated):
        if token.is_alpha and token.lower_ not in known and token.lemma_.lower() not in lemmas:
            return f"the caption does not have the word {token.lower_!r}"
    loose = GRAMMAR | phrases.INDEFINITES
    kept_new = [word for word in new if word in old and word not in loose]
    kept_old = [word for word in old if word in new and word not in loose]
    return None if kept_new == kept_old else "the words of the caption are not in their order"


def _misplaced(doc: Doc, new: list[str], found: Decomposition, chosen: int, word: str) -> str | None:
    """Return a problem if the negation word does not stand before the chosen object, or stands before another first."""
    pair = found.pairs[chosen]
    at = new.index(word if word in new else "cannot")
    wanted = _content(doc, pair.object)
    after = new[at + 1 :]
    to = next((i for i in range(len(after)) if after[i : i + len(wanted)] == wanted), None)
    if to is None:
        return f"{word!r} does not stand before the object"
    others = [span for span in (found.subject, *(other.object for other in found.pairs)) if span]
    for start, stop in others:
        apart = (stop <= pair.predicate[0] or start >= pair.predicate[1]) and (
            stop <= pair.object[0] or start >= pair.object[1]
        )
        phrase = _content(doc, (start, stop))
        if apart and any(after[i : i + len(phrase)] == phrase for i in range(to)):
            return f"{word!r} negates {' '.join(phrase)!r} and not the object alone"
    return None
