"""Relation parsing: a tagged caption becomes a subject and predicate-object pairs (paper section 3, step 1).

The paper asks a language model for them. Here a caption is first cut into items (noun phrases, prepositions, verb
forms, ...) by regular expressions over one letter per token, then read from left to right. Only ``tag_`` and ``lemma_``
are read, and ``dep_`` where the pipeline parses (`attachment`), so any spaCy pipeline for English serves.

    "a boy in a cape runs across the green field"
    -> subject "a boy"; pairs (in, a cape), (runs across, the green field)

A phrase with *of* belongs to its noun ("a view of a desert"). A pair that starts inside a subordinate clause is left
out, because the caption does not say it of the picture; which of the others can be negated is for `offered` to say.
"""

from typing import NamedTuple

from spacy.tokens import Doc

from pipeline_lib.captions.rules.attachment import attach
from pipeline_lib.captions.rules.depictable import depictable
from pipeline_lib.captions.rules.items import Item, Pair, cut
from pipeline_lib.captions.rules.offered import is_state, offered
from pipeline_lib.captions.rules.phrases import (
    COMPLEMENT_HEADS,
    CONJUNCTIONS,
    IDIOMS,
    PREPOSITIONAL,
    REPORTING,
    SKIPPED_PREPOSITIONS,
    WEATHER,
)
from pipeline_lib.captions.tagger.usual import ANIMATE


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
        One letter per token (see `items.encode`).
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
    code, items = cut(doc)
    subject = next(((item.start, item.stop) for item in items if item.kind == "n"), None)
    pairs = _pairs(doc, items)
    if doc.has_annotation("DEP"):
        pairs = attach(doc, items, pairs)
    return Relations(subject, offered(doc, code, items, subject, pairs), items, code)


def _pairs(doc: Doc, items: list[Item]) -> list[Pair]:
    pairs: list[Pair] = []
    owner: Item | None = None  # the noun phrase that the next phrase most likely belongs to
    verb_seen, aside = False, False
    i = 0
    while i < len(items):
        item = items[i]
        before = items[i - 1].kind if i else "."
        if item.kind == ".":
            owner, verb_seen, aside = None, False, False
        elif item.kind == ",":
            aside = False
        elif item.kind == "S" or (item.kind == "p" and opens_clause(doc, items, i)):
            aside = True
        elif item.kind == "p" and before in ".":
            aside = True  # "in the park , a girl ...": nothing before the comma belongs to the subject
        elif item.kind == "W" and before == "p":
            aside = True  # "a crown , in which stones alternate ..."
        elif aside:
            pass
        elif item.kind == "E":
            owner = item  # "there is | a dog"
        elif item.kind == "n" and before == "n" and doc[item.start].tag_ in ("PRP", "EX"):
            aside = True  # "the largest one i saw": a relative clause without its pronoun
        elif item.kind == "n":
            owner = item
        elif item.kind == "c" and before == "n" and _kind(items, i + 1) == "n" and not _agrees(items, i, verb_seen):
            place = "later" if verb_seen else "first"
            pairs.append(Pair("and", _span(item), _span(items[i + 1]), owner and _span(owner), place))
            owner = items[i + 1]
            i += 1
        elif item.kind == "p":
            if _kind(items, i + 1) == "n" and before not in "RApED" and _useful(doc, items, i):
                kind = "with" if doc[item.start].lower_ == "with" else "preposition"
                place = _place(before, verb_seen, pairs, owner)
                if doc[item.start].lower_ in ("between", "among") and _kinds(items, i + 2) == "cn":
                    items[i + 1 : i + 4] = [Item("n", items[i + 1].start, items[i + 3].stop)]
                pairs.append(Pair(kind, _span(item), _span(items[i + 1]), owner and _span(owner), place))
            verb_seen = verb_seen or before in ("A", "R")
            if _kind(items, i + 1) == "n":
                owner = owner if owner and _is_idiom(doc, items, i) else items[i + 1]  # "crabs for sale | on a beach"
                i += 1
        elif i == 0 and item.kind in "Gg" and _kind(items, 1) == "p" and doc[item.start].lemma_ not in PREPOSITIONAL:
            owner, verb_seen = item, True  # "walking | on | a beach"
        elif item.kind in "bhdMZGgVvB":
            end = _object(doc, items, i)
            # "she says that ...", "new look : wears a hat": not said of the picture, or of nobody.
            aside = item.kind in "bhdMZ" and (
                (owner is None and before != "E")
                or doc[item.start].lemma_ in REPORTING
                or (before == "," and not verb_seen and sum(earlier.kind == "," for earlier in items[:i]) == 1)
            )
            if end and item.kind in "GgV" and _names_one(doc, items, i, end, owner):
                aside = owner is None  # "watching the sunset makes people happy"
                i = end  # "a ribbon cutting ceremony was held": no participle with its object but a name
                owner = items[i]
            elif end is not None and not aside and item.kind not in "Bv" and before != "p":
                kind = "participle" if item.kind in "GgV" else "verb"
                if kind == "participle" and before in ",c" and end == i + 1 and _describes(doc, items[end], owner):
                    i, owner = end + 1, items[end]
                    continue
                place = _place(before, False, [], owner)
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
    return [pair for pair in pairs if pair.owner]


def _span(item: Item) -> tuple[int, int]:
    return item.start, item.stop


def _kind(items: list[Item], i: int) -> str:
    return items[i].kind if i < len(items) else "."


def _kinds(items: list[Item], i: int) -> str:
    return "".join(item.kind for item in items[i : i + 2])


def _place(before: str, verb_seen: bool, pairs: list[Pair], owner: Item | None) -> str:
    if before == ",":
        return "comma"
    seen = verb_seen or (owner is not None and any(pair.object == _span(owner) for pair in pairs))
    return "later" if seen else "first"


def opens_clause(doc: Doc, items: list[Item], i: int) -> bool:
    """Whether the preposition at `i` is a conjunction: "as person walks ...", "after she won ..."."""
    word = doc[items[i].start].lower_
    if word not in CONJUNCTIONS or _kind(items, i + 1) != "n":
        return False
    if _kinds(items, i + 2) == "cn" and _kind(items, i + 4) in "bhdMZ":
        return True
    return _kind(items, i + 2) in "bhdMZ" or (word in ("after", "as", "before") and _kind(items, i + 2) == "V")


def _agrees(items: list[Item], i: int, verb_seen: bool) -> bool:
    """Whether "A and B" at `i` is the subject of a finite verb, which would have to change its number without B."""
    if verb_seen:
        return False
    for j, item in enumerate(items[i + 2 :], start=i + 3):
        if item.kind in ".SW" or (item.kind == "," and _kind(items, j) not in "bhdMZ"):
            return False
        if item.kind in "bhdMZ":
            return True
    return False


def _useful(doc: Doc, items: list[Item], i: int) -> bool:
    if doc[items[i].start].lower_ in ("after", "before"):
        return doc[items[i + 1].stop - 1].lemma_ in WEATHER
    if doc[items[i].start : items[i].stop].text.lower() in SKIPPED_PREPOSITIONS:
        return False
    if _is_idiom(doc, items, i):
        return is_state(doc, (items[i].start, items[i + 1].stop))
    if _kind(items, i + 2) == "c" and _kind(items, i + 3) != "n" and _kind(items, i + 3) not in "bhdMZGgV.p":
        return False  # "on stage and indoor"
    return (
        i == 0
        or items[i - 1].kind != "n"
        or doc[items[i - 1].stop - 1].lemma_ not in COMPLEMENT_HEADS
        or (i > 1 and _is_idiom(doc, items, i - 2))
    )


def _describes(doc: Doc, phrase: Item, owner: Item | None) -> bool:
    """Whether a participle after a comma or *and* describes the noun after it: "crystals , glittering beads"."""
    bare = doc[phrase.start].tag_ not in ("DT", "PRP$", "PRP", "CD")
    return bare and (owner is None or doc[owner.stop - 1].lemma_.lower() not in ANIMATE)


def _is_idiom(doc: Doc, items: list[Item], i: int) -> bool:
    """Whether the preposition at `i` and its noun are a turn of speech: "for sale", "in love"."""
    return items[i].kind == "p" and doc[items[i].start : items[i + 1].stop].text.lower().replace(" ", "_") in IDIOMS


def _names_one(doc: Doc, items: list[Item], i: int, end: int, owner: Item | None) -> bool:
    """Whether a participle and its object are a name: "ribbon cutting ceremony was", "road racing cyclist"."""
    if _kind(items, end + 1) in "bhdMZ":
        return True
    single = items[end].stop - items[end].start == 1 and end == i + 1
    animate = single and doc[items[end].start].lower_ in ANIMATE
    return animate and owner is not None and doc[owner.stop - 1].lemma_.lower() not in ANIMATE


def _object(doc: Doc, items: list[Item], i: int) -> int | None:
    """Return the index of the noun phrase that the verb form at `i` leads to, or None.

    Adverbs, particles, adjectives after *be*, infinitives, participles and two prepositions may lie between, and what
    no picture shows: "makes her way through | the snow".
    """
    j, prepositions = i + 1, 0
    while (kind := _kind(items, j)) in "RrTBGgVvAdhpn":
        if kind == "n" and (_kinds(items, j + 1) != "pn" or depictable(doc, _span(items[j]))):
            break
        if kind == "T" and _kind(items, j + 1) != "B":
            return None
        if kind == "p":
            prepositions += 1
            if prepositions > 2 or opens_clause(doc, items, j):
                return None
        j += 1
    return j if kind == "n" else None
