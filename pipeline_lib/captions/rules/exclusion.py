"""The exclusion caption: what is left of a caption without a predicate-object pair (paper section 3, step 3).

    "a dog on a mat , next to a cat", pair (on, a mat) -> "a dog , next to a cat"

It asks for a distractor image that shows the rest of the caption and not the object.
"""

from spacy.tokens import Doc

from pipeline_lib.captions.rules import phrases
from pipeline_lib.captions.rules.depictable import depictable
from pipeline_lib.captions.rules.edit import Edit, adverbs_before, next_kind
from pipeline_lib.captions.rules.items import Item
from pipeline_lib.captions.rules.relations import Pair, Relations, opens_clause

ARTICLES = ("a", "an", "the", "this")


def exclusion(doc: Doc, relations: Relations, pair: Pair) -> str:
    """Return the caption without predicate and object, and without what hangs on them."""
    code, items = relations.code, relations.items
    start, stop = pair.predicate[0], pair.object[1]
    if pair.kind == "verb" and code[pair.predicate[1] - 1] == "o":
        return Edit(doc).drop(pair.predicate[1] - 1, stop).text()
    start = adverbs_before(relations, start) if pair.kind in ("verb", "participle") else start
    if start and code[start - 1] in "WE" and pair.kind in ("verb", "participle"):
        start -= 1
    edit = Edit(doc)
    stop = _tail(doc, relations, pair, stop)
    following = next((item for item in items if item.start >= stop), None)
    if pair.kind in ("verb", "participle"):
        if following and following.kind == "c" and next_kind(relations, following.stop) not in "np":
            stop = following.stop
        elif start and code[start - 1] == "c":
            start -= 2 if code[start - 2 : start - 1] == "G" else 1  # "a father holding and kissing his baby"
    elif start and code[start - 1] == "c" and pair.kind != "and":
        start -= 1
    if start and code[start - 1] == "," and (following is None or following.kind in ".,"):
        start -= 1
    return edit.drop(start, stop).text()


def _tail(doc: Doc, relations: Relations, pair: Pair, stop: int) -> int:
    """Return where the words end that would hang in the air without the object: "a hat | that is red"."""
    items = [item for item in relations.items if item.start >= stop]
    kinds = "".join(item.kind for item in items[:3]).ljust(3, ".")
    if kinds[0] == "r" or (kinds[0] == "R" and pair.kind in ("verb", "participle")):
        return _tail(doc, relations, pair, items[0].stop)
    if pair.kind in ("verb", "participle") and kinds[0] == "n" and kinds[1] not in "bhdMZ":
        return _tail(doc, relations, pair, items[0].stop)  # "every time", "writes on the board | his name"
    if pair.kind == "with" and kinds[0] == "A":
        return next((item.start for item in items if item.kind in ".,"), len(doc))  # "trees | visible behind it"
    acting = pair.kind == "verb" or doc[pair.object[1] - 1].lemma_ in phrases.PEOPLE
    if pair.kind in ("verb", "participle") and kinds[0] in "ARrZbhdM" + "Gg" * acting:
        return next((item.start for item in items if item.kind in ".,"), len(doc))
    if kinds[:2] == ",n" and kinds[2] in ",c." and pair.kind != "and":
        return _tail(doc, relations, pair, items[1].stop)
    if kinds[:2] == ",p" and doc[items[1].start].lower_ == "including":
        return next((item.start for item in items if item.kind == "."), len(doc))
    if pair.kind == "participle" and kinds[0] == "c" and kinds[1] in "ZB":
        return len(doc)
    if kinds[:2] == ",c":
        return _tail(doc, relations, pair, items[0].stop)
    if (
        kinds[0] in "WTBS"
        or kinds[:2] == "pW"
        or (
            kinds[0] == "p"
            and pair.kind in ("verb", "participle")
            and (opens_clause(doc, items, 0) or doc[items[0].start].lower_ in ("after", "before"))
        )
    ):
        return next((item.start for item in items if item.kind in ".,"), len(doc))
    named = pair.kind == "picture" and kinds[0] == "p" and doc[items[0].start].lower_ == "with"
    if named or (kinds[0] in "VGg" and (pair.kind in ("with", "picture") or kinds[0] == "V")):
        return next((item.start for item in items if item.kind == "."), len(doc))
    if kinds[:2] == "pn" and pair.kind != "preposition" and _completes(doc, items, pair.kind):
        return _tail(doc, relations, pair, items[1].stop)
    if kinds[:2] == "cn" and kinds[2] not in "bhdMZ":
        return _tail(doc, relations, pair, items[1].stop)
    for other in relations.pairs:
        if not items or other.predicate[0] != items[0].start:
            continue
        scenery = other.kind == "preposition" and doc[other.object[1] - 1].lower_ in phrases.SCENERY
        equipped = other.kind == "with" and pair.kind in ("verb", "participle")
        if equipped or (scenery and pair.kind != "preposition"):
            return _tail(doc, relations, other, other.object[1])
    return stop


def _completes(doc: Doc, items: list[Item], kind: str) -> bool:
    """Whether a preposition and its phrase belong to the verb: "makes way | to the top", "a smile | on her face"."""
    link, first = doc[items[0].start].lower_, doc[items[1].start]
    if (
        first.tag_ in ("PRP$", "PRP")
        or doc[items[1].stop - 1].lower_ in phrases.BODY
        or (link in ("on", "in") and first.tag_ == "DT" and first.lower_ not in ARTICLES)
    ):
        return True
    if kind in ("verb", "participle"):
        return link in phrases.COMPLETING or not depictable(doc, (items[1].start, items[1].stop))
    # "a house with a flag in window": a place without its article is the thing's own.
    return kind == "with" and link in ("in", "on") and doc[items[1].start].tag_ == "NN"
