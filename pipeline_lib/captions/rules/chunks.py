"""Cut a tagged caption into chunks: noun phrases, prepositions, verb forms.

One letter stands for each token, and regular expressions over the letters find the chunks. Only ``tag_`` and ``lemma_``
are read.

    "a boy in a cape" -> "DNIDN" -> noun phrase, preposition, noun phrase

``letters.txt`` says what each letter stands for. Chunks have the same letters as kinds, and two more: ``n`` noun
phrase, ``p`` preposition.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from spacy.tokens import Doc

from pipeline_lib.formats.word_lists import read_table, read_word_lists

Span = tuple[int, int]  # tokens start .. stop - 1

LETTERS = {
    tag: letter for letter, tags, _ in read_table(Path(__file__).with_name("letters.txt")) for tag in tags.split()
}
# Groups of chunks' kinds.
FINITE = "bhdMZ"
PARTICIPLES = "GgV"
VERB_FORMS = FINITE + PARTICIPLES + "vB"

_COMPOUND = "[ACNGgVRBZ](?:-[ACNGgVRBZ])+"
_MODIFIER = f"(?:R?(?:{_COMPOUND}(?=[-ACNGgV])|[AC](?:[c,](?=A))?|g(?=[ACNgV])|V(?=[ACN])))"
_OPENING = f"(?:D+(?:{_MODIFIER}|G(?=[ACN]))*|{_MODIFIER}*)"
# "on the white", "in black and white": an adjective stands for the noun where the phrase ends with it.
_COLOUR = r"(?:D+[AC]*|(?<=[Ii]))A(?:cA)?(?=[.,IScGV]|$)"
_NOUNS = "(?:N(?:-[ACNGgVR])*)+"
_OTHERS = rf"P|D*C(?![-AN])|{_COLOUR}|D(?=[bZM])"
_PHRASE = rf"(?:{_OPENING}{_NOUNS}(?:[AV]+{_NOUNS})?(?:'(?:{_MODIFIER}|G(?=[ACN]))*{_NOUNS})*|{_OTHERS})"
CHUNK = re.compile(rf"(?P<n>{_PHRASE}(?:o{_PHRASE})*)|(?P<p>Ii*|o)|(?P<other>.)", re.DOTALL)

WORDS = read_word_lists(Path(__file__).with_name("words.txt"))
_COMPOUNDS = read_word_lists(Path(__file__).with_name("abstract.txt")).compounds


def _by_first_word(phrases: frozenset[str]) -> dict[str, list[list[str]]]:
    """Return first word to the rests of the phrases that start with it, the longest first."""
    found: dict[str, list[list[str]]] = {}
    for phrase in sorted(phrases, key=len, reverse=True):
        first, *rest = phrase.split()
        found.setdefault(first, []).append(rest)
    return found


_COMPLEX_PREPOSITIONS = _by_first_word(WORDS.complex_prepositions)


class Chunk(NamedTuple):
    """A piece of a caption: tokens ``start .. stop - 1`` and the letter of its kind."""

    kind: str
    start: int
    stop: int

    @property
    def span(self) -> Span:
        """Start and stop."""
        return self[1:]


class Pair(NamedTuple):
    """A predicate-object pair.

    Its kind says what links the object: ``preposition``, ``with``, ``and``, ``participle``, ``verb`` or
    ``contents``, "a bowl | of | fruit". Its place is
    ``first`` (right after the subject's noun phrase), ``later`` (other phrases lie between), ``comma`` (right after a
    comma), ``unseen`` (the link hardly shows) or ``start`` (of pairs that a language model names, the first).
    """

    kind: str
    predicate: Span  # the verb or preposition
    object: Span  # the noun phrase
    owner: Span | None  # the noun phrase before the predicate; pairs of `parse` have one
    place: str


@dataclass
class Caption:
    """A tagged caption, token by token and in chunks, and what `parse` finds in it."""

    doc: Doc
    lower: list[str]  # per token the word in lower case
    tags: list[str]  # Penn tags
    lemmas: list[str]
    code: str  # one letter per token, see the module
    chunks: list[Chunk]
    subject: Span | None = None  # the first noun phrase
    told: list[Pair] = field(default_factory=list)  # every predicate-object pair
    pairs: list[Pair] = field(default_factory=list)  # those that can be negated, in the order of their predicates

    @cached_property
    def written(self) -> list[tuple[str, str]]:
        """Each token as it is written, and the space after it."""
        return [(token.text, token.whitespace_) for token in self.doc]

    def text(self, span: Span | None) -> str | None:
        """Return the text of a span as it is written; None where there is no span."""
        return self.doc[span[0] : span[1]].text if span else None

    def pair_texts(self, pair: Pair) -> dict[str, str]:
        """Return predicate and object as the negation table has them."""
        return {"predicate": self.text(pair.predicate), "object": self.text(pair.object)}

    def words(self, span: Span) -> str:
        """Return the words of a span in lower case, with a space between."""
        return " ".join(self.lower[span[0] : span[1]])

    def head(self, span: Span) -> str:
        """Return the lemma of a phrase's last word."""
        return self.lemmas[span[1] - 1]

    def next_kind(self, i: int) -> str:
        """Return the kind of the first chunk at or after token `i`; a full stop where there is none."""
        return next((chunk.kind for chunk in self.chunks if chunk.start >= i), ".")

    def kinds_after(self, i: int) -> tuple[str, list[Span]]:
        """Return the kinds of the chunks at and after token `i` as one text, and their spans."""
        chunks = [chunk for chunk in self.chunks if chunk.start >= i]
        return "".join(chunk.kind for chunk in chunks), [chunk.span for chunk in chunks]

    def adverbs_before(self, i: int, true: bool = False) -> int:
        """Return where the adverbs right before token `i` start; only those that *not* may stand before, if `true`."""
        while i and self.code[i - 1] == "R" and not (true and self._is_loose_adverb(i - 1)):
            i -= 1
        return i

    def _is_loose_adverb(self, i: int) -> bool:
        return not self.lower[i].endswith("ly") and self.lower[i] not in WORDS.true_adverbs

    def is_compound(self, i: int) -> bool:
        """Whether the word at `i` and the one before name what shows, though the last alone does not: "bus stop"."""
        return i > 0 and f"{self.lower[i - 1]} {self.lower[i]}" in _COMPOUNDS


def cut(doc: Doc) -> Caption:
    """Return a tagged caption with its code and its chunks."""
    tokens = list(doc)
    lower, tags = [token.lower_ for token in tokens], [token.tag_ for token in tokens]
    caption = Caption(doc, lower, tags, [token.lemma_ for token in tokens], "", [])
    caption.code = _encode(caption)
    for match in CHUNK.finditer(caption.code):
        kind = match.lastgroup if match.lastgroup != "other" else match.group()
        if kind != "_":
            caption.chunks.append(Chunk(kind, *match.span()))
    return caption


def _encode(caption: Caption) -> str:
    lower, tags, lemmas = caption.lower, caption.tags, caption.lemmas
    letters: list[str] = []
    for i, tag in enumerate(tags):
        letter = LETTERS.get(tag, ".")
        following = tags[i + 1] if i + 1 < len(tags) else ""
        if letter == "Z" and lemmas[i] in ("be", "have", "do"):
            letter = lemmas[i][0]
        elif letter == "I":
            if lower[i] == "of":
                letter = "o"
            elif lower[i] == "to" and following == "VB":
                letter = "T"
            elif lower[i] in WORDS.subordinators:
                letter = "S"
            elif following in ("", ".", ",") and lower[i] in WORDS.final_adverbs:
                letter = "R"
        elif letter == "R" and lower[i] == "as" and following == "VBN":
            letter = "S"
        elif letter == "G" and lemmas[i] in WORDS.intransitive:
            letter = "g"
        elif letter == "-" and not _joins_compound(caption, i):
            letter = "."
        elif tag == ":" and lower[i] == ";":
            letter = ","
        if letter in PARTICIPLES and _follows_auxiliary(lower, letters):
            letter = "v"
        letters.append(letter)
    for i, word in enumerate(lower):
        for rest in _COMPLEX_PREPOSITIONS.get(word, ()):
            if lower[i + 1 : i + 1 + len(rest)] == rest:
                letters[i : i + 1 + len(rest)] = "I" + "i" * len(rest)
                break
    return "".join(letters)


def _follows_auxiliary(lower: list[str], letters: list[str]) -> bool:
    """Whether only adverbs and *been* lie between here and a form of *be* or *have*: no modifier but a verb."""
    for i in range(len(letters) - 1, -1, -1):
        if letters[i] != "R" and lower[i] not in ("been", "being"):
            return letters[i] in "bh"
    return False


def _joins_compound(caption: Caption, i: int) -> bool:
    """Whether the hyphen at `i` ties a compound ("cloud - filled") and is not a dash ("low carb wine - a review")."""
    if not 0 < i < len(caption.doc) - 1:
        return False
    before, after = caption.doc[i - 1].text, caption.doc[i + 1].text
    if caption.tags[i - 1] in ("NN", "NNS") and caption.tags[i + 1 : i + 3] in (["JJ", "NN"], ["JJ", "NNS"]):
        return False  # "the field - happy people"
    return before[-1].isalnum() and LETTERS.get(caption.tags[i + 1], ".") in "ACNGVRr" and after[0].isalnum()
