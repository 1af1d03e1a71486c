"""Read a language model's answers, and trust none: JSON of a schema, phrases of the caption, faithful sentences.

Inputs: the text of an answer, and the tagged caption. Outputs: subject and pairs as spans of the caption
(`read_pairs`), or the three texts of a negation (`read_sentences`). An answer that cannot be used raises `Unusable`
with a reason that is also told to the model, which is then asked again.
"""

import json
from typing import NamedTuple

import jsonschema
from spacy.language import Language

from pipeline_lib.captions.rules.checks import WORD, Reason, unfaithful
from pipeline_lib.captions.rules.chunks import WORDS, Caption, Pair, Span
from pipeline_lib.clip.tokenizer import fits_clip
from pipeline_lib.formats.negation import NEGATION_WORDS

MAX_TRIES = 200  # braces at which an object may start
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


class Unusable(Exception):
    """An answer that cannot be used: `reason` for the table, the message for the model."""

    def __init__(self, problem: str, reason: Reason):
        super().__init__(problem)
        self.reason = reason


class Decomposition(NamedTuple):
    """What the model found in a caption."""

    subject: Span | None
    pairs: list[Pair]


class Sentences(NamedTuple):
    """The chosen pair's negation word, negated caption and exclusion caption."""

    word: str
    negated: str
    exclusion: str


def _find_object(answer: str) -> dict:
    """Return the last JSON object in an answer: alone, in a code fence, in prose, or after the model's thinking."""
    text = answer.rpartition("</think>")[2]
    decoder, found, at = json.JSONDecoder(), None, text.find("{")
    for _ in range(MAX_TRIES):
        if at < 0:
            break
        try:
            content, end = decoder.raw_decode(text, at)
            found = content
        except (ValueError, RecursionError):
            end = at + 1
        at = text.find("{", end)
    if found is None:
        raise ValueError("no JSON object")
    json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is JSON, and no text
    return found


def _parse(answer: str, schema: dict) -> dict:
    try:
        content = _find_object(answer)
    except (ValueError, RecursionError):
        raise Unusable("it has no JSON object", Reason.NO_ANSWER) from None
    for error in jsonschema.Draft202012Validator(schema).iter_errors(content):
        place = "/".join(map(str, error.absolute_path)) or "the object"
        raise Unusable(f"{place} does not fit the schema ({error.validator})", Reason.NO_ANSWER)
    return content


def read_pairs(answer: str, caption: Caption, tagger: Language) -> Decomposition:
    """Read the decomposition of a caption (paper section 3, step 1), whose tokens are those of `tagger`."""
    content = _parse(answer, DECOMPOSITION)

    def spans(phrase: str) -> list[Span]:
        """Return where a phrase stands in the caption."""
        wanted = [token.lower_ for token in tagger.make_doc(phrase.strip())]
        return [(start, start + len(wanted)) for start in _find(wanted, caption.lower)] if wanted else []

    subject = None
    if content["subject"] is not None and content["subject"].strip():
        subject = next(iter(spans(content["subject"])), None)
        if subject is None:
            raise Unusable("the subject does not stand in the caption word for word", Reason.UNFAITHFUL)
    pairs = []
    for number, pair in enumerate(content["pairs"]):
        predicates, objects = spans(pair["predicate"]), spans(pair["object"])
        near = [(o[0] - p[0], p, o) for p in predicates for o in objects if p[1] <= o[0]]
        if not near:
            problem = f"pairs/{number}: predicate and, after it, object do not stand in the caption word for word"
            raise Unusable(problem, Reason.UNFAITHFUL)
        _, predicate, thing = min(near)
        verb = any(token.pos_ in ("VERB", "AUX") for token in caption.doc[slice(*predicate)])
        place = "later" if predicate[0] else "start"
        pairs.append(Pair("verb" if verb else "preposition", predicate, thing, subject, place))
    return Decomposition(subject, pairs)


def read_sentences(answer: str, caption: Caption, found: Decomposition, chosen: int, tagger: Language) -> Sentences:
    """Read the negated caption and the exclusion caption of pair `chosen` (paper section 3, step 3), and check them.

    They pass the same checks as those of the rules (`checks.unfaithful`) and some that only free text needs.
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
    elif _content(caption.text(pair.object)) != _content(thing):
        problem = "the object is not the one of the pair"
    else:
        problem = (
            unfaithful(caption, pair, word, negated, exclusion)
            or _rewritten(caption, negated, new, tagger)
            or _misplaced(caption, new, found, chosen, word)
        )
    if problem is None and not fits_clip(negated):
        problem = "the negated caption is too long"
    if problem:
        raise Unusable(problem, Reason.UNFAITHFUL)
    return Sentences(word, negated, exclusion)


def _find(part: list[str], text: list[str]) -> list[int]:
    return [i for i in range(len(text) - len(part) + 1) if text[i : i + len(part)] == part]


def _content(phrase: str) -> list[str]:
    """Return the words of a phrase, in lower case, without an article before them."""
    words = WORD.findall(phrase.lower())
    while len(words) > 1 and (words[0] in WORDS.indefinites or words[0] == "the"):
        words = words[1:]
    return words


def _rewritten(caption: Caption, negated: str, new: list[str], tagger: Language) -> str | None:
    """Return a problem if the negated caption has other words than the caption, or has them in another order."""
    old = WORD.findall(caption.doc.text.lower())
    lemmas = {lemma.lower() for lemma in caption.lemmas}
    known = WORDS.grammar.union(NEGATION_WORDS, caption.lower, lemmas)
    for token in tagger(negated):
        if token.is_alpha and token.lower_ not in known and token.lemma_.lower() not in lemmas:
            return f"the caption does not have the word {token.lower_!r}"
    loose = WORDS.grammar | WORDS.indefinites
    kept_new = [word for word in new if word in old and word not in loose]
    kept_old = [word for word in old if word in new and word not in loose]
    return None if kept_new == kept_old else "the words of the caption are not in their order"


def _misplaced(caption: Caption, new: list[str], found: Decomposition, chosen: int, word: str) -> str | None:
    """Return a problem if the negation word does not stand before the chosen object, or stands before another first."""
    pair = found.pairs[chosen]
    after = new[new.index(word if word in new else "cannot") + 1 :]
    to = next(iter(_find(_content(caption.text(pair.object)), after)), None)
    if to is None:
        return f"{word!r} does not stand before the object"
    for span in (found.subject, *(other.object for other in found.pairs)):
        if span is None or _overlaps(span, pair.predicate) or _overlaps(span, pair.object):
            continue
        phrase = _content(caption.text(span))
        if any(at < to for at in _find(phrase, after)):
            return f"{word!r} negates {' '.join(phrase)!r} and not the object alone"
    return None


def _overlaps(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]
