"""Backbones: the contrastive loss against its equation, pretraining end to end, OpenAI's released files."""

import json
import math

import numpy as np
import pytest
import torch
from conftest import TINY, TINY_RESNET, call, write_pool
from models import archive
from training import run_pretraining

from pipeline_lib.backbones import checkpoint
from pipeline_lib.backbones.pretrain import contrastive_loss
from pipeline_lib.clip.load import activation_of, clip, load_clip, load_openai_clip
from pipeline_lib.jobs.files import sha256


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


def test_the_loss_is_computed_where_the_features_are():
    image, text, scale = (torch.empty(shape, device="meta") for shape in ((4, 6), (4, 6), ()))
    assert contrastive_loss(image, text, scale).device.type == "meta"


@pytest.mark.parametrize("architecture", [TINY, TINY_RESNET], ids=["vit", "resnet"])
def test_a_run_repeats_to_the_bit_and_loads_with_its_resolution(tmp_path, architecture):
    write_pool(tmp_path / "images.tar", 8, caption="a dog")
    for name in ("one", "two"):
        assert run_pretraining(tmp_path, name, architecture) is None
    models = [load_clip(tmp_path / f"{name}.pt") for name in ("one", "two")]
    for name, value in models[0].state_dict().items():
        assert torch.equal(value, models[1].state_dict()[name]), name
    assert models[0].visual.input_resolution == architecture["image_resolution"]
    record = json.loads((tmp_path / "one.json").read_text())
    assert (record["model"], record["family"], record["loss"], record["images"]) == ("tiny", "CLIP", None, 8)
    assert len((tmp_path / "one.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("count", "said", "message"),
    [
        (4, {}, "images.tar: sample 000000000 has no caption"),
        (2, {"caption": "a dog"}, "at least one batch of 3 images, found 2"),
        (0, {}, "at least one batch of 3 images, found 0"),
    ],
)
def test_images_without_caption_or_too_few_are_named(tmp_path, count, said, message):
    write_pool(tmp_path / "images.tar", count, **said)
    assert message in run_pretraining(tmp_path)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_openais_file_is_taken_from_a_path_if_its_digest_fits(tmp_path, monkeypatch, tiny_clip):
    path = tmp_path / "my copy.pt"
    archive(path, tiny_clip)
    monkeypatch.setitem(clip.clip._MODELS, "ViT-B/32", f"https://example.org/models/{sha256(path)}/ViT-B-32.pt")
    flags = ("--model", "vit-b32", "--openai", "ViT-B/32", "--download-root", tmp_path / "none", "--path", path)
    assert call(checkpoint.main, *flags, "--checkpoint", tmp_path / "out.pt", "--record", tmp_path / "out.json") is None
    model, record = load_clip(tmp_path / "out.pt"), json.loads((tmp_path / "out.json").read_text())
    assert activation_of(model) == "quickgelu"
    assert (record["backbone"], record["recipe"]) == ("vit-b32", {"source": "openai", "name": "ViT-B/32"})
    for name, value in tiny_clip.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-3, atol=1e-4)  # rounded to half precision
    assert not (tmp_path / "none").exists()
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ValueError, match=r"my copy\.pt: expected ViT-B-32\.pt as OpenAI released it .*, SHA-256 "):
        load_openai_clip("ViT-B/32", str(tmp_path), path)
    with pytest.raises(FileNotFoundError, match=r"absent\.pt: no such file; expected ViT-B-32\.pt"):
        load_openai_clip("ViT-B/32", str(tmp_path), tmp_path / "absent.pt")
    with pytest.raises(ValueError, match="OpenAI published no CLIP 'ViT-B/8'; expected one of RN50"):
        load_openai_clip("ViT-B/8", str(tmp_path))
