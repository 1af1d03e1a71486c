"""Metrics from their declaration; CC-Neg with its text-only baselines and embeddings."""

import numpy as np
import pandas as pd
import pytest
import torch
from benchmarks import evaluate, random_rows, read_text, run_evaluation, write_features, write_triplets
from torch.nn import functional

from pipeline_lib.blind import fit, scores
from pipeline_lib.evaluate import blind, ccneg
from pipeline_lib.evaluate.ccneg import dimensions, embedding_metrics, mean_pairwise_cosine
from pipeline_lib.evaluate.declaration import Kind, Metric
from pipeline_lib.evaluate.kinds import CCNEG, KINDS, SUGARCREPE_PARTS, ccneg_items
from pipeline_lib.evaluate.result import measure, read_triplets
from pipeline_lib.jobs.files import read_json, write_parquet


def numbers(kind, items, benchmark=None):
    """Value and n of each metric, by dataset and name."""
    return {(one["dataset"], one["metric"]): (one["value"], one["n"]) for one in measure(kind, items, benchmark)}


def test_every_form_of_a_declaration_by_hand():
    rows = [
        ("b", 1, True, 1, 0.5), ("b", 9, False, 12, 0.25), ("a", 2, True, 3, 1.0),
        ("a", 2, True, 4, 0.75), ("a", 1, False, 10, 0.5), ("c", 2, True, 2, 0.0),
    ]  # fmt: skip
    items = pd.DataFrame(rows, columns=["side", "size", "correct", "rank", "precision"])
    kind = Kind(
        "own",
        metrics=(
            Metric("{benchmark}"),
            Metric("{benchmark}/mean", mean_over="side"),
            Metric("{benchmark}/{side}"),
            Metric("{benchmark}/in-order/{side}", in_order=True),
            Metric("{benchmark}/{size}", clip={"size": 2}),
            Metric("{benchmark}", "recall@10", "rank", at_most=10, where={"side": ("a", "b")}),
            Metric("{benchmark}", "map", "precision"),
            Metric("{benchmark}", "precision", "precision", percent=False),
        ),
    )
    third = pytest.approx(200 / 3)
    assert [(one["dataset"], one["metric"], one["value"], one["n"]) for one in measure(kind, items, "x")] == [
        ("x", "accuracy", third, 6), ("x/mean", "accuracy", pytest.approx((50 + 200 / 3 + 100) / 3), 6),
        ("x/a", "accuracy", third, 3), ("x/b", "accuracy", 50, 2), ("x/c", "accuracy", 100, 1),
        ("x/in-order/b", "accuracy", 50, 2), ("x/in-order/a", "accuracy", third, 3),
        ("x/in-order/c", "accuracy", 100, 1),
        ("x/1", "accuracy", 50, 2), ("x/2", "accuracy", 75, 4),
        ("x", "recall@10", 80, 5), ("x", "map", 50, 6), ("x", "precision", 0.5, 6),
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"x: expected at least one item to score, found none"):
        measure(kind, items[:0], "x")


def test_ccneg_by_hand_where_a_tie_is_right():
    triplets = pd.DataFrame({"key": list("abcd"), "negation_word": ["no", "not", "not", "no"], "n_pairs": [1, 2, 7, 5]})
    items = ccneg_items(triplets, np.array([0.9, 0.1, 0.5, 0.9]), np.array([0.1, 0.9, 0.5, 0.1]))
    assert items["correct"].tolist() == [True, False, True, True]
    assert {dataset: found for (dataset, _), found in numbers(CCNEG, items).items()} == {
        "cc-neg": (75.0, 4), "cc-neg/word=no": (100.0, 2), "cc-neg/word=not": (50.0, 2),
        "cc-neg/pairs=1": (100.0, 1), "cc-neg/pairs=2": (0.0, 1), "cc-neg/pairs=5": (100.0, 2),
    }  # fmt: skip


def test_sugarcrepe_groups_are_plain_means_of_their_parts():
    rows = [(part, part == "add_obj") for part in SUGARCREPE_PARTS] + [("add_obj", True), ("add_obj", False)]
    found = numbers(KINDS["sugarcrepe"], pd.DataFrame(rows, columns=["part", "correct"]), "sugarcrepe")
    values = {dataset.partition("/")[2]: value for (dataset, _), (value, _) in found.items()}
    assert values["add_obj"] == pytest.approx(200 / 3) and values["add"] == pytest.approx(100 / 3)
    assert values["swap"] == 0.0 and len(values) == 10


def test_the_ccneg_command_scores_captions_and_their_embeddings(tmp_path, tiny_clip, tiny_checkpoint):
    captions = ["a dog on a sofa", "a cat", "a red ball"]
    negated = ["a dog not on a sofa", "no cat", "a ball that is not red"]
    triplets = write_triplets(tmp_path / "eval.parquet", "abc", captions, negated)
    rows = random_rows(3)
    features = write_features(tmp_path / "f.safetensors", tiny_clip, "cab", rows)
    flags = ("--triplets", triplets, "--features", features, "--embeddings", tmp_path / "e.json")
    items, metrics = evaluate(ccneg.main, tmp_path, tiny_checkpoint, *flags)
    sides = [torch.stack([read_text(tiny_clip, text) for text in side]) for side in (captions, negated)]
    expected = [(rows[[1, 2, 0]] * side).sum(dim=1).tolist() for side in sides]
    assert items["score_true"].tolist() == pytest.approx(expected[0], abs=1e-5)
    assert items["score_negated"].tolist() == pytest.approx(expected[1], abs=1e-5)
    assert metrics["metrics"][0]["value"] == pytest.approx(100 * np.mean(np.array(expected[0]) >= expected[1]))
    written = read_json(tmp_path / "e.json")
    assert (written["benchmark"], written["model"], written["family"]) == ("embeddings", "tiny", "CLIP")
    for found, one in zip(written["metrics"], embedding_metrics(*sides), strict=True):
        assert found.pop("value") == pytest.approx(one.pop("value"), rel=1e-4)
        assert found == one


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("key", "k0", "expected each key once, found 'k0' again"),
        ("negated_caption", " ", "expected each triplet's negated_caption, found none of key 'k1'"),
        ("negation_word", None, "expected each triplet's negation_word, found none of key 'k1'"),
    ],
)
def test_every_triplet_is_there_once_and_whole(tmp_path, column, value, message):
    frame = {"key": ["k0", "k1"], "caption": "a dog", "negated_caption": "no dog", "negation_word": "no", "n_pairs": 1}
    frame = pd.DataFrame(frame).astype(object)
    frame.loc[1, column] = value
    write_parquet(tmp_path / "eval.parquet", frame)
    with pytest.raises(ValueError, match=rf"eval\.parquet: {message}"):
        read_triplets(tmp_path / "eval.parquet")


@pytest.mark.parametrize("cone", [0.0, 3.0, 1000.0])
def test_closed_forms_of_embeddings_are_those_of_all_pairs(cone):
    rows = random_rows(30, 8, cone=cone)
    pairs = [torch.dot(rows[i].double(), rows[j].double()).item() for i in range(30) for j in range(30) if i != j]
    assert mean_pairwise_cosine(rows) == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)
    variances = torch.linalg.eigvalsh(torch.cov(rows.double().T))
    assert dimensions(rows) == pytest.approx((variances.sum() ** 2 / variances.square().sum()).item(), rel=1e-6)


def test_known_embeddings():
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    collapsed = random_rows(1, 16).repeat(50, 1)
    cosines = [mean_pairwise_cosine(rows) for rows in (torch.eye(4), opposite, collapsed)]
    assert cosines == pytest.approx([0, -1, 1])
    assert dimensions(opposite) == pytest.approx(1) and dimensions(collapsed) == 0
    assert dimensions(torch.cat([torch.eye(5), -torch.eye(5)])) == pytest.approx(5)
    with pytest.raises(ValueError, match="at least two captions"):
        mean_pairwise_cosine(torch.eye(1))


def test_a_narrow_cone_has_a_high_cosine_keeps_its_dimensions_and_shows_on_its_side_alone():
    captions, narrow = random_rows(2000, 16), random_rows(2000, 16, seed=1, cone=20.0)
    assert dimensions(captions) > 14 and dimensions(narrow) > 14
    found = {(one["dataset"], one["metric"]): one["value"] for one in embedding_metrics(captions, narrow)}
    assert found["cc-neg/negated", "cosine"] > 0.9 > 0.1 > found["cc-neg/captions", "cosine"]
    own = functional.cosine_similarity(captions, narrow).mean().item()
    assert found["cc-neg/own-negation", "cosine"] == pytest.approx(own, abs=1e-6)


TRIPLETS = [  # caption, negated caption, negation word, pairs
    ("a dog on a sofa, at night", "a dog not on a sofa at night", "not", 2),
    ("a man with no hat", "a man without no hat", "without", 1),  # both have a negation word
    ("people in a park", "people outside a park", "not", 1),  # neither has
    ("no entry", "an entry", "no", 1),  # only the caption has
    ("a Knot in a rope", "a knot Not in a rope", "not", 7),  # a whole word, in any case
]


def evaluate_blind(folder, model, train=TRIPLETS):
    """Run a text-only baseline; return its items and metrics by dataset."""
    columns = ["caption", "negated_caption", "negation_word", "n_pairs"]
    for name, rows in (("train", train), ("eval", TRIPLETS)):
        frame = pd.DataFrame(rows, columns=columns)
        write_parquet(folder / f"{name}.parquet", frame.assign(key=[f"k{row}" for row in range(len(rows))]))
    flags = {"model": model, "train": folder / "train.parquet", "triplets": folder / "eval.parquet"}
    items, content = run_evaluation(blind.main, folder, **flags)
    metrics = {entry["dataset"]: (entry["value"], entry["n"]) for entry in content.pop("metrics")}
    described = {"model": model, "family": "text only", "backbone": "none", "benchmark": "ccneg"}
    assert content == {**described, "loss": None, "negatives": None, "seed": None}
    return items, metrics


def test_the_rule_takes_a_caption_with_a_negation_word_for_wrong(tmp_path, capsys):
    items, metrics = evaluate_blind(tmp_path, "blind-rule")
    assert items["correct"].tolist() == [True, True, True, False, True]  # two of them ties
    assert items.columns.tolist() == ["key", "negation_word", "n_pairs", "score_true", "score_negated", "correct"]
    assert (metrics["cc-neg"], metrics["cc-neg/word=no"], metrics["cc-neg/pairs=5"]) == ((80, 5), (0, 1), (100, 1))
    assert "2 of 5 samples tie; with half of them wrong, accuracy 60.00" in capsys.readouterr().out


def test_the_words_are_fitted_on_the_training_captions(tmp_path):
    train = [("a cat, at home", "a cat not at home", "not", 1), ("a bus", "without a bus", "without", 1)] * 3
    items, metrics = evaluate_blind(tmp_path, "blind-words", train)
    model = fit([row[0] for row in train] + [row[1] for row in train], [True] * 6 + [False] * 6)
    assert scores(model, ["not"])[0] < 0 < scores(model, [","])[0]
    for column, side in (("score_true", 0), ("score_negated", 1)):
        assert items[column].tolist() == scores(model, [row[side] for row in TRIPLETS]).tolist()
    assert metrics["cc-neg"] == (100.0, 5)
    assert items["score_true"][2] == items["score_negated"][2]  # words that training does not have decide nothing
