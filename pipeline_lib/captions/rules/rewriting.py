"""Rewrite a caption by its tokens, and leave a pair out of it: the exclusion caption (paper section 3, step 3).

    "a dog on a mat , next to a cat", pair (on, a mat) -> "a dog , next to a cat"

It asks for a distractor image that shows the rest of the caption and not the object.
"""

import re
from typing import Self

from pipeline_lib.captions.rules.chunks import FINITE, WORDS, Caption, Pair, Span
from pipeline_lib.captions.rules.scenes import ACTS, SCENES
from pipeline_lib.captions.tagger.lexicon import WORDS as TAGGER_WORDS

# Phrases after an object that may hang on it, and the end of what may.
LOOSE = re.compile("(?:[pc]n|[ARr])*")
END = re.compile(r"\.|,(?!n[,c]|c|W)")
# Prepositions that hang on a noun before them, and those that say where somebody is who acts.
HANGING = ("for", "to", "from", "in the shape of", "in the form of")
PLACING = ("in", "on", "at", "near")


class Rewrite:
    """A rewriting of a tokenised caption: words put before, after or instead of tokens, and tokens left out."""

    def __init__(self, caption: Caption):
        self._caption = caption
        self._before: dict[int, str] = {}
        self._after: dict[int, str] = {}
        self._instead: dict[int, str] = {}
        self._dropped: set[int] = set()

    def put(self, i: int, text: str) -> Self:
        """Put `text` before token `i`."""
        self._before[i] = text
        return self

    def put_after(self, i: int, text: str) -> Self:
        """Put `text` after token `i`."""
        self._after[i] = text
        return self

    def replace(self, i: int, text: str) -> Self:
        """Put `text` in the place of token `i`."""
        self._instead[i] = text
        return self

    def drop(self, start: int, stop: int) -> Self:
        """Leave out tokens ``start .. stop - 1``."""
        self._dropped.update(range(start, stop))
        return self

    def text(self) -> str:
        """Return the text; the spacing and the leading capital stay as they were written."""
        pieces: list[str] = []
        spaces: list[str] = []
        for i, (written, space) in enumerate(self._caption.written):
            if i in self._dropped and i not in self._before:
                if spaces:
                    spaces[-1] = space
                continue
            piece = "" if i in self._dropped else self._instead.get(i, written)
            if i in self._before:
                start = self._before[i]
                if i == 0 and written[:1].isupper():
                    start = start[0].upper() + start[1:]
                    piece = piece if self._caption.tags[0] == "NNP" else piece[:1].lower() + piece[1:]
                piece = f"{start} {piece}".strip()
            pieces.append(f"{piece} {self._after[i]}" if i in self._after else piece)
            spaces.append(space)
        text = "".join(piece + space for piece, space in zip(pieces, spaces, strict=True)).strip()
        if 0 in self._dropped and self._caption.written[0][0][:1].isupper():
            text = text[:1].upper() + text[1:]
        return text


def exclusion(caption: Caption, pair: Pair) -> str:
    """Return the caption without predicate and object, and without what may hang on them.

    In doubt the words after the object go too: "a vendor selling fish in a pan" leaves "a vendor".
    """
    return Rewrite(caption).drop(*left_out(caption, pair)).text()


def left_out(caption: Caption, pair: Pair) -> Span:
    """Return the tokens that the exclusion caption leaves out."""
    code, start, stop = caption.code, pair.predicate[0], _tail_end(caption, pair)
    if pair.kind in ACTS:
        start = caption.adverbs_before(start)
        if start and code[start - 1] in "WE":
            start -= 1
    if start and code[start - 1] == "c" and pair.kind != "and":
        start -= 1
    if start and code[start - 1] == "," and caption.next_kind(stop) in ".,":
        start -= 1
    return start, stop


def _tail_end(caption: Caption, pair: Pair) -> int:
    """Return where the words end that may hang on a pair's object: "a hat | that is red"."""
    stop, length = pair.object[1], len(caption.lower)
    kinds, spans = caption.kinds_after(stop)
    kinds += "."
    spans.append((length, length))
    link, is_phrase = caption.words(spans[0]), kinds[:2] == "pn" and caption.code[spans[1][0]] != "P"
    if caption.code[pair.predicate[0] - 1] == "E" and is_phrase:
        return spans[1][0]  # "there is a dog on | the sofa"
    if pair.kind in ("preposition", "and", "contents"):
        keeps = kinds[0] in f"{FINITE}c" or (is_phrase and link not in HANGING)
        keeps = keeps and (pair.kind != "preposition" or kinds[:2] != "cn")  # "on grass and rocks"
        keeps = keeps or (pair.kind == "preposition" and kinds[0] in "Gg")
    else:
        acts_on = pair.kind == "participle" and kinds[0] in "Gg" and not is_animate(caption, pair.object)
        keeps = is_animate(caption, pair.owner) and (acts_on or (is_phrase and _is_place(caption, link, spans[1])))
    if keeps:
        return stop
    loose = LOOSE.match(kinds).end()
    clause = any(caption.lower[start] in WORDS.conjunctions for start, _ in spans[:loose])
    if clause or kinds[loose] not in FINITE or pair.kind == "verb":
        loose = END.search(kinds, loose).start()
    return spans[loose][0]


def is_animate(caption: Caption, span: Span) -> bool:
    """Whether a phrase is about a person or an animal."""
    return caption.head(span).lower() in TAGGER_WORDS.animate


def _is_place(caption: Caption, link: str, phrase: Span) -> bool:
    """Whether a phrase is sure to say where somebody is who acts: "a boy riding a horse | on the beach"."""
    return link == "during" or (link in PLACING and caption.head(phrase) in SCENES.places | SCENES.events)
