"""Edit a tokenised caption: what sentence formation and the exclusion caption are made with."""

from typing import NamedTuple

from spacy.tokens import Doc

from pipeline_lib.captions.rules import phrases
from pipeline_lib.captions.rules.relations import Relations


class Sentence(NamedTuple):
    """One way to negate a pair: the negation word, the rule's name, and the negated caption."""

    word: str
    rule: str
    text: str


class Edit:
    """An edit of a tokenised text: words put before, after or instead of tokens, and tokens left out."""

    def __init__(self, doc: Doc):
        self.doc = doc
        self.before: dict[int, str] = {}
        self.after: dict[int, str] = {}
        self.instead: dict[int, str] = {}
        self.dropped: set[int] = set()

    def put(self, i: int, text: str) -> "Edit":
        """Put `text` before token `i`."""
        self.before[i] = text
        return self

    def put_after(self, i: int, text: str) -> "Edit":
        """Put `text` after token `i`."""
        self.after[i] = text
        return self

    def replace(self, i: int, text: str) -> "Edit":
        """Put `text` in the place of token `i`."""
        self.instead[i] = text
        return self

    def drop(self, start: int, stop: int) -> "Edit":
        """Leave out tokens ``start .. stop - 1``."""
        self.dropped.update(range(start, stop))
        return self

    def text(self) -> str:
        """Return the edited text; the spacing and the leading capital stay as they were written."""
        pieces: list[str] = []
        spaces: list[str] = []
        for i, token in enumerate(self.doc):
            if i in self.dropped and i not in self.before:
                if spaces:
                    spaces[-1] = token.whitespace_
                continue
            piece = "" if i in self.dropped else self.instead.get(i, token.text)
            if i in self.before:
                start = self.before[i]
                if i == 0 and token.text[:1].isupper():
                    start = start[0].upper() + start[1:]
                    piece = piece if token.tag_ == "NNP" else piece[:1].lower() + piece[1:]
                piece = f"{start} {piece}".strip()
            pieces.append(f"{piece} {self.after[i]}" if i in self.after else piece)
            spaces.append(token.whitespace_)
        text = "".join(piece + space for piece, space in zip(pieces, spaces, strict=True)).strip()
        if 0 in self.dropped and self.doc[0].text[:1].isupper():
            text = text[:1].upper() + text[1:]
        return text


def bare(doc: Doc, span: tuple[int, int]) -> int | None:
    """Return where a noun phrase starts without its article or number; None where a quantifier makes it unsafe."""
    i = span[0]
    if doc[i].lower_ in phrases.QUANTIFIERS - {"some", "any"}:
        return None
    while i < span[1] - 1 and doc[i].lower_ in phrases.INDEFINITES:
        i += 1
    return i


def takes_no(doc: Doc, span: tuple[int, int]) -> bool:
    """Whether *no* can stand before a noun phrase: neither "no the dog" nor "no her hat", "no Peter" or "no single"."""
    first = doc[span[0]]
    fitting = first.tag_ not in ("DT", "PRP$", "PRP", "NNP", "WDT") or first.lower_ in phrases.INDEFINITES
    return fitting and not any(token.tag_ == "POS" or token.lower_ == "single" for token in doc[span[0] : span[1]])


def lacking(doc: Doc, span: tuple[int, int], start: int, stop: int, end: str) -> list[Sentence]:
    """Return "without a hat" and "with no hat" in the place of tokens ``start .. stop - 1``, a link to `span`.

    Where something has to follow, *the* goes: "with no lake nearby", not "without the lake nearby".

    Parameters
    ----------
    doc : Doc
        The caption.
    span : (int, int)
        The object, which follows the link.
    start, stop : int
        The link.
    end : str
        What has to follow the object, such as *nearby*; empty for nothing.
    """
    first, i = span[0], bare(doc, span)
    if i is None:
        return []
    article = doc[first].lower_
    keep_article = i == first + 1 and article in ("a", "an")
    definite = bool(end) and article == "the" and doc[span[1] - 1].tag_ != "NNP"
    if definite:
        i = first + 1
    made = []
    for word, link, kept in (("without", "without", first if keep_article else i), ("no", "with no", i)):
        if definite if word == "without" else not (definite or takes_no(doc, span)):
            continue
        edit = Edit(doc).replace(start, link).drop(start + 1, stop).drop(first, kept)
        if end:
            edit.put_after(span[1] - 1, end)
        made.append(Sentence(word, "without" if word == "without" else "with-no", edit.text()))
    return made


def next_kind(relations: Relations, i: int) -> str:
    """Return the kind of the first item at or after token `i`; a full stop where there is none."""
    return next((item.kind for item in relations.items if item.start >= i), ".")


def ends(relations: Relations, i: int) -> bool:
    """Whether the sentence ends before token `i`."""
    return next_kind(relations, i) == "."


def adverbs_before(relations: Relations, i: int) -> int:
    """Return where the adverbs right before token `i` start."""
    while i and relations.code[i - 1] == "R":
        i -= 1
    return i


def adverbs_after(relations: Relations, i: int) -> int:
    """Return where the adverbs end that start at token `i`."""
    while i < len(relations.code) - 1 and relations.code[i] == "R":
        i += 1
    return i
