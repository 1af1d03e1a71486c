"""Cut a tagged caption into items: noun phrases, prepositions, verb forms.

One letter stands for each token, and regular expressions over the letters find the phrases. Only ``tag_`` and
``lemma_`` are read.

    "a boy in a cape" -> "DNIDN" -> noun phrase, preposition, noun phrase
"""

import re
from typing import NamedTuple

from spacy.tokens import Doc

from pipeline_lib.captions.rules.phrases import COMPLEX_PREPOSITIONS, INTRANSITIVE, SUBORDINATORS

CODES = {
    "DT": "D", "PDT": "D", "PRP$": "D", "PRP": "P", "EX": "E", "MD": "M", "CC": "c", "IN": "I", "WDT": "W", "WP": "W",
    "WP$": "W", "WRB": "S", "RB": "R", "RBR": "R", "RBS": "R", "RP": "r", "JJ": "A", "JJR": "A", "JJS": "A", "CD": "C",
    "TO": "I", "POS": "'", "NN": "N", "NNS": "N", "NNP": "N", "NNPS": "N", "VB": "B", "VBP": "Z", "VBZ": "Z",
    "VBD": "Z", "VBN": "V", "VBG": "G", ",": ",", "HYPH": "-", "_SP": "_",
}  # fmt: skip
_COMPOUND = "[ACNGgVRBZ](?:-[ACNGgVRBZ])+"
_MODIFIER = f"(?:R?(?:{_COMPOUND}(?=[-ACNGgV])|[AC](?:[c,](?=A))?|g(?=[ACNgV])|V(?=[ACN])))"
_OPENING = f"(?:D+(?:{_MODIFIER}|G(?=[ACN]))*|{_MODIFIER}*)"
# "on the white", "in black and white": an adjective stands for the noun where the phrase ends with it.
_COLOUR = r"(?:D+[AC]*|(?<=[Ii]))A(?:cA)?(?=[.,IScGV]|$)"
_NOUNS = "(?:N(?:-[ACNGgVR])*)+"
_OTHERS = rf"P|D*C(?![-AN])|{_COLOUR}|D(?=[bZM])"
_PHRASE = rf"(?:{_OPENING}{_NOUNS}(?:[AV]+{_NOUNS})?(?:'(?:{_MODIFIER}|G(?=[ACN]))*{_NOUNS})*|{_OTHERS})"
ITEM = re.compile(rf"(?P<n>{_PHRASE}(?:o{_PHRASE})*)|(?P<p>Ii*|o)|(?P<other>.)", re.DOTALL)


class Item(NamedTuple):
    """A piece of a caption: tokens ``start .. stop - 1`` and a letter that says what it is.

    ``n`` noun phrase, ``p`` preposition, else the token's own letter (see `CODES`; ``b`` be, ``h`` have, ``d`` do).
    """

    kind: str
    start: int
    stop: int


class Pair(NamedTuple):
    """A predicate-object pair with token spans (start, stop).

    Attributes
    ----------
    kind : str
        What links the object: ``preposition``, ``with``, ``and``, ``participle``, ``verb``, or ``picture``: "photo | of
        | a dog", only where a caption has nothing else.
    predicate, object : (int, int)
        Spans of the verb or preposition, and of the noun phrase.
    owner : (int, int) or None
        Span of the noun phrase before the predicate; `parse` leaves out pairs that have none.
    place : str
        ``first`` (right after the subject's noun phrase), ``later`` (other phrases lie between), ``comma`` (right
        after a comma) or ``start`` (of pairs that a language model names, the first).
    """

    kind: str
    predicate: tuple[int, int]
    object: tuple[int, int]
    owner: tuple[int, int] | None
    place: str


def cut(doc: Doc) -> tuple[str, list[Item]]:
    """Return the caption's code, one letter per token (see `encode`), and its items in order."""
    code = encode(doc)
    items = []
    for match in ITEM.finditer(code):
        kind = match.lastgroup if match.lastgroup != "other" else match.group()
        if kind != "_":
            items.append(Item(kind, match.start(), match.end()))
    return code, items


def encode(doc: Doc) -> str:
    """Return one letter per token: `CODES` of its tag, and letters of their own for some words.

    ``b``/``h``/``d`` finite be/have/do, ``o`` of, ``S`` subordinator, ``T`` the *to* of an infinitive, ``g`` a
    participle that takes no object, ``i`` the second and later words of a preposition such as *in front of*.
    """
    tokens = list(doc)
    lower = [token.lower_ for token in tokens]
    letters = []
    for i, token in enumerate(tokens):
        tag = token.tag_
        letter = CODES.get(tag, ".")
        if letter == "Z" or letter == "V":
            lemma = token.lemma_
            if lemma == "be" and letter == "Z":
                letter = "b"
            elif lemma in ("have", "do") and letter == "Z":
                letter = lemma[0]
        elif letter == "I":
            if lower[i] == "of":
                letter = "o"
            elif lower[i] == "to" and i + 1 < len(tokens) and tokens[i + 1].tag_ == "VB":
                letter = "T"
            elif lower[i] in SUBORDINATORS:
                letter = "S"
        elif letter == "R" and lower[i] == "as" and i + 1 < len(tokens) and tokens[i + 1].tag_ == "VBN":
            letter = "S"
        elif letter == "G" and token.lemma_ in INTRANSITIVE:
            letter = "g"
        elif letter == "-" and not _joins(tokens, i):
            letter = "."
        elif tag == ":" and lower[i] == ";":
            letter = ","
        if letter in "VGg" and _after_auxiliary(lower, letters):
            letter = "v"
        letters.append(letter)
    for i, word in enumerate(lower):
        for rest in COMPLEX_PREPOSITIONS.get(word, ()):
            if tuple(lower[i + 1 : i + 1 + len(rest)]) == rest:
                letters[i : i + 1 + len(rest)] = "I" + "i" * len(rest)
                break
    return "".join(letters)


def _after_auxiliary(lower: list[str], letters: list[str]) -> bool:
    """Whether only adverbs and *been* lie between here and a form of *be* or *have*: no modifier but a verb."""
    for i in range(len(letters) - 1, -1, -1):
        if letters[i] != "R" and lower[i] not in ("been", "being"):
            return letters[i] in "bh"
    return False


def _joins(tokens: list, i: int) -> bool:
    """Whether the hyphen at `i` ties a compound ("cloud - filled") and is not a dash ("low carb wine - a review")."""
    if not 0 < i < len(tokens) - 1:
        return False
    after = tokens[i + 1]
    return tokens[i - 1].text[-1].isalnum() and CODES.get(after.tag_, ".") in "ACNGVRr" and after.text[0].isalnum()
