"""The exclusion caption: what is left of a caption without a predicate-object pair (paper section 3, step 3).

    "a dog on a mat , next to a cat", pair (on, a mat) -> "a dog , next to a cat"

It asks for a distractor image that shows the rest of the caption and not the object.
"""

from spacy.tokens import Doc

from pipeline_lib.captions import phrases
from pipeline_lib.captions.relations import Pair, Relations
from pipeline_lib.captions.sentences import Edit, adverbs_before, next_kind


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
            start -= 1
    if start and code[start - 1] == "," and (following is None or following.kind in ".,"):
        start -= 1
    return edit.drop(start, stop).text()


def _tail(doc: Doc, relations: Relations, pair: Pair, stop: int) -> int:
    """Return where the words end that would hang in the air without the object: "a hat | that is red"."""
    items = [item for item in relations.items if item.start >= stop]
    kinds = "".join(item.kind for item in items[:3]).ljust(3, ".")
    if kinds[0] == "r":
        return _tail(doc, relations, pair, items[0].stop)
    if kinds[:2] == ",n" and kinds[2] in ",c" and pair.kind != "and":
        return _tail(doc, relations, pair, items[1].stop)
    if kinds[:2] == ",c":
        return _tail(doc, relations, pair, items[0].stop)
    if kinds[0] in "WTB" or kinds[:2] == "pW":
        return next((item.start for item in items if item.kind in ".,"), len(doc))
    if kinds[:2] == "pn" and doc[items[0].start].lower_ == "to" and pair.kind in ("verb", "participle"):
        return _tail(doc, relations, pair, items[1].stop)
    if kinds[:2] == "cn" and kinds[2] not in "bhdMZ":
        return _tail(doc, relations, pair, items[1].stop)
    for other in relations.pairs:
        if not items or other.predicate[0] != items[0].start:
            continue
        scenery = other.kind == "preposition" and doc[other.object[1] - 1].lower_ in phrases.SCENERY
        described = kinds[0] == "V" or (kinds[0] in "Gg" and pair.kind == "with")
        equipped = other.kind == "with" and pair.kind in ("verb", "participle")
        if described or equipped or (scenery and pair.kind in ("with", "and")):
            return _tail(doc, relations, other, other.object[1])
    return stop
