"""Fine-tuning: the losses against their equations, the batches, and runs end to end, in one process and in two."""

import itertools
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT
from training import SAMPLES, TEXTS, command, fine_tune, history, weights

from pipeline_lib.clip.load import load_clip
from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.clip.training import warmup_cosine
from pipeline_lib.features.store import Features, load_features, save_features, tower_id
from pipeline_lib.finetune import launch_command
from pipeline_lib.finetune.samples import batches
from pipeline_lib.finetune.terms import IMAGES, LOSSES, TABLES, TERMS, Loss, Term, loss_value, needs
from pipeline_lib.finetune.terms import TEXTS as COLUMNS
from pipeline_lib.finetune.trainer import Processes, Recipe, Trainer
from pipeline_lib.jobs.files import write_parquet


def slow_cross_entropy(queries, matches, others, scale):
    """One logarithm at a time, in float64."""
    total = 0.0
    for i, query in enumerate(queries):
        logits = [scale * float(query @ key) for key in [*matches, *others]]
        total += math.log(sum(math.exp(logit) for logit in logits)) - logits[i]
    return total / len(queries)


def slow_tables(images, statements, truth, scale):
    """L4 and L5, one logarithm at a time, in float64."""
    score = [[math.exp(scale * float(image @ statement)) for statement in statements] for image in images]
    means = []
    for table, column in enumerate(truth.T.tolist()):
        sides = []
        for side in (0, 1):
            right, wrong = 2 * table + side, 2 * table + 1 - side
            own = [i for i, true in enumerate(column) if true == side]
            others = sum(score[i][right] for i, true in enumerate(column) if true == 1 - side)
            l4 = [-math.log(score[i][right] / (score[i][right] + score[i][wrong])) for i in own]
            l5 = [-math.log(score[i][right] / (score[i][right] + others)) for i in own]
            sides += [(np.mean(l4), np.mean(l5))] if own else []
        means += [np.mean(sides, axis=0)] if sides else []
    return np.mean(means, axis=0) if means else (0.0, 0.0)


def test_each_loss_is_its_equation_of_what_it_needs():
    rng = np.random.default_rng(0)
    rows = {name: rng.normal(size=(6, 8)) for name in (*IMAGES, *COLUMNS, "statement")}
    rows = {name: value / np.linalg.norm(value, axis=1, keepdims=True) for name, value in rows.items()}
    image, distractor, caption, negated, _, statement = rows.values()
    rows["witness"] = image[:4]
    rows["truth"] = np.array([[0, 1, -1], [-1, 1, -1], [1, -1, -1], [0, 1, -1]])
    scale = 14.3
    l1 = slow_cross_entropy(image, caption, negated, scale)
    l2 = slow_cross_entropy(caption, image, distractor, scale)
    l3 = slow_cross_entropy(distractor, negated, caption, scale)
    c2i = slow_cross_entropy(caption, image, [], scale)
    l4, l5 = slow_tables(rows["witness"], statement, rows["truth"], scale)
    expected = {
        "l1": (l1, {"image", "caption", "negated"}),
        "l2": (l2, {"image", "caption", "distractor"}),
        "l1+l2": ((l1 + l2) / 2, {"image", "caption", "negated", "distractor"}),
        "conclip": ((l1 + l2 + l3) / 3, {"image", "caption", "negated", "distractor"}),
        "l1+c2i": ((l1 + c2i) / 2, {"image", "caption", "negated"}),
        "l1+l2+c2i": ((l1 + l2 + c2i) / 3, {"image", "caption", "negated", "distractor"}),
    }
    expected["conclip+"] = (l1 + l2 + l3 + l4 + l5) / 5, {"image", "caption", "negated", "distractor", *TABLES}
    expected["conclip+absent"] = expected["conclip+"]
    assert LOSSES.keys() == expected.keys()
    for loss, (value, needed) in expected.items():
        assert needs(loss) == needed
        tensors = {name: torch.from_numpy(rows[name]) for name in needed}
        found = loss_value(loss, tensors, torch.tensor(scale, dtype=torch.float64))
        assert found.item() == pytest.approx(value, rel=1e-9)


def test_tables_without_truth_add_nothing_and_leave_the_gradient_finite():
    image, statement = torch.randn(4, 8), torch.randn(4, 8, requires_grad=True)
    truth = torch.tensor([[-1, 1], [-1, -1], [-1, 1], [-1, -1]])
    for name, value in (("l4", None), ("l5", 0.0)):
        loss = TERMS[name].compute(image, statement, truth, scale=torch.tensor(2.0))
        loss.backward()
        assert value is None or loss.item() == value
        assert statement.grad.isfinite().all() and (statement.grad[:2] == 0).all()
        assert TERMS[name].compute(image, statement, torch.full((4, 2), -1), scale=torch.tensor(2.0)).item() == 0


def test_a_misspelt_need_of_a_term_is_an_error(monkeypatch):
    monkeypatch.setitem(TERMS, "l9", Term(("image", "captions")))
    monkeypatch.setitem(LOSSES, "l9", Loss("L9", ("l9",)))
    with pytest.raises(ValueError, match="a term of the loss l9 needs captions; expected some of image, distractor"):
        needs("l9")


def test_shuffled_batches_cover_each_epoch_once_and_drop_the_rest():
    plan = batches(10, 3, epochs=2, order="shuffled", seed=1)
    assert [len(batch) for batch in plan] == [3] * 6
    for epoch in (plan[:3], plan[3:]):
        assert len(set(torch.cat(epoch).tolist())) == 9
    assert not torch.equal(torch.cat(plan[:3]), torch.cat(plan[3:]))
    again = batches(10, 3, epochs=2, order="shuffled", seed=1)
    assert all(torch.equal(one, other) for one, other in zip(plan, again, strict=True))
    assert torch.cat(batches(7, 3, epochs=2, order="paper", seed=0)).tolist() == [0, 1, 2, 3, 4, 5] * 2
    with pytest.raises(ValueError, match="at least one batch of 8 samples, found 7"):
        batches(7, 8, epochs=1, order="paper", seed=0)


def test_a_run_trains_the_text_tower_only_and_repeats_to_the_bit(training_files, tiny_checkpoint):
    for name in ("m-s0", "again"):
        assert fine_tune(training_files, tiny_checkpoint, name) is None
    before = load_clip(tiny_checkpoint).state_dict()
    after, again = (weights(training_files / name / "model.pt") for name in ("m-s0", "again"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if not name.startswith("visual.")}
    assert all(torch.equal(after[name], again[name]) for name in after)

    steps = history(training_files)
    assert [entry["step"] for entry in steps] == list(range(9))
    assert steps[-1]["loss"] < steps[0]["loss"]
    record = json.loads((training_files / "m-s0/run.json").read_text())
    assert (record["model"], record["recipe"]["lr"], record["steps"], record["samples"]) == ("m-s0", 1e-3, 9, 12)
    assert record["torch_threads"] == 1 and record["cpu_capability"] and record["packages"]["numpy"].count(".") == 2
    tokens = 2 * (10 * 6 + 2 * 7)  # start, "a dog number" or "no dog number", one or two digits, end
    assert record["padding_spared"] == pytest.approx(1 - tokens / (2 * 12 * 77), abs=1e-4)
    assert record["tokens_per_s"] == pytest.approx(tokens / 12 * record["samples_per_s"], rel=0.01)


def test_a_term_is_added_in_one_place_and_only_what_it_needs_is_read(
    training_files, tiny_checkpoint, tiny_clip, monkeypatch
):
    def moved(caption, frozen, scale):
        return (caption - frozen).square().sum()

    monkeypatch.setitem(TERMS, "l6", Term(("image", "caption", "exclusion")))
    monkeypatch.setitem(TERMS, "stay", Term(("caption", "frozen_caption"), moved))
    monkeypatch.setitem(LOSSES, "l6", Loss("L6", ("l6",)))
    monkeypatch.setitem(LOSSES, "l6+stay", Loss("L6+stay", ("l6", "stay")))
    images = load_features([training_files / "train.safetensors"])
    texts = {name: TEXTS[name] for name in ("caption", "exclusion_caption")}
    write_parquet(training_files / "train.parquet", pd.DataFrame({"key": images.keys, **texts}))
    (training_files / "distractors.parquet").unlink()
    for loss in ("l6", "l6+stay"):
        changes = {"loss": loss, "epochs": 2, "batch_size": SAMPLES, "order": "paper"}
        assert fine_tune(training_files, tiny_checkpoint, loss, **changes) is None
    features = [images.features, *(encode_captions(tiny_clip, captions) for captions in texts.values())]
    alone, both = ([step["loss"] for step in history(training_files, loss)] for loss in ("l6", "l6+stay"))
    assert len(alone) == len(both) == 2
    assert alone[0] == pytest.approx(
        slow_cross_entropy(*(rows.double().numpy() for rows in features), 1 / 0.07), rel=1e-5
    )
    assert both[0] == pytest.approx(alone[0] / 2, rel=1e-6)  # nothing has moved yet
    assert alone[1] < alone[0] and both[1] > alone[1] / 2


def nameless():
    """What starts a command on a machine whose name does not resolve; nothing where the kernel does not allow it."""
    start = ["unshare", "--user", "--map-root-user", "--uts", "sh", "-c", 'hostname nowhere.invalid && exec "$@"', "sh"]
    return start if shutil.which("unshare") and subprocess.run([*start, "true"]).returncode == 0 else []


def test_two_processes_do_what_one_does(training_files, tiny_checkpoint):
    changes = {"loss": "conclip+", "epochs": 4, "lr": 1e-4}
    assert fine_tune(training_files, tiny_checkpoint, "one", **changes) is None
    # With settings of a cluster that a user's shell may have.
    foreign = {"GLOO_SOCKET_IFNAME": "ib7", "MASTER_ADDR": "192.0.2.1", "WORLD_SIZE": "8", "PET_NNODES": "4"}
    launch = [*nameless(), *launch_command(2).split(), "-m", "pipeline_lib.finetune.train"]
    arguments = command(training_files, tiny_checkpoint, "two", **changes)
    environment = {**os.environ, **foreign, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    two = subprocess.run([*launch, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert two.returncode == 0, two.stderr
    mine, theirs = ([step["loss"] for step in history(training_files, name)] for name in ("two", "one"))
    assert len(mine) == 12
    assert mine[0] == pytest.approx(theirs[0], rel=1e-6)
    assert mine == pytest.approx(theirs, rel=1e-4)
    one, two = (weights(training_files / name / "model.pt") for name in ("one", "two"))
    for name, value in weights(tiny_checkpoint).items():
        if name.endswith("attn.in_proj_bias"):
            continue  # attention does not depend on its keys' bias: AdamW scales up a gradient that is rounding error
        # AdamW's first steps have the size of the learning rate whatever the gradient: a wrong gradient shows in them.
        assert (two[name] - one[name]).norm() <= 0.02 * (one[name] - value).norm(), name


def test_one_process_is_one_whatever_a_cluster_says_of_its_job(training_files, tiny_checkpoint, monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "192.0.2.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert fine_tune(training_files, tiny_checkpoint, epochs=1) is None
    assert (training_files / "m-s0/model.pt").is_file()


def test_bf16_trains_nearly_as_fp32_does_and_keeps_its_weights_in_fp32(training_files, tiny_checkpoint):
    losses = {}
    for precision in ("fp32", "bf16"):
        assert fine_tune(training_files, tiny_checkpoint, precision, precision=precision) is None
        losses[precision] = [entry["loss"] for entry in history(training_files, precision)]
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)
    assert {value.dtype for value in weights(training_files / "bf16/model.pt").values()} == {torch.float32}


def test_mistakes_are_named(training_files, tiny_checkpoint, tiny_clip, monkeypatch):
    def mistake(**changes):
        error = fine_tune(training_files, tiny_checkpoint, **changes)
        assert not (training_files / "m-s0/model.pt").exists()
        return error

    files = {name: training_files / f"{name}.safetensors" for name in ("foreign", "few")}
    for path, tower in zip(files.values(), ("0" * 64, tower_id(tiny_clip)), strict=True):
        save_features(path, Features(["000000000"], torch.eye(1, 32), None, tower))
    foreign = mistake(features=files["foreign"])
    assert "foreign.safetensors: these features come from the image tower 000000000000" in foreign
    assert "11 of 12 keys have no image feature, such as '000000001'" in mistake(features=files["few"])
    assert "error: precision: expected fp32 or bf16 on a CPU, found fp16" in mistake(precision="fp16")
    assert "error: the loss is nan at step" in mistake(lr=1e30)
    chosen = pd.DataFrame({"key": ["000000001"], "distractor": "000000100"})
    write_parquet(training_files / "distractors.parquet", chosen)
    assert "distractors.parquet: 11 samples have no distractor, such as '000000000'" in mistake()
    monkeypatch.setitem(LOSSES, "l6", Loss("L6", ("l6",)))
    monkeypatch.setitem(TERMS, "l6", Term(("image", "caption", "exclusion")))
    keys = [f"{number:09d}" for number in range(SAMPLES)]
    triplets = pd.DataFrame({"key": keys, **TEXTS}).assign(exclusion_caption=[None, *TEXTS["exclusion_caption"][1:]])
    write_parquet(training_files / "train.parquet", triplets)
    lacking = mistake(loss="l6")
    assert "train.parquet: the loss needs exclusion_caption, which 1 samples lack, such as '000000000'" in lacking
    processes = Processes()
    processes.count = 3
    samples, recipe = {"caption": torch.zeros(12, 77)}, Recipe("l1", 1, 4, 1e-3, 0.2, 1, "paper", 0, "fp32")
    with pytest.raises(ValueError, match="3 processes cannot share a batch of 4 evenly"):
        Trainer(tiny_clip, samples, recipe, torch.device("cpu"), processes)


def test_learning_rate_warms_up_and_ends_near_zero():
    rates = [warmup_cosine(step, 100, 10) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:11] == [1.0, 1.1]  # which the paper's code does
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[10:]))
    assert 0.999 < rates[11] < 1 and rates[-1] < 0.001
    assert warmup_cosine(0, 100, 0) == 1.0
