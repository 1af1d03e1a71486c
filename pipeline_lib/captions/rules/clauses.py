"""Sentence formation for pairs whose link is a verb: finite, *be*, modal, auxiliary or participle."""

from spacy.tokens import Doc

from pipeline_lib.captions.rules import phrases
from pipeline_lib.captions.rules.edit import (
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
from pipeline_lib.captions.rules.relations import Pair, Relations
from pipeline_lib.captions.tagger.usual import ANIMATE

DO_FORMS = {"VBZ": "does not", "VBD": "did not", "VBP": "do not"}


def participle(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return "a man not holding an umbrella", "sitting on a bench without holding ..."."""
    start = adverbs_before(relations, pair.predicate[0])
    if next_kind(relations, pair.object[1]) in "bhdMZ":
        return []
    before = relations.code[start - 1 : start]
    made = [Sentence("not", "not-participle", Edit(doc).put(start, "not").text())]
    if doc[pair.predicate[0]].tag_ == "VBG" and (earlier := _first_act(doc, relations, pair)):
        if before == "c":
            without = Edit(doc).drop(start - 1, start).put(start, "without")
        else:
            without = Edit(doc).put(start, "without")
            if earlier.kind == "verb":
                made = []  # "a woman stands on a cliff not staring"
            elif before != ",":
                made = [Sentence("not", "but-not", Edit(doc).put(start, "but not").text())]
        made.append(Sentence("without", "without-participle", without.text()))
    return made + _object_with_no(doc, relations, pair) + _lack(doc, relations, pair) + _companion(doc, relations, pair)


def _lack(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return "a woman without a hat" for "a woman wearing a hat", "a fence with no trees" for "surrounded by trees"."""
    start, stop = pair.predicate
    lemma, tag = doc[start].lemma_, doc[start].tag_
    active = tag == "VBG" and lemma in phrases.POSSESSING and stop == start + 1
    passive = tag in ("VBN", "VBD") and lemma in phrases.EQUIPPING and stop == start + 2
    passive = passive and doc[start + 1].lower_ in ("with", "by", "in", "on")  # not "decorated for a feast"
    if relations.code[start - 1 : start] in ("c", "R"):
        return []
    if tag == "VBG" and lemma == "overlook" and stop == start + 1 and ends(relations, pair.object[1]):
        return lacking(doc, pair.object, start, stop, "in sight")
    if not (active or passive) or (pair.place == "later" and lemma != "wear"):
        return []
    if next_kind(relations, pair.object[1]) == "p" and doc[pair.object[1]].lower_ in phrases.COMPLETING - {"with"}:
        return []  # "pulling a cart | through a brook"
    head = doc[pair.object[1] - 1].lemma_
    if (
        (lemma == "isolate" and head != "background")
        or (lemma in ("hold", "carry", "feed", "chase") and head in phrases.PEOPLE)
        or (lemma == "play" and head not in phrases.INSTRUMENTS)
        or head in phrases.BODY
    ):
        return []
    return lacking(doc, pair.object, start, stop, "")


def _first_act(doc: Doc, relations: Relations, pair: Pair) -> Pair | None:
    """Return what the subject does besides: "a man | sitting on | a bench , holding a hat"; None where it does not."""
    start, subject = pair.predicate[0], relations.subject
    earlier = [
        other for other in relations.pairs if other.predicate[0] < start and other.kind in ("verb", "participle")
    ]
    if not earlier or subject is None or doc[subject[1] - 1].lemma_.lower() not in ANIMATE:
        return None
    same = pair.owner in (None, subject) or doc[pair.owner[1] - 1].lemma_.lower() not in ANIMATE
    return earlier[-1] if same else None


def verb(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return "a man does not wear a hat", "is not", "cannot", "has not seen"."""
    start = pair.predicate[0]
    code, head = relations.code[start], doc[start]
    if code == "b":
        return _be(doc, relations, pair)
    if code == "M":
        edit, after = Edit(doc), adverbs_after(relations, start + 1)
        edit = edit.replace(start, "cannot") if head.lower_ == "can" else edit.put(after, "not")
        return [Sentence("not", "modal", edit.text())]
    after = adverbs_after(relations, start + 1)
    if (code == "h" and relations.code[after] in "vn") or (code == "d" and relations.code[after] == "B"):
        return [Sentence("not", "auxiliary", Edit(doc).put(start + 1, "not").text())]
    if head.tag_ not in DO_FORMS:
        return []
    if head.tag_ == "VBD" and doc[pair.predicate[1] - 1].lower_ == "by":
        return [Sentence("not", "not-participle", Edit(doc).put(start, "not").text())]  # "a pumpkin lit by a candle"
    do = _do_form(doc, relations, pair)
    edit, before = Edit(doc).replace(start, head.lemma_), adverbs_before(relations, start)
    if any(token.lower_ in phrases.FOCUSING for token in doc[before:start]):
        return []
    if before == start:
        edit.replace(start, f"{do} {head.lemma_}")
    else:
        edit.put(before, do)
    made = [Sentence("not", "do-not", edit.text())]
    return made + _object_with_no(doc, relations, pair) + _companion(doc, relations, pair)


def _do_form(doc: Doc, relations: Relations, pair: Pair) -> str:
    """Return *does not*, *did not* or *do not*; captions write "a girl take coffee" too."""
    tag = doc[pair.predicate[0]].tag_
    subject = relations.subject
    before = relations.code[: pair.predicate[0]]
    if tag == "VBP" and subject and subject[0] == 0 and not {"c", "W", "."}.intersection(before):
        last = doc[subject[1] - 1]
        if last.tag_ == "NN" and "o" not in relations.code[slice(*subject)] and last.lemma_ not in phrases.COLLECTIVES:
            return DO_FORMS["VBZ"]
    return DO_FORMS[tag]


def _be(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    start = pair.predicate[0]
    if start and relations.code[start - 1] == "E":
        i = bare(doc, pair.object)
        if i is None or not takes_no(doc, pair.object):
            return []
        return [Sentence("no", "there-is-no", Edit(doc).put(i, "no").drop(pair.object[0], i).text())]
    if relations.code[start + 1] in "DE" and relations.code[start - 1 : start] in ("S", ""):
        return []
    if doc[start + 1].lower_ in phrases.FOCUSING or (start and doc[start - 1].lower_ == "so"):
        return []
    made = [Sentence("not", "is-not", Edit(doc).put(start + 1, "not").text())]
    return made + _object_with_no(doc, relations, pair)


def _object_with_no(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return "wearing no hat", "feeding no ducks": the object follows at once, and is plural or of a fitting verb."""
    first, i = pair.object[0], bare(doc, pair.object)
    act = doc[pair.predicate[1] - 1]
    if (
        i is None
        or act.tag_ not in ("VBG", "VBZ", "VBP", "VBD")
        or act.lemma_ == "be"
        or (act.i > pair.predicate[0] and relations.code[act.i] not in "Gv")
        or next_kind(relations, pair.object[1]) in "c,"  # "wearing no hat and gloves" leaves the gloves open
        or not takes_no(doc, pair.object)
    ):
        return []
    fitting = act.lemma_ in phrases.HAVING and doc[first].lower_ in ("a", "an")
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
    following = next_kind(relations, pair.object[1])
    if (link in phrases.NEAR and following in ".p") or (link in ("in front of", "behind") and following == "."):
        return lacking(doc, pair.object, last.start, last.stop, phrases.ABSENT[link])
    return []
