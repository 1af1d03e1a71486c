"""The lexicon tagger on captions: tags, parts of speech and lemmas, each rule of context, and how often it is right."""

import pytest
import spacy
from captioning import read_cases
from spacy.tokens import Doc
from treebank import TREEBANK, read_treebank, universal_parts_of_speech

from pipeline_lib.captions import tagger
from pipeline_lib.captions.tagger import POS_OF_TAG, TRANSITIONS, context, lexicon

NLP = spacy.blank("en")
NLP.add_pipe("lexicon_tagger")


@pytest.mark.parametrize(("caption", "tags"), read_cases("tags.tsv"))
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


CONTEXT = {name: case for name, *case in read_cases("context-rules.tsv")}


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


def accuracy(sentences: list[tuple[list[str], list[str]]]) -> tuple[float, str]:
    """Share of the tokens with the right universal part of speech, and a line that tells the most common errors."""
    wrong, total = [], 0
    for words, wanted in sentences:
        found = universal_parts_of_speech(Doc(NLP.vocab, words=words))
        places = zip(words, found, wanted, strict=True)
        wrong += [f"{word}/{pos} for {right} in {' '.join(words)[:60]}" for word, pos, right in places if pos != right]
        total += len(words)
    share = 1 - len(wrong) / total
    return share, f"{share:.2%} of {total:,} tokens have the right universal part of speech; wrong: {wrong[:20]}"


def test_accuracy_on_captions(capsys):
    cases = read_cases("parts-of-speech.tsv")
    share, line = accuracy([(caption.split(), tags.split()) for caption, tags in cases])
    with capsys.disabled():
        print(f"\nlexicon tagger on captions: {line}")
    assert len(cases) > 60 and share > 0.95


@pytest.mark.skipif(not TREEBANK.exists(), reason=f"no treebank at {TREEBANK.name} in ../shared/data")
def test_accuracy_on_the_english_web_treebank(capsys):
    share, line = accuracy([([row[1] for row in rows], [row[3] for row in rows]) for rows in read_treebank()])
    with capsys.disabled():
        print(f"\nlexicon tagger on the treebank: {line.partition('; wrong')[0]}")
    assert share > 0.93


def test_a_trained_pipelines_tags_and_lemmas_are_brought_to_the_rules_conventions():
    text = (
        "the/DT bride/NN and/CC groom/NN stand/VB on/IN a/DT porch/NN to/TO greet/VB guests/NNS and/CC did/VBD ride/VB"
    )
    words, tags = zip(*(word.split("/") for word in [*text.split(), "waves/NNS"]), strict=True)
    doc = tagger.adapt(Doc(NLP.vocab, words=words, tags=list(tags), lemmas=["?"] * len(words)))
    assert [token.tag_ for token in doc if token.tag_.startswith("VB")] == ["VBP", "VB", "VBD", "VB"]
    assert [doc[i].lemma_ for i in (4, 9, 10, 13, 14)] == ["stand", "greet", "guest", "ride", "wave"]
