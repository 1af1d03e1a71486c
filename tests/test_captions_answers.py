"""What is taken of a language model's answers, and what is not: the rules of the paper, word for word."""

import json
import re

import pytest
from captioning import BACKEND, read
from conftest import ROOT

from pipeline_lib.captions.chat.answers import Unusable, read_pairs, read_sentences
from pipeline_lib.captions.rules.checks import Reason

TAGGER = BACKEND.tagger


def test_the_examples_of_the_prompts_are_answers_that_we_take():
    def examples(name):
        """The captions and answers that a prompt shows to the model."""
        text = (ROOT / "pipeline_lib" / "captions" / "chat" / name).read_text()
        return re.findall(r'^Caption: "(.*?)"(.*)\n(\{.*\})$', text, re.MULTILINE)

    taken = []
    for text, _, answer in examples("decompose.txt"):
        taken.append(len(read_pairs(answer, read(text), TAGGER).pairs))
    for text, given, answer in examples("form.txt"):
        predicate, thing = re.findall(r': "(.*?)"', given)
        found = read_pairs(decomposition(None, (predicate, thing)), read(text), TAGGER)
        taken.append(read_sentences(answer, read(text), found, 0, TAGGER).word)
    assert taken == [2, 1, 0, "not", "not", "no", "without"]


def decomposition(subject, *pairs):
    found = [{"predicate": predicate, "object": thing} for predicate, thing in pairs]
    return json.dumps({"subject": subject, "pairs": found})


SOFA = "a man with a hat and a dog on a red sofa"
SOFA_PAIRS = decomposition("A man", ("with", "a hat"), ("and", "a dog"), ("on", "a red sofa"))


def sentences(chosen, negated, exclusion, thing):
    answer = json.dumps({"negated_caption": negated, "exclusion_caption": exclusion, "object": thing})
    return read_sentences(answer, read(SOFA), read_pairs(SOFA_PAIRS, read(SOFA), TAGGER), chosen, TAGGER)


@pytest.mark.parametrize(
    ("chosen", "negated", "exclusion", "thing", "word"),
    [
        (0, "a man without a hat and a dog on a red sofa", "a man and a dog on a red sofa", "a hat", "without"),
        (1, "A man with a hat and no dog on a red sofa", "a man with a hat on a red sofa", "a dog", "no"),
        (2, "a man with a hat and a dog not on a red  sofa", "a man with a hat and a dog", "red sofa", "not"),
    ],
)
def test_faithful_sentences_are_taken(chosen, negated, exclusion, thing, word):
    made = sentences(chosen, negated, exclusion, thing)
    assert (made.word, made.negated, made.exclusion) == (word, " ".join(negated.split()), exclusion)


@pytest.mark.parametrize(
    ("chosen", "negated", "exclusion", "thing", "problem"),
    [
        (1, SOFA, "a man with a hat on a red sofa", "a dog", "one negation word"),
        (1, "a man with no hat and no dog on a red sofa", "a man with a hat on a red sofa", "a dog", "one negation"),
        (1, "a man with a hat and no cat on a red sofa", "a man with a hat on a red sofa", "a dog", "object is gone"),
        (1, "a man with a hat and no dog on a red sofa", "a man and a dog on a red sofa", "a dog", "still has the obj"),
        (1, "a man with a hat and no dog on a red sofa", "a man with a hat on a red sofa", "a hat", "not the one of"),
        (1, "a man with no hat and a dog on a red sofa", "a man with a hat on a red sofa", "a dog", "negates 'hat'"),
        (2, "no man with a hat and a dog on a red sofa", "a man with a hat and a dog", "red sofa", "negates 'man'"),
        (
            1,
            "a man with a hat and a dog not on a red sofa",
            "a man with a hat on a red sofa",
            "a dog",
            "before the",
        ),
        (2, "a man with a hat and a dog not on a red sofa but a chair", "a man with a hat", "red sofa", "word 'chair'"),
        (2, "a dog with a hat and a man not on a red sofa", "a man with a hat and a dog", "red sofa", "their order"),
        (2, "a man with a hat and a dog not on a red sofa", "?", "red sofa", "is empty"),
    ],
)
def test_unfaithful_sentences_are_not(chosen, negated, exclusion, thing, problem):
    with pytest.raises(Unusable, match=problem) as error:
        sentences(chosen, negated, exclusion, thing)
    assert error.value.reason == Reason.UNFAITHFUL


@pytest.mark.parametrize(
    "wrapped",
    [
        "```json\n{}\n```",
        '<think>{{"pairs": 1}} or so? {{</think>\n\n{}',
        "Sure! Here it is: {} I hope that this helps.",
        'The input was {{"caption": "a dog"}}. My answer:\n```\n{}\n```',
        "{{not JSON}} {}",
    ],
)
def test_answers_in_fences_after_thinking_and_in_prose_are_read(wrapped):
    caption = read("a dog on a mat")
    answer = wrapped.format('{"subject": "a dog", "pairs": [{"predicate": "on", "object": "a mat"}]}')
    found = read_pairs(answer, caption, TAGGER)
    assert [caption.text(pair.object) for pair in found.pairs] == ["a mat"]


@pytest.mark.parametrize("answer", ["", "no", "{" * 100_000, "[1]", "<think>{}", '{"a": ' * 50_000])
def test_answers_without_an_object_of_the_schema_are_not(answer):
    with pytest.raises(Unusable):
        read_pairs(answer, read("a dog on a mat"), TAGGER)
