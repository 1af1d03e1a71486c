"""Fine-tuning: the losses against their equations, the batches, and one run end to end."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from training import train, write_training_files

from pipeline_lib.clip.load import load_clip
from pipeline_lib.clip.training import warmup_cosine
from pipeline_lib.features.store import Features, save_features, tower_id
from pipeline_lib.finetune.loss import loss_value
from pipeline_lib.finetune.processes import Processes
from pipeline_lib.finetune.samples import Samples, batches
from pipeline_lib.finetune.terms import LOSSES, needs_distractors
from pipeline_lib.finetune.trainer import Recipe, Trainer


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
    """A folder with a small training set."""
    write_training_files(tmp_path, tiny_clip)
    return tmp_path


def test_a_run_trains_the_text_tower_only_and_repeats_to_the_bit(training_files, tiny_checkpoint):
    for name in ("m-s0", "again"):
        done = train(training_files, tiny_checkpoint, name)
        assert done.returncode == 0, done.stderr
    before = load_clip(tiny_checkpoint).state_dict()
    after = torch.load(training_files / "m-s0/model.pt", weights_only=True)["model"]
    again = torch.load(training_files / "again/model.pt", weights_only=True)["model"]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if not name.startswith("visual.")}
    assert all(torch.equal(after[name], again[name]) for name in after)

    history = [json.loads(line) for line in (training_files / "m-s0/history.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in history] == list(range(9))
    assert history[-1]["loss"] < history[0]["loss"]
    record = json.loads((training_files / "m-s0/run.json").read_text())
    assert record["model"] == "m-s0"
    assert record["recipe"]["lr"] == 1e-3
    assert record["steps"] == 9
    assert record["torch_threads"] == 1 and record["cpu_capability"] and record["packages"]["numpy"].count(".") == 2
    tokens = 2 * (10 * 6 + 2 * 7)  # start, "a dog number" or "no dog number", one or two digits, end
    assert record["padding_spared"] == pytest.approx(1 - tokens / (2 * 12 * 77), abs=1e-4)
    assert record["tokens_per_s"] == pytest.approx(tokens / 12 * record["samples_per_s"], rel=0.01)


def test_features_of_another_tower_are_refused_by_name(training_files, tiny_checkpoint):
    foreign = Features(["000000000"], torch.eye(1, 32), None, "0" * 64)
    save_features(training_files / "foreign.safetensors", foreign)
    done = train(training_files, tiny_checkpoint, features=training_files / "foreign.safetensors")
    assert done.returncode == 1
    assert "foreign.safetensors: these features come from the image tower 000000000000" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_loss_that_is_not_finite_stops_the_run_and_says_when(training_files, tiny_checkpoint):
    done = train(training_files, tiny_checkpoint, lr=1e30)
    assert done.returncode == 1
    assert "error: the loss is nan at step" in done.stderr
    assert not (training_files / "m-s0/model.pt").exists()


def test_fp16_on_a_cpu_and_batches_that_processes_cannot_share_are_errors(training_files, tiny_checkpoint, tiny_clip):
    done = train(training_files, tiny_checkpoint, precision="fp16")
    assert "error: precision: expected fp32 or bf16 on a CPU, found fp16" in done.stderr
    processes = Processes()
    processes.count = 3
    rows = torch.zeros(12, 77, dtype=torch.long)
    samples, recipe = (
        Samples(rows, rows, torch.zeros(12, 32), None),
        Recipe("l1", 1, 4, 1e-3, 0.2, 1, "paper", 0, "fp32"),
    )
    with pytest.raises(ValueError, match="3 processes cannot share a batch of 4 evenly"):
        Trainer(tiny_clip, samples, recipe, torch.device("cpu"), processes)


def test_bf16_trains_nearly_as_fp32_does_and_keeps_its_weights_in_fp32(training_files, tiny_checkpoint):
    losses = {}
    for precision in ("fp32", "bf16"):
        done = train(training_files, tiny_checkpoint, precision, precision=precision)
        assert done.returncode == 0, done.stderr
        lines = (training_files / precision / "history.jsonl").read_text().splitlines()
        losses[precision] = [json.loads(line)["loss"] for line in lines]
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)
    weights = torch.load(training_files / "bf16/model.pt", weights_only=True)["model"]
    assert {value.dtype for value in weights.values()} == {torch.float32}


def test_a_sample_without_image_is_named(training_files, tiny_checkpoint, tiny_clip):
    save_features(
        training_files / "few.safetensors", Features(["000000000"], torch.eye(1, 32), None, tower_id(tiny_clip))
    )
    done = train(training_files, tiny_checkpoint, features=training_files / "few.safetensors")
    assert "11 of 12 keys have no image feature, such as '000000001'" in done.stderr
