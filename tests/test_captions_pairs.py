"""Relation parsing: which predicate-object pairs a caption has, with a dependency parse and without."""

import pytest
from captioning import BACKEND, pairs_of, read_cases
from spacy.tokens import Doc
from treebank import TREEBANK, read_treebank

from pipeline_lib.captions import tagger
from pipeline_lib.captions.rules.chunks import cut
from pipeline_lib.captions.rules.relations import governor, parse
from pipeline_lib.captions.rules.visibility import head_of, is_visible


@pytest.mark.parametrize("case", read_cases("pairs.tsv"))
def test_pairs(case):
    text, *pairs = case
    assert [" | ".join(pair) for pair in pairs_of(text)] == pairs


@pytest.mark.parametrize(
    ("phrase", "head", "shown"),
    [
        ("a view of the sea", "view", True),
        ("a number of roses", "roses", True),
        ("the rear of a ship", "ship", True),
        ("her happiness", "happiness", False),
        ("the neighborhood", "neighborhood", True),
    ],
)
def test_the_head_of_a_phrase_says_whether_it_can_be_seen(phrase, head, shown):
    caption = cut(BACKEND.tagger(phrase))
    span = (0, len(caption.lower))
    assert caption.lower[head_of(caption, span)] == head
    assert is_visible(caption, span) is shown


EATS = ["a", "man", "eats", "fish", "in", "a", "kitchen"]
# Heads and dependencies of the caption above, where the kitchen belongs to the fish or to the man who eats.
HEADS = {"fish": [1, 2, 2, 2, 6, 6, 3], "eats": [1, 2, 2, 2, 6, 6, 2]}


def tagged(words, **parse_of):
    return tagger.tag(Doc(BACKEND.tagger.vocab, words=words, **parse_of))


@pytest.mark.parametrize(("belongs_to", "owner", "place"), [("fish", "fish", "first"), ("eats", "fish", "later")])
def test_a_parse_says_what_a_preposition_belongs_to(belongs_to, owner, place):
    deps = ["det", "nsubj", "ROOT", "obj", "case", "det", "nmod" if belongs_to == "fish" else "obl"]
    caption = parse(tagged(EATS, heads=HEADS[belongs_to], deps=deps))
    pair = caption.pairs[1]
    assert governor(caption, pair).text == belongs_to
    assert (caption.text(pair.owner), pair.place) == (owner, place)


def test_spacys_own_scheme_hangs_the_noun_on_the_preposition():
    deps = ["det", "nsubj", "ROOT", "dobj", "prep", "det", "pobj"]
    caption = parse(tagged(EATS, heads=[1, 2, 2, 2, 3, 6, 4], deps=deps))
    assert governor(caption, caption.pairs[1]).text == "fish"


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
        heads = [int(row[6]) - 1 if row[6] != "0" else number for number, row in enumerate(rows)]
        deps = ["ROOT" if row[6] == "0" else row[7] for row in rows]
        words = [row[1] for row in rows]
        flat, caption = parse(tagged(words)).pairs, parse(tagged(words, heads=heads, deps=deps))
        pairs += len(flat)
        kept += len({pair[1:3] for pair in flat} & {pair[1:3] for pair in caption.pairs})
        decided += sum(pair not in flat for pair in caption.pairs)
        for pair in caption.told:
            if pair.kind in ("preposition", "with") and pair.place == "first":
                assert pair.owner[0] <= governor(caption, pair).i < pair.owner[1]
    assert kept > 0.75 * pairs
    assert decided > 0.05 * pairs
