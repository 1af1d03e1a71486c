"""The forms: what is written of a caption for each rule, what is not, what is refused, and how one is drawn."""

import math
from collections import Counter

import pytest
from captioning import BACKEND, WEIGHTS, read, read_cases, rows_of

from pipeline_lib.captions.rules import backend, checks, forms
from pipeline_lib.captions.rules.backend import RuleBackend
from pipeline_lib.captions.rules.forms import FORMS, Form, candidates
from pipeline_lib.captions.rules.rewriting import Rewrite, exclusion
from pipeline_lib.captions.rules.scoring import MODEL, Scorer, features, reasons
from pipeline_lib.formats.negation import NEGATION_WORDS


def written(caption, number):
    """Every negated caption of a pair."""
    return {made.text for made in candidates(caption) if made.number == number}


@pytest.mark.parametrize(("text", "number", "negated", "left"), read_cases("forms.tsv"))
def test_what_is_written(text, number, negated, left):
    caption = read(text)
    assert negated in written(caption, int(number))
    assert exclusion(caption, caption.pairs[int(number)]) == left


@pytest.mark.parametrize(
    ("text", "number", "unwanted"),
    [
        ("oxen pulling a cart through a brook", 0, "oxen without a cart through a brook"),
        ("children playing football", 0, "children without football"),
    ],
)
def test_what_is_not_written(text, number, unwanted):
    made = written(read(text), number)
    assert made and unwanted not in made


@pytest.mark.parametrize(
    "text",
    [
        "sweeping the porch and hall",
        "tiles for kitchen and bathroom walls",
        "a mother and son looking at each other",
        "a portrait of a painter and poet",
    ],
)
def test_what_belongs_together_is_not_taken_apart(text):
    assert not [made for made in candidates(read(text)) if made.pair.kind == "and"]


@pytest.mark.parametrize(("text", "reason"), read_cases("refusals.tsv"))
def test_refusal(text, reason):
    (row,) = BACKEND.negate(rows_of([text]))
    assert (row["status"], row["reason"]) == ("refused", reason)
    assert row["negated_caption"] is None and row["chosen_pair"] == -1


@pytest.mark.parametrize(
    ("negated", "left", "problem"),
    [
        ("a dog that is not on a mat", "a dog", None),
        ("a dog on a mat", "a dog", "negation"),
        ("a dog not without a mat on a mat", "a dog", "negation"),
        ("a dog that is not", "a dog", "object"),
        ("a cat that is not on a mat", "a cat", "gone"),
        ("a dog that is not on a mat", "a dog mat", "still has the object"),
        ("a dog that is not on a mat", "a dog on", "end"),
        ("a dog that is not on a mat", "", "nothing"),
    ],
)
def test_faithfulness(negated, left, problem):
    caption = read("a dog on a mat")
    found = checks.unfaithful(caption, caption.pairs[0], "not", negated, left)
    assert found is None if problem is None else problem in found


@pytest.mark.parametrize("named", ["photo : {}", "In this picture : {}", "{} - stock photo #", "{} royalty - free"])
def test_what_names_the_picture_is_cut_off(named):
    text = named.format("a dog on a mat")
    (row,) = BACKEND.negate(rows_of([text]))
    assert row["negated_caption"] in written(read("a dog on a mat"), 0)
    assert (row["caption"], row["exclusion_caption"]) == (text, "a dog")


def test_a_choice_between_words_follows_the_weights():
    for favourite in ("no", "without"):
        weights = {word: 9.0 if word == favourite else 1.0 for word in WEIGHTS}
        made = RuleBackend("lexicon", 0, weights).negate(rows_of(["a beach with a boat"] * 300))
        assert 250 < sum(row["negation_word"] == favourite for row in made) < 290


def test_every_pair_with_a_word_is_chosen_about_equally_often():
    made = RuleBackend("lexicon", 1, WEIGHTS).negate(rows_of(["a cat on a mat with a ball"] * 600))
    drawn = Counter((row["chosen_pair"], row["negation_word"]) for row in made)
    assert set(drawn) == {(0, "not"), (0, "no"), (1, "no"), (1, "without")}
    assert all(110 < number < 190 for number in drawn.values())


def test_below_the_wanted_quality_a_caption_is_doubtful():
    text = "a boy wearing a hat"
    caption = read(text)
    scores = sorted(Scorer(caption).quality(made) for made in candidates(caption))
    for threshold, status in ((scores[-1], "negated"), (scores[-1] + 1e-6, "refused")):
        (row,) = RuleBackend("lexicon", 0, WEIGHTS, threshold).negate(rows_of([text]))
        assert row["status"] == status
        assert row["reason"] == (None if status == "negated" else "doubtful")
        assert row["quality"] == (round(scores[-1], 4) if status == "negated" else None)


def test_the_score_is_the_sum_of_its_reasons():
    caption = read("a boy wearing a hat near a lake")
    for made in candidates(caption):
        total = MODEL["constant"].weight + sum(part for _, part in reasons(caption, made, count=1000))
        assert Scorer(caption).quality(made) == pytest.approx(1 / (1 + math.exp(-total)))
        assert set(features(caption, made)) <= set(MODEL)


def test_every_negation_word_has_a_form_and_a_caption_with_it_is_refused():
    assert {form.word for form in FORMS} == set(NEGATION_WORDS) <= forms.WORDS.negations


def test_a_new_negation_word_is_one_form_with_one_function(monkeypatch):
    def never(caption, pair):
        return Rewrite(caption).put(pair.predicate[0], "never").text()

    monkeypatch.setattr(forms, "FORMS", (Form("never-participle", "never", ("participle",), never),))
    monkeypatch.setattr(backend, "NEGATION_WORDS", (*NEGATION_WORDS, "never"))
    weights = backend.parse_weights("no=1,not=1,without=1,never=2")
    (row,) = RuleBackend("lexicon", 0, weights).negate(rows_of(["a man wearing a hat"]))
    assert (row["negation_word"], row["negated_caption"]) == ("never", "a man never wearing a hat")
    assert (row["rule"], row["exclusion_caption"]) == ("never-participle", "a man")
    with pytest.raises(
        ValueError, match="for each of no, not, without and never, such as no=1,not=1,without=1,never=1"
    ):
        backend.parse_weights("no=1,not=1,without=1")
