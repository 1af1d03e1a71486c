"""Files that are not one CLIP alone, or no checkpoint: named in words for what they are, with what to do."""

import json
import pickle

import pytest
import torch
from conftest import call
from hostile import zipped
from models import before

from pipeline_lib.backbones import checkpoint
from pipeline_lib.backbones.formats import read_weights
from pipeline_lib.clip.load import load_clip
from pipeline_lib.clip.torch_file import load_plain

REFUSED = {
    "lora": (lambda sd: {f"base_model.{name}.lora_A.weight": sd[name] for name in sd}, "LoRA adapters, which are not"),
    "merged not": (lambda sd: {**sd, "visual.proj.lora_B.default": torch.ones(1)}, "LoRA adapters, which are not"),
    "two": (lambda sd: before(sd, "student.") | before(sd, "teacher."), "2 CLIPs, named 'student.', 'teacher.': save"),
    "two keys": (
        lambda sd: {"student": dict(sd), "ema": dict(sd)},
        "2 CLIPs, under 'student', 'ema': save the one that you mean",
    ),
    "twice": (lambda sd: sd | before(sd, "module."), "the same weights twice, with and without a prefix"),
    "a tower": (
        lambda sd: {"model": {name: sd[name] for name in sd if name.startswith("visual.")}},
        r"expected the weights of a CLIP as a state_dict, .*; found 20 tensors under `model`, .visual",
    ),
    "another": (lambda sd: {"fc.weight": torch.ones(2)}, r"found 1 tensors, 'fc\.weight'"),
    "half": (
        lambda sd: {name: sd[name] for name in sd if name != "text_projection"},
        "expected text_projection of 2 dimensions, found none among 49 weights",
    ),
    "prompts": (lambda sd: {**sd, "prompt_learner.ctx": torch.ones(2)}, "expected prompt_learner.ctx absent, found"),
    "arrays": (
        lambda sd: {"net": {name: sd[name].numpy() for name in sd}},
        "found no tensors, but 'net'; 'ln_final.weight' under `net` is <numpy._core.multiarray._rec.*>, expected a ",
    ),
    "shards of ZeRO-3": (lambda sd: {"module": {name: torch.empty(0) for name in sd}}, "join them by its zero_to_fp32"),
    "numbers": (lambda sd: {**sd, "ln_final.bias": torch.ones(3)}, r"expected ln_final\.bias \(64,\), found \(3,\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_a_clip_alone_is_named_in_words(tmp_path, tiny_clip, case):
    make, message = REFUSED[case]
    torch.save(make(tiny_clip.state_dict()), tmp_path / "a.pt")
    with pytest.raises(ValueError, match=rf"a\.pt: .*{message}") as error:
        clip_of(tmp_path)
    assert "Error(" not in str(error.value) and "\n" not in str(error.value)


def clip_of(folder):
    """Take ``a.pt`` as a model; an error is what the command prints."""
    outputs = ("--checkpoint", folder / "out.pt", "--record", folder / "out.json")
    said = call(checkpoint.main, "--model", "m", "--path", folder / "a.pt", "--activation", "quickgelu", *outputs)
    if said:
        raise ValueError(said)
    return load_clip(folder / "out.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"GGUF\3\0\0\0\0\0\0\0", "GGUF, .* take the PyTorch weights"),
        (pickle.dumps({"model": 1}), "a pickle that torch.save did not write"),
        (zipped(("conclip/model.pt", b"x")), r"a zip of other files, \['conclip/model\.pt'\]: if a .* unpack it"),
    ],
)
def test_another_file_is_named_for_what_it_is(tmp_path, content, message):
    """Here what only these readers say; of all other kinds all readers say the same (``test_file_kind.py``)."""
    (tmp_path / "a.pt").write_bytes(content)
    for read in (read_weights, lambda path: load_plain(path, "the lists")):
        with pytest.raises(ValueError, match=rf"a\.pt: .*{message}"):
            read(tmp_path / "a.pt")


def test_a_folder_of_another_kind_is_named(tmp_path):
    (tmp_path / "conclip.pt").touch()
    with pytest.raises(FileNotFoundError, match=r"no weights in it; .* found 'conclip\.pt'; of another checkpoint"):
        read_weights(tmp_path)
    (tmp_path / "__0_0.distcp").touch()
    with pytest.raises(ValueError, match=r"a checkpoint in shards of torch\.distributed: make it a file by"):
        read_weights(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"LoRA adapters, which are not merged .* `model\.merge_and_unload\(\)`"):
        read_weights(tmp_path)


def test_what_is_left_out_is_said(tmp_path, tiny_clip, capsys):
    torch.save(before(tiny_clip.state_dict(), "clip.") | {"head.weight": torch.ones(2)}, tmp_path / "a.pt")
    assert clip_of(tmp_path).state_dict().keys() == tiny_clip.state_dict().keys()
    assert "a.pt: left out 1 tensors that are not of the CLIP: 'head.weight'" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text())["left_out"] == ["head.weight"]
