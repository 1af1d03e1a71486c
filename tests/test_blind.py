"""Text-only baselines of CC-Neg."""

import math

import pandas as pd
import pytest

from pipeline_lib.evaluate import blind
from pipeline_lib.jobs.files import read_json, read_parquet, write_parquet

TRIPLETS = [  # caption, negated caption, negation word, pairs
    ("a dog on a sofa, at night", "a dog not on a sofa at night", "not", 2),
    ("a man with no hat", "a man without no hat", "without", 1),  # both have a negation word
    ("people in a park", "people outside a park", "not", 1),  # neither has
    ("no entry", "an entry", "no", 1),  # only the caption has
    ("a Knot in a rope", "a knot Not in a rope", "not", 7),  # a whole word, in any case
]


@pytest.fixture
def evaluate(tmp_path, monkeypatch, capsys):
    """A function that runs a baseline; returns items, metrics by dataset and what is printed."""

    def run(model, train=TRIPLETS):
        columns = ["caption", "negated_caption", "negation_word", "n_pairs"]
        for name, rows in (("train", train), ("eval", TRIPLETS)):
            frame = pd.DataFrame(rows, columns=columns)
            write_parquet(tmp_path / f"{name}.parquet", frame.assign(key=[f"k{row}" for row in range(len(rows))]))
        flags = {"model": model, "train": tmp_path / "train.parquet", "triplets": tmp_path / "eval.parquet"}
        flags |= {"scores": tmp_path / "scores.parquet", "metrics": tmp_path / "metrics.json"}
        monkeypatch.setattr("sys.argv", ["command", *(str(part) for n, v in flags.items() for part in (f"--{n}", v))])
        blind.main()
        content = read_json(tmp_path / "metrics.json")
        assert (content["model"], content["family"], content["backbone"]) == (model, "text only", "none")
        assert content["benchmark"] == "ccneg" and content["loss"] is content["seed"] is content["negatives"] is None
        metrics = {entry["dataset"]: (entry["value"], entry["n"]) for entry in content["metrics"]}
        return read_parquet(tmp_path / "scores.parquet"), metrics, capsys.readouterr().out

    return run


def test_the_rule_takes_a_caption_with_a_negation_word_for_wrong(evaluate):
    items, metrics, said = evaluate("blind-rule")
    assert items["correct"].tolist() == [True, True, True, False, True]  # two of them ties
    assert items.columns.tolist() == ["key", "negation_word", "n_pairs", "score_true", "score_negated", "correct"]
    assert metrics["cc-neg"] == (80.0, 5) and metrics["cc-neg/word=no"] == (0.0, 1)
    assert metrics["cc-neg/pairs=5"] == (100.0, 1)
    assert "2 of 5 samples tie; with half of them wrong, accuracy 60.00" in said


def test_the_words_are_weighed_by_the_training_captions(evaluate):
    train = [("a cat, at home", "a cat not at home", "not", 1), ("a bus", "without a bus", "without", 1)] * 3
    items, metrics, _ = evaluate("blind-words", train)
    weights = blind.word_weights(*zip(*[row[:2] for row in train], strict=True))
    assert weights["a"] == 0 and weights["not"] == math.log(1) - math.log(4) and weights[","] == math.log(4)
    for item, (caption, negated, *_) in zip(items.itertuples(), TRIPLETS, strict=True):
        for score, text in ((item.score_true, caption), (item.score_negated, negated)):
            assert score == pytest.approx(sum(weights.get(word, 0) for word in set(blind.words(text))))
    assert items["correct"].tolist() == [True, True, True, True, True]
    assert metrics["cc-neg"] == (100.0, 5)
    assert items["score_true"][2] == items["score_negated"][2]  # words that training does not have decide nothing


def test_words_are_whole_lower_case_and_with_their_apostrophes():
    assert blind.words("A dog, it's NOT a Knot.") == {"a", "dog", ",", "it's", "not", "knot", "."}


def test_the_same_words_tie_exactly_in_any_order():
    weights = blind.word_weights(["a b c d e"], ["e f g"])
    assert len(set(blind.word_scores(["a b e f g", "g f e b a", "b a g f e"], weights))) == 1
