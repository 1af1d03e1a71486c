"""The self-test of a downloaded checkpoint: what it says of files in the paper's format, and of others."""

import argparse
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT, TINY, call
from models import archive, fine_tuned

from pipeline_lib.backbones import inspect
from pipeline_lib.backbones.pretrain import build
from pipeline_lib.clip.load import clip, save_checkpoint
from pipeline_lib.jobs.files import sha256

CAN = "This can be the paper's model: CLIP's image tower to the bit, and a text tower fine-tuned from CLIP's."
CANNOT = "This cannot be taken for the paper's model: "


@pytest.fixture
def openai(tmp_path, monkeypatch):
    """A CLIP as OpenAI released theirs, known to the command, and in the folder where it looks for them."""
    torch.manual_seed(0)
    model = build(TINY).eval().requires_grad_(False)
    for weight in model.parameters():
        weight.copy_(weight.half())
    path = tmp_path / "data" / "openai-clip" / "ViT-B-32.pt"
    path.parent.mkdir(parents=True)
    archive(path, model)
    sizes = {name: str(TINY[name]) for name in inspect.HEAD[1:]}
    monkeypatch.setattr(inspect, "ARCHITECTURES", {"ViT-B/32": sizes})
    monkeypatch.setitem(clip.clip._MODELS, "ViT-B/32", f"https://example.org/{sha256(path)}/ViT-B-32.pt")
    monkeypatch.chdir(tmp_path)
    return model


def said(path, capsys, *flags):
    """Run the command; return its last line, all that it prints, and its status."""
    status = call(inspect.main, path, *flags)
    printed = capsys.readouterr().out
    return printed.splitlines()[-1] if printed else None, printed, status or 0


pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def test_a_file_in_the_papers_format_can_be_its_model(openai, tmp_path, capsys):
    content = {
        "epoch": 4,
        "model": {f"module.{name}": value for name, value in fine_tuned(openai).items()},
        "optimizer": {"state": {}, "lr": np.float64(1e-6)},
        "args": argparse.Namespace(lr=1e-6, note="\x1b[31m"),
    }
    torch.save(content, "conclip.pt")
    last, printed, status = said("conclip.pt", capsys)
    assert (last, status) == (CAN, 0)
    for line in (
        "conclip.pt: zip of torch.save, weights under `model`, names begin with `module.`; 50 tensors",
        "  beside them 'epoch': 4",
        r"  beside them 'args': <argparse.Namespace>, not loaded: 'lr': 1e-06, 'note': '\x1b[31m'",
        "precision: float32 (50 tensors)",
        "not finite: none",
        "activation: the file does not say, and no weight tells; OpenAI has quickgelu",
        "compared with: data/openai-clip/ViT-B-32.pt (ViT-B/32 as OpenAI released it)",
        "  image tower: all 20 tensors equal to the bit",
        "  logit scale: all 1 tensors equal to the bit",
    ):
        assert line in printed.splitlines(), line
    assert "architecture: ViT-B/32 (embed_dim 32, image_resolution 32, " in printed
    assert "  text tower: 26 of 26 tensors differ, relative difference 9.4e-04" in printed
    # Rounded to half precision it still has the image tower; our own format and a named file do as well.
    torch.save({name: value.half() for name, value in fine_tuned(openai, by=1e-2).items()}, "half.pt")
    assert said("half.pt", capsys, "--openai", "data/openai-clip/ViT-B-32.pt")[::2] == (CAN, 0)
    openai.load_state_dict(fine_tuned(openai))
    save_checkpoint("ours.pt", openai)
    last, printed, status = said("ours.pt", capsys, "--openai", "ViT-B/32")
    assert (last, status) == (CAN, 0) and "activation: quickgelu" in printed


def but(**weights):
    """A fine-tuned model some of whose weights are others."""
    return lambda model: fine_tuned(model) | weights


CASES = {  # the weights made of OpenAI's model, what stands beside them, and why they are not the paper's
    "clip itself": (lambda model: model.state_dict(), {}, "no tensor differs from OpenAI's: this is CLIP itself, not"),
    "clip in half": (lambda model: model.half().state_dict(), {}, "no tensor differs from OpenAI's: this is CLIP"),
    "image tower": (
        lambda model: fine_tuned(model, ("visual.conv1", "visual.proj", "transformer.")), {},
        "its image tower is not OpenAI's to the bit: 2 tensors differ",
    ),
    "another": (lambda _: build(TINY).state_dict(), {}, "its text tower was not fine-tuned from OpenAI's: it is too"),
    "projection only": (lambda model: fine_tuned(model, ("text_projection",)), {}, "its text tower is OpenAI's."),
    "epoch": (fine_tuned, {"epoch": 31}, "its epoch 31 is none of the paper's 5."),
    "activation": (fine_tuned, {"activation": "gelu"}, "its activation is gelu, not quickgelu."),
    "scale": (but(logit_scale=torch.tensor(5.0)), {}, "its logit scale is not in [0, ln"),
    "nan": (but(**{"ln_final.bias": torch.full((64,), torch.nan)}), {}, "it has numbers that are not finite"),
    "architecture": (lambda _: build({**TINY, "vision_layers": 2}).state_dict(), {}, "its architecture is none of ViT"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_the_papers_model_is_told_why(openai, capsys, case):
    make, beside, reason = CASES[case]
    torch.save({"model": make(openai), **beside}, "a.pt")
    last, _, status = said("a.pt", capsys)
    assert last.startswith(CANNOT) and reason in last and status == 1, last


def test_without_openais_weights_it_says_so_and_an_uncomparable_file_too(openai, tmp_path, capsys):
    torch.save({"model": fine_tuned(openai)}, "a.pt")
    (tmp_path / "data/openai-clip/ViT-B-32.pt").rename("mine.pt")
    last, printed, status = said("a.pt", capsys)
    assert (last, status) == (f"{CANNOT}it was not compared with OpenAI's weights.", 1)
    assert "compared with: nothing; name OpenAI's file by --openai, or have it downloaded by --openai ViT-B" in printed
    assert said("a.pt", capsys, "--openai", "mine.pt")[::2] == (CAN, 0)
    torch.save(build({**TINY, "vision_layers": 2}).state_dict(), "deeper.pt")
    last, printed, status = said("a.pt", capsys, "--openai", "deeper.pt")
    assert status == 1 and "  not comparable: not of the architecture of OpenAI's weights" in printed
    assert "(by its SHA-256 no file that OpenAI released)" in printed


def test_what_cannot_be_read_ends_with_2(tmp_path):
    (tmp_path / "page.pt").write_bytes(b"<!DOCTYPE html>")
    for path, message in (("page.pt", "a web page; the site answered"), ("none.pt", "no such file or folder")):
        command = [sys.executable, "-m", "pipeline_lib.backbones.inspect", str(tmp_path / path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "") and message in done.stderr and "Traceback" not in done.stderr
