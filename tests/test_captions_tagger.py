"""The lexicon tagger on captions: tags, parts of speech and lemmas, each rule of context, and how often it is right."""

import pytest
import spacy
from spacy.tokens import Doc

from pipeline_lib.captions import tagger
from pipeline_lib.captions.tagger import POS_OF_TAG, TRANSITIONS, context, lexicon

NLP = spacy.blank("en")
NLP.add_pipe("lexicon_tagger")


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
def test_tags(caption, tags):
    assert [token.tag_ for token in NLP(caption)] == tags.split()


def test_lemmas():
    lemmas = [token.lemma_ for token in NLP("geese were swimming , men left")]
    assert lemmas == ["goose", "be", "swim", ",", "man", "leave"]


def test_parts_of_speech():
    assert [token.pos_ for token in NLP("Dogs in Paris")] == ["NOUN", "ADP", "PROPN"]
    assert [token.pos_ for token in NLP("something is there today")] == ["PRON", "AUX", "ADV", "NOUN"]


def test_lower_case_captions_and_headings_have_common_nouns():
    for caption in ("A Puppy Under The Table Near A Window", "a puppy under the table near a window"):
        assert [token.pos_ for token in NLP(caption) if token.lower_ in ("puppy", "table", "window")] == ["NOUN"] * 3


def test_every_pair_of_tags_has_its_cost():
    assert set(TRANSITIONS) == {*POS_OF_TAG, "BOS"}
    assert all(set(POS_OF_TAG) <= set(row) for row in TRANSITIONS.values())
    assert {tag for tags in lexicon.FUNCTION_WORDS.values() for tag in tags} <= set(TRANSITIONS)


# Rule to a sentence, a word of it, and the tag that the rule gives to the word.
CONTEXT = {
    "close-up": ("close - up of a wren", "close", "NN"),
    "a-close-up": ("a close up of a wren", "up", "NN"),
    "that-after-noun": ("a claim that dogs bark", "that", "WDT"),
    "they-act": ("they water flowers", "water", "VBP"),
    "modal-adverb-verb": ("it does not matter", "matter", "VB"),
    "plural-acts": ("boats rest on the sand", "rest", "VBP"),
    "helps-verb": ("a bee helps show the scale", "show", "VB"),
    "helps-her-verb": ("a boy helps his friend build a castle", "build", "VB"),
    "lets-us-verb": ("they let us check in early", "check", "VB"),
    "second-infinitive": ("take a minute and view the garden", "view", "VB"),
    "command": ("paint the wall", "paint", "VB"),
    "there": ("then there will be rain", "there", "EX"),
    "reports-that": ("actor reports that the show is over", "reports", "VBZ"),
    "these-act": ("these help the garden", "help", "VBP"),
    "that-acts": ("river that flows through a valley", "flows", "VBZ"),
    "a-singular-acts": ("a wasp lands on my shirt", "lands", "VBZ"),
    "somebody-acts": ("river flows through the valley", "flows", "VBZ"),
    "looking-adjective": ("a scared looking fox", "looking", "JJ"),
    "scared-looking": ("person scared looking fox", "scared", "JJ"),
    "only-past": ("actors set the carpet on fire", "set", "VBD"),
    "phrase-end": ("golfer during the final round", "round", "NN"),
    "gerund": ("the unveiling of a statue", "unveiling", "NN"),
    "listed-plural": ("clocks and watches in gold", "watches", "NNS"),
    "second-verb": ("singer puts the finishing touches on a cake", "touches", "NNS"),
    "participle": ("a garden painted by an artist", "painted", "VBN"),
}


def tag_of(caption: str, word: str) -> str:
    tagged = tagger.tag(Doc(NLP.vocab, words=caption.split()))
    return next(token.tag_ for token in tagged if token.text == word)


@pytest.mark.parametrize("rule", context.RULES, ids=lambda rule: rule.name)
def test_a_rule_of_context_decides_its_sentence(rule, monkeypatch):
    caption, word, tag = CONTEXT[rule.name]
    assert tag_of(caption, word) == tag == rule.to
    without = context.by_tag(tuple(other for other in context.RULES if other is not rule))
    monkeypatch.setattr(context, "BY_TAG", without)
    assert tag_of(caption, word) != tag


def test_names_of_rules_are_used_once():
    assert sorted(rule.name for rule in context.RULES) == sorted(CONTEXT)
