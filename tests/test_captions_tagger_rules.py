"""Every contextual rule of the lexicon tagger decides a sentence: right with the rule, wrong without it."""

import pytest
import spacy
from spacy.tokens import Doc

from pipeline_lib.captions.tagger import component as tagger
from pipeline_lib.captions.tagger import context, universal

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
# The same with parts of speech.
UNIVERSAL = {
    "fact-that": ("the fact that dogs bark", "that", "SCONJ"),
    "that-clause": ("the problem is that customers wait", "that", "SCONJ"),
    "both-and": ("both dogs and cats", "both", "CCONJ"),
    "intensifier": ("a super nice dog", "super", "ADV"),
    "as-big-as": ("a dog as big as a horse", "as", "ADV"),
    "out-there": ("a dog runs out there", "out", "ADV"),
    "the-only": ("the only dog", "only", "ADJ"),
    "including": ("animals including dogs", "including", "VERB"),
    "there-be": ("there can be rain", "be", "VERB"),
    "be": ("dogs can be loud", "be", "AUX"),
    "have-done": ("dogs have barked", "have", "AUX"),
    "do-not": ("dogs do not bark", "do", "AUX"),
    "because-of": ("wet because of the rain", "because", "ADP"),
    "as-seen": ("the tower as seen from the river", "as", "SCONJ"),
    "as-he-does": ("a dog barks as the sun sets", "as", "SCONJ"),
    "until-noon": ("open until noon", "until", "ADP"),
    "in-which": ("a house in which people live", "in", "ADP"),
    "before-doing": ("a dog before eating", "before", "SCONJ"),
    "for-dogs-to": ("a place for dogs to play", "for", "SCONJ"),
    "about-ten": ("about ten dogs", "about", "ADV"),
    "though-last": ("a nice dog though", "though", "ADV"),
    "along-with": ("a dog along with a cat", "along", "ADP"),
    "stranded": ("dogs move on .", "on", "ADV"),
    "subordinator": ("a dog barks because it rains", "because", "SCONJ"),
    "something": ("something on a table", "something", "PRON"),
    "which-dog": ("we know which dog barks", "which", "DET"),
    "such-a": ("such a nice dog", "such", "DET"),
    "all-over": ("flowers all over the garden", "all", "ADV"),
    "all-alone": ("all the dogs", "all", "DET"),
    "more-beautiful": ("a more beautiful dog", "more", "ADV"),
    "big-enough": ("a dog big enough to swim", "enough", "ADV"),
    "runs-fast": ("a dog runs fast", "fast", "ADV"),
    "today": ("a dog barks today", "today", "NOUN"),
    "versus": ("team vs team", "vs", "ADP"),
    "no-alone": ("no , dogs bark", "no", "INTJ"),
    "from-to": ("9 - 11", "-", "SYM"),
    "slash": ("dogs / cats", "/", "SYM"),
    "not": ("a dog not on a mat", "not", "PART"),
    "there-is": ("there is a dog", "is", "VERB"),
    "to-doing": ("a guide to painting", "to", "SCONJ"),
    "to-a-place": ("a dog runs to a man", "to", "ADP"),
    "this-alone": ("this is a dog", "this", "PRON"),
    "very-excited": ("the dog is very terrified", "terrified", "ADJ"),
    "adjective-name": ("dogs near the Great Wall", "Great", "ADJ"),
}


def tag_of(caption: str, word: str, what: str) -> str:
    tagged = tagger.tag(Doc(spacy.blank("en").vocab, words=caption.split()))
    return next(getattr(token, what) for token in tagged if token.text == word)


@pytest.mark.parametrize("rule", context.RULES, ids=lambda rule: rule.name)
def test_a_rule_of_context_decides_its_sentence(rule, monkeypatch):
    caption, word, tag = CONTEXT[rule.name]
    assert tag_of(caption, word, "tag_") == tag == rule.to
    without = context.by_tag(tuple(other for other in context.RULES if other is not rule))
    monkeypatch.setattr(context, "BY_TAG", without)
    assert tag_of(caption, word, "tag_") != tag


@pytest.mark.parametrize("rule", universal.RULES, ids=lambda rule: rule.name)
def test_a_universal_rule_decides_its_sentence(rule, monkeypatch):
    caption, word, pos = UNIVERSAL[rule.name]
    assert tag_of(caption, word, "pos_") == pos == rule.pos
    by_word, by_tag = universal.index(tuple(other for other in universal.RULES if other is not rule))
    monkeypatch.setattr(universal, "BY_WORD", by_word)
    monkeypatch.setattr(universal, "BY_TAG", by_tag)
    assert tag_of(caption, word, "pos_") != pos


def test_names_of_rules_are_used_once():
    for rules, sentences in ((context.RULES, CONTEXT), (universal.RULES, UNIVERSAL)):
        assert sorted(rule.name for rule in rules) == sorted(sentences)
