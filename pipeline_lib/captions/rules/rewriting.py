"""Rewrite a caption by its tokens, and leave a pair out of it: the exclusion caption (paper section 3, step 3).

    "a dog on a mat , next to a cat", pair (on, a mat) -> "a dog , next to a cat"

It asks for a distractor image that shows the rest of the caption and not the object.
"""

from typing import Self

from pipeline_lib.captions.rules.chunks import FINITE, WORDS, Caption, Chunk, Pair
from pipeline_lib.captions.rules.relations import opens_clause
from pipeline_lib.captions.rules.visibility import is_visible

ARTICLES = ("a", "an", "the", "this")
ACTS = ("verb", "participle")


class Rewrite:
    """A rewriting of a tokenised caption: words put before, after or instead of tokens, and tokens left out."""

    def __init__(self, caption: Caption, denied: Pair | None = None):
        """Begin; where the object of the pair `denied` is a list, its *and* becomes *or*."""
        self._caption = caption
        self._before: dict[int, str] = {}
        self._after: dict[int, str] = {}
        self._instead: dict[int, str] = {}
        self._dropped: set[int] = set()
        self._list = range(*denied.object) if denied and denied.kind != "and" else range(0)
        conjunctions = (i for i in self._list if caption.code[i] == "c" and caption.lower[i] in ("and", "&"))
        for i in conjunctions:
            if caption.code[i + 1] != "A" or caption.code[i - 1] != "A":  # not "black and white"
                self._instead[i] = "or"

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

    def drop_articles(self) -> Self:
        """Leave out the articles of a list's later members: "with no hat or gloves"."""
        for i in self._list:
            if self._caption.code[i - 1] in "c," and self._caption.lower[i] in ("a", "an", "the"):
                self._dropped.add(i)
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
    """Return the caption without predicate and object, and without what hangs on them."""
    code, chunks = caption.code, caption.chunks
    start, stop = pair.predicate[0], pair.object[1]
    if pair.kind == "verb" and code[pair.predicate[1] - 1] == "o":  # "is a photo of | a ring"
        return Rewrite(caption).drop(pair.predicate[1] - 1, _sentence_end(caption, stop)).text()
    if pair.kind in ACTS:
        start = caption.adverbs_before(start)
        if start and code[start - 1] in "WE":
            start -= 1
    stop = _tail(caption, pair, stop)
    following = next((chunk for chunk in chunks if chunk.start >= stop), None)
    if pair.kind in ACTS:
        if following and following.kind == "c" and caption.next_kind(following.stop) not in "np":
            stop = following.stop
        elif start and code[start - 1] == "c":
            start -= 2 if code[start - 2 : start - 1] == "G" else 1  # "a father holding and kissing his baby"
    elif start and code[start - 1] == "c" and pair.kind != "and":
        start -= 1
    if start and code[start - 1] == "," and (following is None or following.kind in ".,"):
        start -= 1
    return Rewrite(caption).drop(start, stop).text()


def _sentence_end(caption: Caption, i: int) -> int:
    ends = (chunk.start for chunk in caption.chunks if chunk.start >= i and chunk.kind == ".")
    return next(ends, len(caption.lower))


def _tail(caption: Caption, pair: Pair, stop: int) -> int:
    """Return where the words end that would hang in the air without the object: "a hat | that is red"."""
    first = next((n for n, chunk in enumerate(caption.chunks) if chunk.start >= stop), len(caption.chunks))
    chunks = caption.chunks[first:]
    kinds = "".join(chunk.kind for chunk in chunks[:3]).ljust(3, ".")
    word = caption.lower[chunks[0].start] if chunks else ""
    acts, length = pair.kind in ACTS, len(caption.lower)
    phrase_end = next((chunk.start for chunk in chunks if chunk.kind in ".,"), length)
    sentence_end = _sentence_end(caption, stop)

    def after(place: int) -> int:
        """Leave out that many chunks and one more, and what hangs on them."""
        return _tail(caption, pair, chunks[place].stop)

    if kinds[0] == "r" or (kinds[0] == "R" and (acts or pair.kind == "with")):
        return after(0)
    if kinds[0] == "n" and (kinds[1] in FINITE or kinds[1] in "RM"):
        return phrase_end  # "a peach | she picked from a tree"
    if kinds[0] == "n":
        return after(0)  # "every time", "writes on the board | his name"
    if pair.kind == "and" and kinds[0] in "GgVAp" and not (kinds[0] == "p" and kinds[1] == "n"):
        return phrase_end  # "a king | standing on it"
    if pair.kind == "with" and kinds[0] == "A":
        return phrase_end  # "trees | visible behind it"
    goes_on = pair.kind == "verb" or caption.head(pair.object) in WORDS.people
    if acts and kinds[0] in "ARrZbhdM" + "Gg" * goes_on:
        return phrase_end
    if kinds[:2] == ",n" and kinds[2] in ",c." and pair.kind != "and":
        return after(1)
    if kinds[:2] == ",p" and caption.lower[chunks[1].start] == "including":
        return sentence_end
    if pair.kind == "participle" and kinds[0] == "c" and kinds[1] in "ZB":
        return length
    if kinds[:2] == ",c":
        return after(0)
    if kinds[0] in "WTBS" or kinds[:2] == "pW":
        return phrase_end
    if kinds[0] == "p" and acts and (word in ("after", "before") or opens_clause(caption, first)):
        return phrase_end
    named = pair.kind == "picture" and kinds[0] == "p" and word == "with"
    if named or kinds[0] == "V" or (kinds[0] in "Gg" and pair.kind in ("with", "picture")):
        return sentence_end
    if acts and kinds[0] == "p" and kinds[1] != "n":
        return phrase_end  # "a stage | for the dining and cooking area"
    shaped = chunks and caption.words(chunks[0].span) in ("in the shape of", "in the form of")
    possessed = acts and caption.tags[pair.object[0]] == "PRP$"  # "keeps her eyes | on the ball"
    idiom = kinds[:2] == "pn" and caption.words((chunks[0].start, chunks[1].stop)) in WORDS.idioms
    hangs = word in ("for", "to", "from") or (word == "over" and pair.kind == "with") or idiom or shaped or possessed
    if kinds[:2] == "pn" and pair.kind != "and" and hangs:
        return after(1)  # "a view | from the window", "trees | in bloom"
    if kinds[:2] == "pn" and pair.kind != "preposition" and _completes(caption, chunks[0], chunks[1], pair.kind):
        return after(1)
    if kinds[:2] == "cn" and kinds[2] not in FINITE:
        return after(1)
    for other in caption.told:
        if not chunks or other.predicate[0] != chunks[0].start:
            continue
        scenery = other.kind == "preposition" and caption.lower[other.object[1] - 1] in WORDS.scenery
        if (other.kind == "with" and acts) or (scenery and pair.kind != "preposition"):
            return _tail(caption, other, other.object[1])
    return stop


def _completes(caption: Caption, link: Chunk, phrase: Chunk, kind: str) -> bool:
    """Whether a preposition and its phrase belong to the verb: "makes way | to the top", "a smile | on her face"."""
    word, tag = caption.lower[link.start], caption.tags[phrase.start]
    pointing = tag == "DT" and caption.lower[phrase.start] not in ARTICLES
    if tag in ("PRP$", "PRP") or caption.lower[phrase.stop - 1] in WORDS.body or (word in ("on", "in") and pointing):
        return True
    if kind in ACTS:
        return word in WORDS.completing or not is_visible(caption, phrase.span)
    # "a house with a flag in window": a place without its article is the thing's own.
    return kind == "with" and word in ("in", "on") and tag == "NN"
