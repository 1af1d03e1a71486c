"""Decide by a dependency parse what reading from left to right guesses: which word owns a phrase.

Used where the spaCy pipeline parses (``doc.has_annotation("DEP")``); Universal Dependencies (the preposition hangs on
the noun) and spaCy's own scheme (the noun hangs on the preposition) both serve.

    "a man eats fish in a kitchen": in | a kitchen belongs to "eats" (obl), and not to "fish" (nmod)
"""

from spacy.tokens import Doc, Token

from pipeline_lib.captions.rules.items import Item, Pair

LINKS = frozenset(["prep", "agent", "case", "pcomp", "dative"])


def governor(doc: Doc, pair: Pair) -> Token:
    """Return the noun or verb on which the pair's object hangs, outside the object and its preposition.

    Parameters
    ----------
    doc : Doc
        With ``dep_`` and ``head``.
    pair : Pair
        The pair.
    """
    token = doc[slice(*pair.object)].root
    while token.head.i != token.i:
        token = token.head
        if token.dep_ not in LINKS:
            break
    return token


def attach(doc: Doc, items: list[Item], pairs: list[Pair]) -> list[Pair]:
    """Return the pairs with the parse's owners, without those whose object belongs to another verb.

    Parameters
    ----------
    doc : Doc
        With ``dep_`` and ``head``.
    items : list of Item
        The caption's items.
    pairs : list of Pair
        The pairs as the flat rules found them.
    """
    kept = []
    for pair in pairs:
        if pair.kind in ("preposition", "with"):
            kept.append(_owned(doc, items, pair))
        elif pair.kind == "and" or pair.predicate[0] <= governor(doc, pair).i < pair.predicate[1]:
            kept.append(pair)
        elif pair.object[0] <= governor(doc, pair).i < pair.object[1]:
            kept.append(pair)  # the root of the sentence: "is | a replica"
    return kept


def _owned(doc: Doc, items: list[Item], pair: Pair) -> Pair:
    head = governor(doc, pair)
    owner = next((item for item in items if item.kind == "n" and item.start <= head.i < item.stop), None)
    if owner is None:
        return pair._replace(place="later") if pair.place == "first" else pair
    adjacent = owner.stop == pair.predicate[0]
    place = pair.place if pair.place == "comma" else "first" if adjacent else "later"
    return pair._replace(owner=(owner.start, owner.stop), place=place)
