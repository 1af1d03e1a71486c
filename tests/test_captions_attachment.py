"""Attachment by a dependency parse: gold parses of Universal Dependencies, and the same captions without a parse."""

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc

from pipeline_lib.captions.rules.attachment import governor
from pipeline_lib.captions.rules.relations import parse
from pipeline_lib.captions.tagger import component as tagger

TREEBANK = Path(__file__).parents[2] / "shared" / "data" / "ud_ewt_dev.conllu"
VOCAB = spacy.blank("en").vocab
EATS = ["a", "man", "eats", "fish", "in", "a", "kitchen"]
# Heads and dependencies of the caption above, where the kitchen belongs to the fish or to the man who eats.
HEADS = {"fish": [1, 2, 2, 2, 6, 6, 3], "eats": [1, 2, 2, 2, 6, 6, 2]}


def tagged(words, **parse_of):
    return tagger.tag(Doc(VOCAB, words=words, **parse_of))


def read_treebank():
    rows = []
    for line in TREEBANK.read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        if not line and rows:
            yield rows
            rows = []
        elif fields[0].isdigit():
            rows.append(fields)


def gold(rows):
    heads = [int(row[6]) - 1 if row[6] != "0" else number for number, row in enumerate(rows)]
    deps = ["ROOT" if row[6] == "0" else row[7] for row in rows]
    return tagged([row[1] for row in rows], heads=heads, deps=deps)


@pytest.mark.parametrize(("belongs_to", "owner", "place"), [("fish", "fish", "first"), ("eats", "fish", "later")])
def test_a_parse_says_what_a_preposition_belongs_to(belongs_to, owner, place):
    deps = ["det", "nsubj", "ROOT", "obj", "case", "det", "nmod" if belongs_to == "fish" else "obl"]
    doc = tagged(EATS, heads=HEADS[belongs_to], deps=deps)
    pair = parse(doc).pairs[1]
    assert governor(doc, pair).text == belongs_to
    assert (doc[slice(*pair.owner)].text, pair.place) == (owner, place)


def test_spacys_own_scheme_hangs_the_noun_on_the_preposition():
    deps = ["det", "nsubj", "ROOT", "dobj", "prep", "det", "pobj"]
    doc = tagged(EATS, heads=[1, 2, 2, 2, 3, 6, 4], deps=deps)
    assert governor(doc, parse(doc).pairs[1]).text == "fish"


def test_an_object_of_another_verb_is_no_pair():
    words = ["a", "man", "painted", "red", "holds", "a", "flag"]
    flat = parse(tagged(words)).pairs
    deps = ["det", "nsubj", "acl", "xcomp", "ROOT", "det", "obj"]
    parsed = parse(tagged(words, heads=[1, 4, 1, 2, 4, 6, 4], deps=deps)).pairs
    assert [pair for pair in parsed if pair not in flat] == []
    assert all(pair.predicate[0] == 4 for pair in parsed if pair.object == (5, 7))


@pytest.mark.skipif(not TREEBANK.exists(), reason=f"no treebank at {TREEBANK.name} in ../shared/data")
def test_gold_parses_decide_and_agree_with_the_flat_rules_mostly():
    pairs = decided = kept = 0
    for rows in read_treebank():
        doc = gold(rows)
        flat = parse(tagged([row[1] for row in rows])).pairs
        parsed = parse(doc).pairs
        pairs += len(flat)
        kept += len({(p.predicate, p.object) for p in flat} & {(p.predicate, p.object) for p in parsed})
        decided += sum(p not in flat for p in parsed)
        for pair in parsed:
            if pair.kind in ("preposition", "with") and pair.place == "first":
                assert pair.owner[0] <= governor(doc, pair).i < pair.owner[1]
    assert kept > 0.75 * pairs
    assert decided > 0.05 * pairs
