"""Fine-tuning by two processes against one: the loss and the gradient of the whole batch."""

import json
import subprocess
import sys

import pytest
import torch
from conftest import ROOT
from training import command, train, write_training_files


def test_two_processes_do_what_one_does(tmp_path, tiny_clip, tiny_checkpoint):
    write_training_files(tmp_path, tiny_clip)
    changes = {"epochs": 4, "lr": 1e-4}
    one = train(tmp_path, tiny_checkpoint, "one", **changes)
    assert one.returncode == 0, one.stderr
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = command(tmp_path, tiny_checkpoint, "two", **changes)
    two = subprocess.run([sys.executable, *launch, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert two.returncode == 0, two.stderr
    history = {
        name: [json.loads(line) for line in (tmp_path / name / "history.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    }
    assert len(history["two"]) == 12
    assert history["two"][0]["loss"] == pytest.approx(history["one"][0]["loss"], rel=1e-6)
    for mine, theirs in zip(history["two"], history["one"], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4)
    before = torch.load(tiny_checkpoint, weights_only=True)["model"]
    weights = {name: torch.load(tmp_path / name / "model.pt", weights_only=True)["model"] for name in history}
    for name, value in before.items():
        if name.endswith("attn.in_proj_bias"):
            continue  # attention does not depend on its keys' bias: AdamW scales up a gradient that is rounding error
        moved = weights["one"][name] - value
        # AdamW's first steps have the size of the learning rate whatever the gradient: a wrong gradient shows in them.
        assert (weights["two"][name] - weights["one"][name]).norm() <= 0.02 * moved.norm(), name
