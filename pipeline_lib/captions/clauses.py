"""Sentence formation for pairs whose link is a verb: finite, *be*, modal, auxiliary or participle."""

from spacy.tokens import Doc

from pipeline_lib.captions import phrases
from pipeline_lib.captions.edit import (
    Edit,
    Sentence,
    adverbs_after,
    adverbs_before,
    bare,
    ends,
    lacking,
    next_kind,
    takes_no,
)
from pipeline_lib.captions.relations import Pair, Relations
from pipeline_lib.captions.words import ANIMATE

DO_FORMS = {"VBZ": "does not", "VBD": "did not", "VBP": "do not"}


def participle(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return "a man not holding an umbrella", "sitting on a bench without holding ..."."""
    start = adverbs_before(relations, pair.predicate[0])
    if next_kind(relations, pair.object[1]) in "bhdMZ":
        return []
    before = relations.code[start - 1 : start]
    made = [Sentence("not", "not-participle", Edit(doc).put(start, "not").text())]
    if doc[pair.predicate[0]].tag_ == "VBG" and _is_second_act(doc, relations, pair):
        if before == "c":
            without = Edit(doc).drop(start - 1, start).put(start, "without")
        else:
            without = Edit(doc).put(start, "without")
            if before != ",":
                made = [Sentence("not", "but-not", Edit(doc).put(start, "but not").text())]
        made.append(Sentence("without", "without-participle", without.text()))
    return made + _object_with_no(doc, relations, pair) + _lack(doc, relations, pair) + _companion(doc, relations, pair)


def _lack(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return "a woman without a hat" for "a woman wearing a hat", "a fence with no trees" for "surrounded by trees"."""
    start, stop = pair.predicate
    lemma, tag = doc[start].lemma_, doc[start].tag_
    active = tag == "VBG" and lemma in phrases.POSSESSING and stop == start + 1
    passive = tag == "VBN" and lemma in phrases.EQUIPPING and stop == start + 2
    if not (active or passive) or relations.code[start - 1 : start] in ("c", "R") or pair.place == "later":
        return []
    return lacking(doc, pair.object, start, stop, "")


def _is_second_act(doc: Doc, relations: Relations, pair: Pair) -> bool:
    """Whether the participle says what the subject does besides: "a man sitting on a bench , holding a hat"."""
    start, subject = pair.predicate[0], relations.subject
    earlier = [
        other for other in relations.pairs if other.predicate[0] < start and other.kind in ("verb", "participle")
    ]
    if not earlier or subject is None or doc[subject[1] - 1].lemma_.lower() not in ANIMATE:
        return False
    return pair.owner in (None, subject) or doc[pair.owner[1] - 1].lemma_.lower() not in ANIMATE


def verb(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return "a man does not wear a hat", "is not", "cannot", "has not seen"."""
    start = pair.predicate[0]
    code, head = relations.code[start], doc[start]
    if code == "b":
        return _be(doc, relations, pair)
    if code == "M":
        edit = Edit(doc)
        edit = edit.replace(start, "cannot") if head.lower_ == "can" else edit.put(start + 1, "not")
        return [Sentence("not", "modal", edit.text())]
    after = adverbs_after(relations, start + 1)
    if (code == "h" and relations.code[after] in "vn") or (code == "d" and relations.code[after] == "B"):
        return [Sentence("not", "auxiliary", Edit(doc).put(start + 1, "not").text())]
    if head.tag_ not in DO_FORMS:
        return []
    edit, before = Edit(doc).replace(start, head.lemma_), adverbs_before(relations, start)
    if before == start:
        edit.replace(start, f"{DO_FORMS[head.tag_]} {head.lemma_}")
    else:
        edit.put(before, DO_FORMS[head.tag_])
    made = [Sentence("not", "do-not", edit.text())]
    return made + _object_with_no(doc, relations, pair) + _companion(doc, relations, pair)


def _be(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    start = pair.predicate[0]
    if start and relations.code[start - 1] == "E":
        i = bare(doc, pair.object)
        if i is None or not takes_no(doc, pair.object):
            return []
        return [Sentence("no", "there-is-no", Edit(doc).put(i, "no").drop(pair.object[0], i).text())]
    if relations.code[start + 1] in "DE" and relations.code[start - 1 : start] in ("S", ""):
        return []
    if doc[start + 1].lower_ in phrases.FOCUSING:
        return []
    return [Sentence("not", "is-not", Edit(doc).put(start + 1, "not").text())]


def _object_with_no(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return "wearing no hat", "feeding no ducks": the object follows at once, and is plural or of a fitting verb."""
    first, i = pair.object[0], bare(doc, pair.object)
    if (
        pair.predicate[1] - pair.predicate[0] != 1
        or i is None
        or doc[pair.predicate[0]].tag_ == "VBN"
        or next_kind(relations, pair.object[1]) in "c,"  # "wearing no hat and gloves" leaves the gloves open
        or not takes_no(doc, pair.object)
    ):
        return []
    fitting = doc[pair.predicate[0]].lemma_ in phrases.HAVING and doc[first].lower_ in ("a", "an")
    if not fitting and doc[pair.object[1] - 1].tag_ != "NNS":
        return []
    return [Sentence("no", "object-with-no", Edit(doc).put(i, "no").drop(first, i).text())]


def _companion(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return "poses without a dog" for "poses with a dog", "sits with no dog nearby" for "sits next to a dog"."""
    start, stop = pair.predicate
    last = next((item for item in relations.items if item.kind == "p" and item.stop == stop), None)
    if last is None or doc[start].tag_[:2] != "VB" or doc[start].lemma_ not in phrases.COMPANIONED:
        return []
    link = doc[last.start : last.stop].text.lower()
    if link == "with":
        return lacking(doc, pair.object, last.start, last.stop, "")
    if link in phrases.ABSENT and ends(relations, pair.object[1]):
        return lacking(doc, pair.object, last.start, last.stop, phrases.ABSENT[link])
    return []
