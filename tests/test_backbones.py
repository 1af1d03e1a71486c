"""Backbones: the contrastive loss against its equation, and pretraining end to end."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT, TINY, TINY_RESNET, write_pool

from pipeline_lib.backbones.pretrain import contrastive_loss
from pipeline_lib.clip.load import load_clip, load_openai_clip


def test_the_loss_is_the_mean_of_both_directions():
    rng = np.random.default_rng(0)
    image, text, scale = rng.normal(size=(4, 6)), rng.normal(size=(4, 6)), 9.0
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (image, text)]
    logits = scale * unit[0] @ unit[1].T
    expected = 0.0
    for matrix in (logits, logits.T):
        for i, row in enumerate(matrix):
            expected += math.log(sum(math.exp(logit) for logit in row)) - row[i]
    found = contrastive_loss(torch.from_numpy(image), torch.from_numpy(text), torch.tensor(scale, dtype=torch.float64))
    assert found.item() == pytest.approx(expected / 8, rel=1e-9)


def pretrain(folder, name, images, **changes):
    """Run the command; returns its result."""
    flags = {
        **{"backbone": "tiny", "images": images, "architecture": json.dumps(TINY), "steps": 4, "batch-size": 3},
        **{"lr": 1e-3, "weight-decay": 0.1, "warmup-steps": 1, "seed": 0, "threads": 1},
        **{"checkpoint": folder / f"{name}.pt", "history": folder / f"{name}.jsonl", "record": folder / f"{name}.json"},
        **changes,
    }
    arguments = [str(text) for key, value in flags.items() for text in (f"--{key}", value)]
    command = [sys.executable, "-m", "pipeline_lib.backbones.pretrain", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("architecture", [TINY, TINY_RESNET], ids=["vit", "resnet"])
def test_a_run_repeats_to_the_bit_and_loads_with_its_resolution(tmp_path, architecture):
    write_pool(tmp_path / "images.tar", 8, caption="a dog")
    for name in ("one", "two"):
        done = pretrain(tmp_path, name, tmp_path / "images.tar", architecture=json.dumps(architecture))
        assert done.returncode == 0, done.stderr
    models = [load_clip(tmp_path / f"{name}.pt") for name in ("one", "two")]
    for name, value in models[0].state_dict().items():
        assert torch.equal(value, models[1].state_dict()[name]), name
    assert models[0].visual.input_resolution == architecture["image_resolution"]
    record = json.loads((tmp_path / "one.json").read_text())
    assert (record["model"], record["family"], record["loss"], record["images"]) == ("tiny", "CLIP", None, 8)
    assert len((tmp_path / "one.jsonl").read_text().splitlines()) == 4


def test_images_without_caption_or_too_few_are_named(tmp_path):
    write_pool(tmp_path / "images.tar", 4)
    done = pretrain(tmp_path, "one", tmp_path / "images.tar")
    assert "error: " in done.stderr
    assert "images.tar: sample 000000000 has no caption" in done.stderr
    write_pool(tmp_path / "images.tar", 2, caption="a dog")
    assert "at least one batch of 3 images, found 2" in pretrain(tmp_path, "one", tmp_path / "images.tar").stderr


def test_an_unknown_released_model_is_named(tmp_path):
    with pytest.raises(ValueError, match="OpenAI published no CLIP 'ViT-B/8'; expected one of RN50"):
        load_openai_clip("ViT-B/8", str(tmp_path))
