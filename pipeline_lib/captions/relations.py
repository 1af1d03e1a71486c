"""Relation parsing: a tagged caption becomes a subject and predicate-object pairs (paper section 3, step 1).

The paper asks a language model for them. Here a caption is first cut into items (noun phrases, prepositions, verb
forms, ...) by regular expressions over one letter per token, then read from left to right. Only ``tag_`` and ``lemma_``
are read, so any spaCy pipeline for English that sets them serves.

    "a boy in a cape runs across the green field"
    -> subject "a boy"; pairs (in, a cape), (runs across, the green field)

A phrase with *of* belongs to its noun ("a view of a desert"); a pair that starts inside a subordinate clause is left
out, because the caption does not say it of the picture.
"""

import re
from typing import NamedTuple

from spacy.tokens import Doc

from pipeline_lib.captions.phrases import (
    COMPLEMENT_HEADS,
    COMPLEX_PREPOSITIONS,
    CONJUNCTIONS,
    IDIOMS,
    INTRANSITIVE,
    PICTURES,
    SKIPPED_PREPOSITIONS,
    SUBORDINATORS,
)

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
        Span of the noun phrase before the predicate.
    place : str
        ``first`` (right after the subject's noun phrase), ``later`` (other phrases lie between), ``comma`` (right after
        a comma) or ``start`` (nothing before).
    """

    kind: str
    predicate: tuple[int, int]
    object: tuple[int, int]
    owner: tuple[int, int] | None
    place: str


class Relations(NamedTuple):
    """What a caption says.

    Attributes
    ----------
    subject : (int, int) or None
        Span of the first noun phrase.
    pairs : list of Pair
        In the order of their predicates.
    items : list of Item
        What the pairs were read from.
    code : str
        One letter per token (see `encode`).
    """

    subject: tuple[int, int] | None
    pairs: list[Pair]
    items: list[Item]
    code: str


def parse(doc: Doc) -> Relations:
    """Find the subject and every predicate-object pair of a tagged caption.

    Parameters
    ----------
    doc : Doc
        With ``tag_`` and ``lemma_``.
    """
    code = encode(doc)
    items = []
    for match in ITEM.finditer(code):
        kind = match.lastgroup if match.lastgroup != "other" else match.group()
        if kind != "_":
            items.append(Item(kind, match.start(), match.end()))
    subject = next(((item.start, item.stop) for item in items if item.kind == "n"), None)
    pairs = [_without_picture(doc, code, pair) for pair in _pairs(doc, items)]
    if not pairs and subject and subject[0] == items[0].start and is_picture(doc, subject):
        of = code.index("o")
        pairs = [Pair("picture", (of, of + 1), (of + 1, subject[1]), (subject[0], of), "first")]
    return Relations(subject, pairs, items, code)


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
        if letter in "VGg" and _after_auxiliary(letters):
            letter = "v"
        letters.append(letter)
    for i, word in enumerate(lower):
        for rest in COMPLEX_PREPOSITIONS.get(word, ()):
            if tuple(lower[i + 1 : i + 1 + len(rest)]) == rest:
                letters[i : i + 1 + len(rest)] = "I" + "i" * len(rest)
                break
    return "".join(letters)


def _after_auxiliary(letters: list[str]) -> bool:
    """Whether only adverbs lie between here and a form of *be* or *have*: the participle is a verb, not a modifier."""
    for letter in reversed(letters):
        if letter != "R":
            return letter in "bhn"
    return False


def _joins(tokens: list, i: int) -> bool:
    """Whether the hyphen at `i` ties a compound ("cloud - filled") and is not a dash ("low carb wine - a review")."""
    if not 0 < i < len(tokens) - 1:
        return False
    after = tokens[i + 1]
    return tokens[i - 1].text[-1].isalnum() and CODES.get(after.tag_, ".") in "ACNGVRr" and after.text[0].isalnum()


def _pairs(doc: Doc, items: list[Item]) -> list[Pair]:
    pairs: list[Pair] = []
    owner: Item | None = None  # the noun phrase that the next phrase most likely belongs to
    started, verb_seen, aside = False, False, False
    i = 0
    while i < len(items):
        item = items[i]
        before = items[i - 1].kind if i else "."
        if item.kind == ".":
            owner, started, verb_seen, aside = None, False, False, False
        elif item.kind == ",":
            aside = False
        elif item.kind == "S" or (item.kind == "p" and _opens_clause(doc, items, i)):
            aside = True
        elif item.kind == "p" and before in ".":
            aside = True  # "in the park , a girl ...": nothing before the comma belongs to the subject
        elif aside:
            pass
        elif item.kind == "n":
            owner = item
            started = True
        elif item.kind == "c" and before == "n" and _kind(items, i + 1) == "n" and not _agrees(items, i, verb_seen):
            place = "later" if verb_seen else "first"
            pairs.append(Pair("and", _span(item), _span(items[i + 1]), owner and _span(owner), place))
            owner = items[i + 1]
            i += 1
        elif item.kind == "p":
            if _kind(items, i + 1) == "n" and before not in ("R", "A", "p", "E") and _useful(doc, items, i):
                kind = "with" if doc[item.start].lower_ == "with" else "preposition"
                place = _place(before, verb_seen, pairs, owner)
                if doc[item.start].lower_ in ("between", "among") and _kinds(items, i + 2) == "cn":
                    items[i + 1 : i + 4] = [Item("n", items[i + 1].start, items[i + 3].stop)]
                pairs.append(Pair(kind, _span(item), _span(items[i + 1]), owner and _span(owner), place))
            verb_seen = verb_seen or before in ("A", "R")
            if _kind(items, i + 1) == "n":
                owner = items[i + 1]
                i += 1
        elif item.kind in "bhdMZGgVvB":
            end = _object(doc, items, i)
            if end is not None and item.kind not in "Bv" and before != "p":
                kind = "participle" if item.kind in "GgV" else "verb"
                place = "start" if not started and kind == "participle" else _place(before, False, [], owner)
                predicate = (item.start, items[end - 1].stop)
                pairs.append(Pair(kind, predicate, _span(items[end]), owner and _span(owner), place))
            verb_seen = True
            if end is not None:
                owner = items[end]
                i = end
            else:
                while _kind(items, i + 1) in "RrTBGgVvAn" and _kind(items, i + 1) != "n":
                    i += 1
        i += 1
    return [pair for pair in pairs if pair.owner is not None or pair.place == "start"]


def _span(item: Item) -> tuple[int, int]:
    return item.start, item.stop


def _kind(items: list[Item], i: int) -> str:
    return items[i].kind if i < len(items) else "."


def _kinds(items: list[Item], i: int) -> str:
    return "".join(item.kind for item in items[i : i + 2])


def _place(before: str, verb_seen: bool, pairs: list[Pair], owner: Item | None) -> str:
    if before == ",":
        return "comma"
    if owner is None:
        return "start"
    return "later" if verb_seen or any(pair.object == _span(owner) for pair in pairs) else "first"


def _opens_clause(doc: Doc, items: list[Item], i: int) -> bool:
    """Whether the preposition at `i` is a conjunction: "as person walks ...", "after she won ..."."""
    if doc[items[i].start].lower_ not in CONJUNCTIONS:
        return False
    return _kind(items, i + 1) == "n" and _kind(items, i + 2) in "bhdMZ"


def _agrees(items: list[Item], i: int, verb_seen: bool) -> bool:
    """Whether "A and B" at `i` is the subject of a finite verb, which would have to change its number without B."""
    if verb_seen:
        return False
    for item in items[i + 2 :]:
        if item.kind in ".,SW":
            return False
        if item.kind in "bhdMZ":
            return True
    return False


def _useful(doc: Doc, items: list[Item], i: int) -> bool:
    words = doc[items[i].start : items[i].stop].text.lower()
    phrase = doc[items[i + 1].start : items[i + 1].stop].text.lower()
    if words in SKIPPED_PREPOSITIONS or f"{words}_{phrase}" in IDIOMS:
        return False
    return i == 0 or items[i - 1].kind != "n" or doc[items[i - 1].stop - 1].lemma_ not in COMPLEMENT_HEADS


def _object(doc: Doc, items: list[Item], i: int) -> int | None:
    """Return the index of the noun phrase that the verb form at `i` leads to, or None.

    Adverbs, particles, adjectives after *be*, infinitives, participles and two prepositions may lie between.
    """
    j, prepositions = i + 1, 0
    while (kind := _kind(items, j)) in "RrTBGgVvAdhp":
        if kind == "T" and _kind(items, j + 1) != "B":
            return None
        if kind == "p":
            prepositions += 1
            if prepositions > 2 or _opens_clause(doc, items, j):
                return None
        j += 1
    return j if kind == "n" else None


def _without_picture(doc: Doc, code: str, pair: Pair) -> Pair:
    """Read "is | a photo of a ring" as "is a photo of | a ring"."""
    if pair.kind == "verb" and code[pair.predicate[0]] == "b" and is_picture(doc, pair.object):
        of = code.index("o", pair.object[0])
        return pair._replace(predicate=(pair.predicate[0], of + 1), object=(of + 1, pair.object[1]))
    return pair


def is_picture(doc: Doc, span: tuple[int, int]) -> bool:
    """Whether a noun phrase starts as "photo of", "view of", "illustration of": a name for the picture itself."""
    words = [token.lower_ for token in doc[span[0] : span[1]]]
    return "of" in words and words[words.index("of") - 1] in PICTURES
