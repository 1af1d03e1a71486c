"""Sentence formation: negate one predicate-object pair of a caption (paper section 3, step 3).

Every rule is a small edit of the caption's own words: *not* before a preposition or a participle, *does not* before a
verb's base form, *without* for *with*, *no* for an article, and so on. The exclusion caption is the caption with
predicate and object left out.

    "a dog on a mat", pair (on, a mat) -> "a dog that is not on a mat", exclusion "a dog", object "a mat"
"""

from typing import NamedTuple

from spacy.tokens import Doc

from pipeline_lib.captions import phrases
from pipeline_lib.captions.relations import Pair, Relations

DO_FORMS = {"VBZ": "does not", "VBD": "did not", "VBP": "do not"}


class Sentence(NamedTuple):
    """One way to negate a pair: the negation word, the rule's name, and the negated caption."""

    word: str
    rule: str
    text: str


class Edit:
    """An edit of a tokenised text: words put before or instead of tokens, and tokens left out."""

    def __init__(self, doc: Doc):
        self.doc = doc
        self.before: dict[int, str] = {}
        self.instead: dict[int, str] = {}
        self.dropped: set[int] = set()

    def put(self, i: int, text: str) -> "Edit":
        """Put `text` before token `i`."""
        self.before[i] = text
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
            pieces.append(piece)
            spaces.append(token.whitespace_)
        text = "".join(piece + space for piece, space in zip(pieces, spaces, strict=True)).strip()
        if 0 in self.dropped and self.doc[0].text[:1].isupper():
            text = text[:1].upper() + text[1:]
        return text


def sentences(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return every way to negate `pair`, best rule first; empty where no rule is safe."""
    return RULES[pair.kind](doc, relations, pair)


def _preposition(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    start = pair.predicate[0]
    if pair.place == "start":
        return []
    if pair.place == "later":
        if next_kind(relations, pair.object[1]) not in ".,pc":
            return []
        return [Sentence("not", "but-not", Edit(doc).put(start, "but not").text())]
    made = [Sentence("not", "not-preposition", Edit(doc).put(start, "not").text())]
    owner = pair.owner
    if (
        pair.place == "first"
        and owner
        and "o" not in relations.code[slice(*owner)]
        and _ends(relations, pair.object[1])
    ):
        be = "are" if doc[owner[1] - 1].tag_ in ("NNS", "NNPS") else "is"
        if doc[owner[1] - 1].tag_ != "PRP" and _is_alone(relations, owner):
            made.append(Sentence("not", "that-is-not", Edit(doc).put(start, f"that {be} not").text()))
    return made


def _with(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    start = pair.predicate[0]
    bare = _bare(doc, pair.object)
    if bare is None:
        return []
    keep_article = bare == pair.object[0] + 1 and doc[pair.object[0]].lower_ in ("a", "an")
    without = Edit(doc).replace(start, "without").drop(pair.object[0], pair.object[0] if keep_article else bare)
    made = [Sentence("without", "without", without.text())]
    if _takes_no(doc, pair.object):
        made.append(Sentence("no", "with-no", Edit(doc).put(bare, "no").drop(pair.object[0], bare).text()))
    return made


def _and(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    start, (first, stop) = pair.predicate[0], pair.object
    heads = doc[pair.owner[1] - 1].lemma_.lower(), doc[stop - 1].lemma_.lower()
    earlier = {token.lower_ for token in doc[max(0, pair.owner[0] - 3) : start]}
    if heads[0] == heads[1] or doc[start].lower_ not in ("and", "&") or earlier & phrases.TOGETHER:
        return []
    if (
        doc[stop - 1].tag_ == "PRP"
        or next_kind(relations, stop) in "cn"
        or "," in relations.code[pair.owner[1] : first]
    ):
        return []
    bare = _bare(doc, pair.object)
    if bare is None:
        return []
    singular = doc[stop - 1].tag_ == "NN" and doc[first].tag_ not in ("DT", "PRP$", "CD")
    if singular and (doc[pair.owner[0]].lower_ in ("a", "an") or relations.code[first:stop].endswith("NN")):
        return []  # "a coffee and walnut cake" may be one cake
    but_not = Sentence("not", "but-not", Edit(doc).replace(start, "but not").text())
    if not _takes_no(doc, pair.object) or _in_phrase(doc, relations, pair):
        return [but_not]
    made = [Sentence("no", "and-no", Edit(doc).put(bare, "no").drop(first, bare).text())]
    if pair.place == "first" and not any(other.object == pair.owner for other in relations.pairs):
        keep_article = doc[first].lower_ in ("a", "an")
        without = Edit(doc).replace(start, "without").drop(first, first if keep_article else bare)
        made.append(Sentence("without", "without", without.text()))
    return [*made, but_not] if doc[first].lower_ in ("a", "an") else made


def _participle(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    start = adverbs_before(relations, pair.predicate[0])
    if pair.place == "start" and any(item.kind in "bhdMZ" for item in relations.items if item.start > start):
        return []  # "watching the sunset makes you stop": a subject, and no description of the picture
    made = [Sentence("not", "not-participle", Edit(doc).put(start, "not").text())]
    return made + _object_with_no(doc, relations, pair)


def _verb(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    start = pair.predicate[0]
    code, verb = relations.code[start], doc[start]
    if code == "b":
        return _be(doc, relations, pair)
    if code == "M":
        if verb.lower_ in phrases.UNCERTAIN_MODALS:
            return []
        edit = Edit(doc)
        edit = edit.replace(start, "cannot") if verb.lower_ == "can" else edit.put(start + 1, "not")
        return [Sentence("not", "modal", edit.text())]
    after = _after_adverbs(relations, start + 1)
    if (code == "h" and relations.code[after] in "vn") or (code == "d" and relations.code[after] == "B"):
        return [Sentence("not", "auxiliary", Edit(doc).put(start + 1, "not").text())]
    if verb.tag_ not in DO_FORMS:
        return []
    edit, before = Edit(doc).replace(start, verb.lemma_), adverbs_before(relations, start)
    if before == start:
        edit.replace(start, f"{DO_FORMS[verb.tag_]} {verb.lemma_}")
    else:
        edit.put(before, DO_FORMS[verb.tag_])
    return [Sentence("not", "do-not", edit.text()), *_object_with_no(doc, relations, pair)]


def _be(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    start = pair.predicate[0]
    if start and relations.code[start - 1] == "E":
        bare = _bare(doc, pair.object)
        if bare is None or not _takes_no(doc, pair.object):
            return []
        return [Sentence("no", "there-is-no", Edit(doc).put(bare, "no").drop(pair.object[0], bare).text())]
    if relations.code[start + 1] in "DE" and relations.code[start - 1 : start] in ("S", ""):
        return []
    if doc[start + 1].lower_ in phrases.FOCUSING:
        return []
    return [Sentence("not", "is-not", Edit(doc).put(start + 1, "not").text())]


def _picture(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    start, of = pair.owner
    article = ""
    if relations.code[start] != "D" and doc[of - 1].tag_ == "NN" and not relations.code[start:of].startswith("C"):
        article = " an" if doc[start].lower_[0] in "aeiou" else " a"
    return [Sentence("not", "not-a-picture", Edit(doc).put(start, f"not{article}").text())]


RULES = {
    "preposition": _preposition,
    "with": _with,
    "and": _and,
    "participle": _participle,
    "verb": _verb,
    "picture": _picture,
}


def _object_with_no(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return "wearing no hat" for the few verbs that say it, where the object follows at once."""
    first = pair.object[0]
    bare = _bare(doc, pair.object)
    if (
        pair.predicate[1] - pair.predicate[0] != 1
        or doc[pair.predicate[0]].lemma_ not in phrases.HAVING
        or bare is None
    ):
        return []
    if next_kind(relations, pair.object[1]) in "c,":
        return []  # "wearing no hat and gloves" leaves the gloves open
    if not _takes_no(doc, pair.object) or (
        doc[first].lower_ not in ("a", "an") and doc[pair.object[1] - 1].tag_ != "NNS"
    ):
        return []
    return [Sentence("no", "object-with-no", Edit(doc).put(bare, "no").drop(first, bare).text())]


def _bare(doc: Doc, span: tuple[int, int]) -> int | None:
    """Return where a noun phrase starts without its article or number; None where a quantifier makes it unsafe."""
    i = span[0]
    if doc[i].lower_ in phrases.QUANTIFIERS - {"some", "any"}:
        return None
    while i < span[1] - 1 and doc[i].lower_ in phrases.INDEFINITES:
        i += 1
    return i


def _takes_no(doc: Doc, span: tuple[int, int]) -> bool:
    """Whether *no* can stand before a noun phrase: neither "no the dog" nor "no her hat", "no Peter" or "no single"."""
    first = doc[span[0]]
    fitting = first.tag_ not in ("DT", "PRP$", "PRP", "NNP", "WDT") or first.lower_ in phrases.INDEFINITES
    return fitting and not any(token.tag_ == "POS" or token.lower_ == "single" for token in doc[span[0] : span[1]])


def _in_phrase(doc: Doc, relations: Relations, pair: Pair) -> bool:
    """Whether "A and B" is the object of a preposition other than *with*, where "on grass and no rocks" is odd."""
    for other in relations.pairs:
        if other.object == pair.owner:
            return doc[other.predicate[1] - 1].tag_ in ("IN", "TO") and doc[other.predicate[1] - 1].lower_ != "with"
    return False


def _is_alone(relations: Relations, owner: tuple[int, int]) -> bool:
    """Whether no "A and" stands before the noun phrase, which would make *is* wrong."""
    return owner[0] == 0 or relations.code[owner[0] - 1] not in "c,"


def next_kind(relations: Relations, i: int) -> str:
    """Return the kind of the first item at or after token `i`; a full stop where there is none."""
    return next((item.kind for item in relations.items if item.start >= i), ".")


def _ends(relations: Relations, i: int) -> bool:
    return next_kind(relations, i) == "."


def adverbs_before(relations: Relations, i: int) -> int:
    """Return where the adverbs right before token `i` start."""
    while i and relations.code[i - 1] == "R":
        i -= 1
    return i


def _after_adverbs(relations: Relations, i: int) -> int:
    while i < len(relations.code) - 1 and relations.code[i] == "R":
        i += 1
    return i
