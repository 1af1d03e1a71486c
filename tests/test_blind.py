"""The bag of words that sees no image: its fit, what it may have seen, and the benchmarks that it stands beside."""

import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from benchmarks import choose, run_evaluation, write_questions
from conftest import ROOT
from scipy import optimize
from sklearn.model_selection import GroupKFold

from pipeline_lib.blind import FOLDS, blind_accuracy, fit, held_out_scores, scores, words
from pipeline_lib.evaluate import blind_benchmark
from pipeline_lib.evaluate.kinds import KINDS, TEMPLATES, blind_benchmarks, read_annotations
from pipeline_lib.evaluate.result import measure
from pipeline_lib.jobs.files import write_json

THINGS = ("dog", "cat", "bus", "tree", "kite", "boat", "hat", "sofa")


def pairs(rng, count):
    """Pairs of captions of which the one without a negation is right, on images of two pairs each."""
    chosen = rng.integers(len(THINGS), size=(count, 2))
    right = [f"a {THINGS[one]} and a {THINGS[two]}" for one, two in chosen]
    wrong = [f"a {THINGS[one]} and no {THINGS[two]}" for one, two in chosen]
    return right, wrong, [f"{number // 2:09d}" for number in range(count)]


def test_the_fit_is_what_the_docstring_says():
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{word}" for word in row) for row in rng.integers(20, size=(60, 3))]
    right = rng.random(60) < 0.3
    names = sorted({gram for text in texts for gram in (*words(text), *map(" ".join, pairwise(words(text))))})
    has = np.array([[1.0, *(f" {name} " in f" {text} " for name in names)] for text in texts])

    def loss(w):
        return np.logaddexp(0, -(2 * right - 1) * (has @ w)).sum() + w @ w / 2

    slow = optimize.minimize(loss, np.zeros(has.shape[1]), method="BFGS", options={"gtol": 1e-6}).x
    found = scores(fit(texts, right), texts)
    assert found == pytest.approx(has @ slow, abs=1e-3) and np.abs(found).max() > 0.5


def test_words_are_whole_lower_case_and_tie_exactly_in_any_order():
    assert words("A dog, it's NOT a Knot.") == ["a", "dog", ",", "it's", "not", "a", "knot", "."]
    right, wrong, _ = pairs(np.random.default_rng(0), 50)
    model = fit(right + wrong, [True] * 50 + [False] * 50)
    one, other, unseen = scores(model, ["a dog and a cat and a dog", "and a cat and a dog and a", "zebra crossing"])
    assert one == other
    assert scores(model, ["no Dog"])[0] < -0.5 + unseen and unseen == pytest.approx(model[-1].intercept_[0], abs=1e-6)


def test_no_text_is_scored_by_a_model_that_saw_its_image():
    rng = np.random.default_rng(1)
    right, wrong, images = pairs(rng, 40)
    texts, labels, groups = [*right, *wrong], [True] * 40 + [False] * 40, [*images, *images]
    shuffled = rng.permutation(80)
    texts, labels, groups = ([column[row] for row in shuffled] for column in (texts, labels, groups))
    found = held_out_scores(texts, labels, groups)
    for row in range(0, 80, 8):
        held = next(part for _, part in GroupKFold(FOLDS).split(texts, groups=groups) if row in part)
        assert {groups[other] for other in held}.isdisjoint(groups[other] for other in range(80) if other not in held)
        seen = [other for other in range(80) if other not in held]
        own = fit([texts[other] for other in seen], [labels[other] for other in seen])
        assert found[row] == scores(own, [texts[row]])[0]

    # What is said of one image alone helps only who has seen it.
    right, wrong = ([f"{name}{number // 2}" for number in range(40)] for name in "xy")
    assert blind_accuracy(right, wrong, [number // 2 for number in range(40)]) == 50
    assert blind_accuracy(right, wrong, range(40)) == 100
    with pytest.raises(ValueError, match="expected captions of at least 5 images, found 4"):
        held_out_scores(texts[:4], labels[:4], range(4))


def test_the_accuracy_says_how_much_words_give_away():
    rng = np.random.default_rng(2)
    right, wrong, images = pairs(rng, 400)
    assert blind_accuracy(right, wrong, images) == 100
    turned = [(a, b) if rng.random() < 0.5 else (b, a) for a, b in zip(right, wrong, strict=True)]
    assert 35 < blind_accuracy(*zip(*turned, strict=True), images) < 65
    half = [(a, b) if rng.random() < 0.75 else (b, a) for a, b in zip(right, wrong, strict=True)]
    assert 65 < blind_accuracy(*zip(*half, strict=True), images) < 85
    assert blind_accuracy(right, right, images) == 50


def test_the_scores_are_the_same_on_any_number_of_threads():
    code = """
import numpy as np
from pipeline_lib.blind import fit, scores
rng = np.random.default_rng(0)
texts = [" ".join(f"w{word}" for word in row) for row in rng.integers(3000, size=(1200, 12))]
model = fit(texts, rng.random(1200) < 0.5)
assert model[-1].coef_.size > 12_000  # from 10,001 numbers on OpenBLAS adds in several threads
print(scores(model, texts).tolist())
"""
    said = set()
    for threads in (1, 2):
        own = {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads), "PYTHONHASHSEED": str(threads)}
        arguments = [sys.executable, "-c", code]
        done = subprocess.run(arguments, cwd=ROOT, env=os.environ | own, capture_output=True, text=True, check=True)
        said.add(done.stdout)
    assert len(said) == 1


def blind(folder, kind, annotations, count="none"):
    """Run the command on a benchmark; return its items and its metrics by dataset."""
    flags = {"kind": kind, "benchmark": "b", "annotations": annotations, "count": count}
    items, content = run_evaluation(blind_benchmark.main, folder, **flags)
    metrics = content.pop("metrics")
    described = {"model": "blind-words", "family": "text only", "backbone": "none", "benchmark": "b"}
    assert content == {**described, "loss": None, "negatives": None, "seed": None}
    assert metrics == measure(KINDS[kind].without_image, items, "b")
    return items, {entry["dataset"]: (entry["value"], entry["n"]) for entry in metrics}


def test_multiple_choice_is_scored_as_the_models_are(tmp_path):
    rows = []
    for number in range(60):
        wrong = [f"no {THINGS[(number + step) % 8]} here" for step in range(3)]
        captions = [*wrong[: number % 4], f"a {THINGS[number % 8]} here", *wrong[number % 4 :]]
        if number == 7:
            captions = ["the same"] * 4
        rows.append((f"/any/{number // 2:012d}.jpg", *captions, number % 4, TEMPLATES[number % 3]))
    path = write_questions(tmp_path / "mcq.csv", rows)
    items, metrics = blind(tmp_path, "mcq", path, 60)
    columns = ["item", "key", "template", "correct_answer", *KINDS["mcq"].scores, "correct"]
    assert items.columns.tolist() == columns and items.key.tolist() == [f"{row // 2:012d}" for row in range(60)]
    assert items.correct.sum() == 59 and not items.correct[7]  # a tie is wrong
    by_template = items.groupby("template").correct.agg(["mean", "size"])
    assert metrics["b"] == (pytest.approx(100 * 59 / 60), 60)
    for name, (mean, size) in zip(by_template.index, by_template.to_numpy(), strict=True):
        assert metrics[f"b/{name}"] == (pytest.approx(100 * mean), size)
    with pytest.raises(ValueError, match="expected 61 items as published, found 60"):
        blind(tmp_path, "mcq", path, 61)


def test_every_right_caption_must_win_and_captions_are_not_compared_with_each_other(tmp_path):
    for number, part in enumerate(KINDS["sugarcrepe-plus"].parts):
        content = []
        for place in range(6):
            first, second, negative = choose(3, 10 * number + place)
            item = {"filename": f"{place:012d}.jpg", "caption": f"{first} yes", "caption2": f"{second} yes"}
            content.append({**item, "negative_caption": f"{negative} not"})
        content[1]["caption2"] = content[1]["negative_caption"]  # the one caption beats the negative, the other ties
        write_json(tmp_path / f"{part}.json", content)
    items, metrics = blind(tmp_path, "sugarcrepe-plus", tmp_path)
    assert (items.correct == (items.item != 1)).all()
    assert metrics["b"] == (pytest.approx(100 * 5 / 6), 30) and not [name for name in metrics if "text-only" in name]
    assert not {"text_captions", "correct_text"} & set(items)


def test_who_sees_no_image_chooses_among_captions_alone():
    entries = {name: {"kind": name} for name in KINDS}
    chosen = blind_benchmarks(entries)
    assert chosen["blind-rule"] == ["ccneg"]
    assert {"mcq", "valse", "sugarcrepe", "sugarcrepe-plus"} <= set(chosen["blind-words"])
    assert not {"retrieval", "negrefcocog"} & set(chosen["blind-words"])


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        ("mcq", "negbench/VOC2007_mcq_llama3.1_rephrased.csv", {"b": 76.2, "b/positive": 98.2, "b/negative": 70.4}),
        ("valse", "valse_existence.json", {"b/valid": 85.7}),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("mcq", "negbench/COCO_val_mcq_llama3.1_rephrased.csv", {"b": 84.3, "b/hybrid": 76.3}),
                ("sugarcrepe", "sugarcrepe", {"b/add_obj": 97.1, "b/replace_att": 72.8, "b/swap_obj": 58.8}),
                ("sugarcrepe-plus", "sugarcrepe_plus", {"b/replace_obj": 73.1, "b/replace_rel": 79.1}),
            )
        ),
    ],
)
def test_the_published_captions_give_themselves_away(real_data, kind, path, expected):
    items = blind_benchmark.score_words(KINDS[kind], read_annotations(kind, real_data / path))
    found = {one["dataset"]: one["value"] for one in measure(KINDS[kind].without_image, items, "b")}
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=0.3)
