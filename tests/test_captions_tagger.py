"""The lexicon tagger on captions: tags, parts of speech and lemmas (accuracy and single rules have their own files)."""

import pytest
import spacy

from pipeline_lib.captions.tagger import lexicon, words
from pipeline_lib.captions.tagger.costs import COSTS, FOLLOWS
from pipeline_lib.captions.tagger.universal import POS_OF_TAG


@pytest.fixture(scope="module")
def tagger():
    blank = spacy.blank("en")
    blank.add_pipe("lexicon_tagger")
    return blank


@pytest.mark.parametrize(
    ("caption", "tags"),
    [
        # a verb that the lexicon also knows as a noun, by what surrounds it
        ("a large ball sits in front of a tree", "DT JJ NN VBZ IN NN IN DT NN"),
        ("a wasp lands on my shirt", "DT NN VBZ IN PRP$ NN"),
        ("clocks and watches in gold", "NNS CC NNS IN NN"),
        ("the unveiling of a statue", "DT NN IN DT NN"),
        ("two dogs play on the beach", "CD NNS VBP IN DT NN"),
        ("a play on the stage", "DT NN IN DT NN"),
        ("men wait on the street", "NNS VBP IN DT NN"),
        # the same ending, verb or plural
        ("clouds and waves at sunset", "NNS CC NNS IN NN"),
        ("a bird flies over the waves", "DT NN VBZ IN DT NNS"),
        # participles: after a noun, before a noun, after be
        ("a garden painted by an artist", "DT NN VBN IN DT NN"),
        ("artist performed on stage", "NN VBD IN NN"),
        ("a car parked near a tree", "DT NN VBN IN DT NN"),
        ("a man is riding a horse", "DT NN VBZ VBG DT NN"),
        # -ing words that are nouns
        ("a painting on the wall", "DT NN IN DT NN"),
        # adjectives that could be nouns
        ("a red ball", "DT JJ NN"),
        ("an orange mushroom", "DT NN NN"),
        # function words
        ("the cat with her kitten", "DT NN IN PRP$ NN"),
        ("the dog 's ball", "DT NN POS NN"),
        ("there is a dog", "EX VBZ DT NN"),
        ("a house next to water", "DT NN RB IN NN"),
        ("people want to vote", "NNS VBP TO VB"),
        # who acts in the singular, and nothing else is the verb
        ("bartender presses fresh mint in a glass", "NN VBZ JJ NN IN DT NN"),
        ("the flag blows in the breeze", "DT NN VBZ IN DT NN"),
        ("a boy inspected cards at a show", "DT NN VBD NNS IN DT NN"),
        ("person salutes during a parade", "NN VBZ IN DT NN"),
        ("beach style kids room", "NN NN NNS NN"),
        ("a drawing of a dog", "DT NN IN DT NN"),
        ("vector drawing of a dog", "NN NN IN DT NN"),
        ("river that flows through a valley", "NN WDT VBZ IN DT NN"),
        ("a book that she bought", "DT NN WDT PRP VBD"),
        ("a bee helps show the scale", "DT NN VBZ VB DT NN"),
        ("person puts the finishing touches on a cake", "NN VBZ DT NN NNS IN DT NN"),
        # a subject pronoun makes the next word a verb, and a modal the one after its adverb
        ("they water flowers", "PRP VBP NNS"),
        ("you can not risk it", "PRP MD RB VB PRP"),
        ("these look like toys", "DT VBP IN NNS"),
        # capitals, addresses and files
        ("the cat visits Paris on saturday", "DT NN VBZ NNP IN NNP"),
        ("see report.pdf at www.example.org", "VB NN IN NNP"),
        # words that no lexicon has, by their endings
        ("a flurbing snorf", "DT VBG NN"),
        ("two snorfs", "CD NNS"),
    ],
)
def test_rule(tagger, caption, tags):
    assert [token.tag_ for token in tagger(caption)] == tags.split()


def test_lemmas(tagger):
    assert [token.lemma_ for token in tagger("geese were swimming , men left")] == [
        "goose",
        "be",
        "swim",
        ",",
        "man",
        "leave",
    ]


def test_capitals_are_names_within_a_sentence(tagger):
    assert [token.pos_ for token in tagger("Dogs in Paris")] == ["NOUN", "ADP", "PROPN"]


@pytest.mark.parametrize(
    ("caption", "word", "pos"),
    [
        ("a dog that barks", "that", "PRON"),
        ("both dogs and cats", "both", "CCONJ"),
        ("about ten dogs", "about", "ADV"),
        ("a dog runs out there", "out", "ADV"),
        ("the only dog", "only", "ADJ"),
        ("there is a dog", "is", "VERB"),
        ("dogs do not bark", "do", "AUX"),
        ("dogs have barked", "have", "AUX"),
        ("dogs have fur", "have", "VERB"),
        ("a dog before eating", "before", "SCONJ"),
        ("all dogs bark", "all", "DET"),
        ("a very excited dog", "excited", "ADJ"),
        ("dogs want to bark", "to", "PART"),
        ("a road to Paris", "to", "ADP"),
    ],
)
def test_universal_part_of_speech(tagger, caption, word, pos):
    assert next(token.pos_ for token in tagger(caption) if token.text == word) == pos


def test_lower_case_captions_and_headings_have_common_nouns(tagger):
    for caption in ("A Puppy Under The Table Near A Window", "a puppy under the table near a window"):
        assert [token.pos_ for token in tagger(caption) if token.lower_ in ("puppy", "table", "window")] == ["NOUN"] * 3


def test_every_pair_of_tags_has_its_cost():
    assert set(COSTS) == {*POS_OF_TAG, "BOS"}
    assert all(set(POS_OF_TAG) <= set(row) for row in COSTS.values())
    assert set(COSTS) - set(FOLLOWS) == {"SYM", "_SP"}
    assert {tag for tags in lexicon.FUNCTION_WORDS.values() for tag in tags} <= set(COSTS)
    assert set(words.AMBIGUOUS) <= set(lexicon.FUNCTION_WORDS)
