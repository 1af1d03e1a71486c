"""Fine-tuning: the losses against their equations, the batches, and one run end to end."""

import itertools
import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT, write_pool

from pipeline_lib.clip_door import load_clip
from pipeline_lib.features.encode import encode_pool
from pipeline_lib.features.store import Features, save_features, tower_id
from pipeline_lib.files import write_parquet
from pipeline_lib.finetune.loss import loss_value
from pipeline_lib.finetune.terms import LOSSES, needs_distractors
from pipeline_lib.finetune.train import batches
from pipeline_lib.training import warmup_cosine


def slow_cross_entropy(queries, matches, others, scale):
    """One logarithm at a time, in float64."""
    total = 0.0
    for i, query in enumerate(queries):
        logits = [scale * float(query @ key) for key in [*matches, *others]]
        total += math.log(sum(math.exp(logit) for logit in logits)) - logits[i]
    return total / len(queries)


def unit_rows(rng, n, d):
    """Random rows of length 1."""
    rows = rng.normal(size=(n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_is_its_equation(loss):
    rng = np.random.default_rng(0)
    image, caption, negated, distractor = (unit_rows(rng, 5, 8) for _ in range(4))
    scale = 14.3
    terms = {
        "l1": slow_cross_entropy(image, caption, negated, scale),
        "l2": slow_cross_entropy(caption, image, distractor, scale),
        "l3": slow_cross_entropy(distractor, negated, caption, scale),
    }
    named = {"l1": ["l1"], "l2": ["l2"], "l1+l2": ["l1", "l2"], "conclip": ["l1", "l2", "l3"]}[loss]
    expected = sum(terms[term] for term in named) / len(named)
    tensors = [torch.from_numpy(rows) for rows in (image, caption, negated, distractor)]
    assert loss_value(loss, *tensors, torch.tensor(scale, dtype=torch.float64)).item() == pytest.approx(
        expected, rel=1e-9
    )


def test_l1_alone_needs_no_distractors():
    assert {loss: needs_distractors(loss) for loss in LOSSES} == {
        "l1": False,
        "l2": True,
        "l1+l2": True,
        "conclip": True,
    }


def test_shuffled_batches_cover_each_epoch_once_and_drop_the_rest():
    plan = batches(10, 3, epochs=2, order="shuffled", seed=1)
    assert [len(batch) for batch in plan] == [3] * 6
    for epoch in (plan[:3], plan[3:]):
        assert len(set(torch.cat(epoch).tolist())) == 9
    assert not torch.equal(torch.cat(plan[:3]), torch.cat(plan[3:]))
    again = batches(10, 3, epochs=2, order="shuffled", seed=1)
    assert all(torch.equal(one, other) for one, other in zip(plan, again, strict=True))


def test_paper_order_is_as_stored():
    assert torch.cat(batches(7, 3, epochs=2, order="paper", seed=0)).tolist() == [0, 1, 2, 3, 4, 5] * 2


def test_fewer_samples_than_a_batch_is_an_error():
    with pytest.raises(ValueError, match="at least one batch of 8 samples, found 7"):
        batches(7, 8, epochs=1, order="paper", seed=0)


def test_learning_rate_warms_up_and_ends_near_zero():
    rates = [warmup_cosine(step, 100, 10) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[10:]))
    assert rates[-1] < 0.001


@pytest.fixture
def training_files(tmp_path, tiny_clip):
    """Triplets, features and distractors of 12 samples."""
    keys = write_pool(tmp_path / "train.tar", 12)
    save_features(tmp_path / "train.safetensors", encode_pool(tiny_clip, [tmp_path / "train.tar"], 5, 1))
    write_pool(tmp_path / "pool.tar", 6, first=100)
    pool = encode_pool(tiny_clip, [tmp_path / "pool.tar"], 5, 1)
    save_features(tmp_path / "pool.safetensors", pool)
    frame = pd.DataFrame(
        {
            "key": keys,
            "caption": [f"a dog number {n}" for n in range(12)],
            "negated_caption": [f"no dog number {n}" for n in range(12)],
        }
    )
    write_parquet(tmp_path / "train.parquet", frame)
    write_parquet(
        tmp_path / "distractors.parquet", pd.DataFrame({"key": keys, "distractor": (pool.keys * 2), "score": 0.0})
    )
    return tmp_path


def train(folder, weights, name="m-s0", **changes):
    """Run the command; returns its result."""
    flags = {
        **{"model": name, "family": "CoN-CLIP", "backbone": "tiny", "negatives": "ccneg", "weights": weights},
        **{"triplets": folder / "train.parquet", "features": folder / "train.safetensors"},
        **{"distractors": folder / "distractors.parquet", "pool-features": folder / "pool.safetensors"},
        **{"loss": "conclip", "epochs": 3, "batch-size": 4, "lr": 1e-3, "weight-decay": 0.2, "warmup-steps": 2},
        **{"order": "shuffled", "seed": 0, "threads": 1},
        **{"checkpoint": folder / f"{name}.pt", "history": folder / f"{name}.jsonl", "record": folder / f"{name}.json"},
        **changes,
    }
    arguments = [str(text) for name, value in flags.items() for text in (f"--{name}", value)]
    command = [sys.executable, "-m", "pipeline_lib.finetune.train", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_run_trains_the_text_tower_only_and_repeats_to_the_bit(training_files, tiny_checkpoint):
    for name in ("m-s0", "again"):
        done = train(training_files, tiny_checkpoint, name)
        assert done.returncode == 0, done.stderr
    before = load_clip(tiny_checkpoint).state_dict()
    after = torch.load(training_files / "m-s0.pt", weights_only=True)["model"]
    again = torch.load(training_files / "again.pt", weights_only=True)["model"]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if not name.startswith("visual.")}
    assert all(torch.equal(after[name], again[name]) for name in after)

    history = [json.loads(line) for line in (training_files / "m-s0.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in history] == list(range(9))
    assert history[-1]["loss"] < history[0]["loss"]
    record = json.loads((training_files / "m-s0.json").read_text())
    assert record["model"] == "m-s0"
    assert record["recipe"]["lr"] == 1e-3
    assert record["steps"] == 9


def test_features_of_another_tower_are_refused_by_name(training_files, tiny_checkpoint):
    foreign = Features(["000000000"], torch.ones(1, 32), None, "0" * 64)
    save_features(training_files / "foreign.safetensors", foreign)
    done = train(training_files, tiny_checkpoint, features=training_files / "foreign.safetensors")
    assert done.returncode == 1
    assert "foreign.safetensors: these features come from the image tower 000000000000" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_loss_that_is_not_finite_stops_the_run_and_says_when(training_files, tiny_checkpoint):
    done = train(training_files, tiny_checkpoint, lr=1e30)
    assert done.returncode == 1
    assert "error: the loss is nan at step" in done.stderr
    assert not (training_files / "m-s0.pt").exists()


def test_a_sample_without_image_is_named(training_files, tiny_checkpoint, tiny_clip):
    save_features(
        training_files / "few.safetensors", Features(["000000000"], torch.ones(1, 32), None, tower_id(tiny_clip))
    )
    done = train(training_files, tiny_checkpoint, features=training_files / "few.safetensors")
    assert "11 of 12 keys have no image feature, such as '000000001'" in done.stderr
