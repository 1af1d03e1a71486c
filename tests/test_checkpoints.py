"""Published checkpoints: what is read, and what is refused."""

import argparse
import json

import pytest
import torch
from conftest import TINY, call
from models import fine_tuned
from safetensors.torch import load_file, save_file

from pipeline_lib.backbones import checkpoint
from pipeline_lib.backbones.checkpoint import check_origin, closeness
from pipeline_lib.backbones.export import export_huggingface
from pipeline_lib.backbones.formats import read_weights
from pipeline_lib.backbones.pretrain import build
from pipeline_lib.clip.load import activation_of, build_clip, check_architecture, load_clip
from pipeline_lib.features.store import tower_id
from pipeline_lib.jobs.files import sha256

NORM = "text_model.final_layer_norm.weight"


def take(folder, path, weights=None, **flags):
    """Run the command with outputs in `folder`; returns the error that it ends with, or None."""
    flags = {"activation": "quickgelu", **flags}
    if weights is not None:
        flags = {"family": "Neg-CLIP", "backbone": "tiny", "backbone_weights": weights, **flags}
    outputs = {"checkpoint": folder / "out.pt", "record": folder / "out.json"}
    return call(checkpoint.main, model="m", path=path, **flags, **outputs)


def test_a_broken_file_is_named(tmp_path, tiny_checkpoint):
    whole = tiny_checkpoint.read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    for name, content, message in (
        ("cut.pt", None, "file of torch.save that is not whole: compare its size"),
        ("list.pt", [1], "expected the weights of a CLIP as a state_dict, .* found no tensors$"),
        ("keys.pt", {"weights": {}, "epoch": 1}, "found no tensors, but 'weights', 'epoch'"),
        ("none.pt", {"model": {"ln_final.weight": torch.ones(0, 3)}}, r"found none under ln_final\.weight, \(0, 3\)"),
        ("nan.pt", {"model": {"ln_final.weight": torch.tensor([float("nan")])}}, "expected finite numbers"),
    ):
        if content is not None:
            torch.save(content, tmp_path / name)
        with pytest.raises(ValueError, match=rf"{name}: .*{message}"):
            read_weights(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"absent\.pt: no such file or folder"):
        read_weights(tmp_path / "absent.pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty: no weights in it; expected the folder of"):
        read_weights(tmp_path / "empty")
    (tmp_path / "empty" / "config.json").write_text('{"model_type": "clip"}')
    (tmp_path / "empty" / "model.safetensors").write_bytes(b"\x08\0\0\0")
    with pytest.raises(ValueError, match=r"empty: model\.safetensors: expected weights, found a file of torch\.save"):
        read_weights(tmp_path / "empty")


def test_another_architecture_is_named_with_its_shapes(tiny_clip):
    expected = tiny_clip.state_dict()
    patch8 = build({**TINY, "vision_patch_size": 8}).state_dict()
    deeper = build({**TINY, "vision_layers": 2}).state_dict()
    for found, wanted, message in (
        (patch8, expected, r"of vit, .*visual\.conv1\.weight \(64, 3, 16, 16\), found \(64, 3, 8, 8\).*\(2 weights"),
        (deeper, expected, r"of vit, .*visual\.transformer\.resblocks\.1\..* absent, found .*\(12 weights differ"),
        (expected, deeper, r"of vit, .*visual\.transformer\.resblocks\.1\..*\), found none"),
    ):
        with pytest.raises(ValueError, match=message):
            check_architecture(found, wanted, "vit")
    check_architecture(expected, expected, "vit")


def test_what_was_fine_tuned_needs_the_activation_of_its_backbone(tiny_clip):
    near, apart = fine_tuned(tiny_clip, start="", by=1e-3), build(TINY).state_dict()
    assert closeness(near, tiny_clip.state_dict()) > 0.9 and abs(closeness(apart, tiny_clip.state_dict())) < 0.1
    check_origin(near, "quickgelu", tiny_clip, "tiny", shared=False)
    check_origin(apart, "gelu", tiny_clip, "tiny", shared=False)
    with pytest.raises(ValueError, match=r"activation gelu cannot be right: .* which has quickgelu"):
        check_origin(near, "gelu", tiny_clip, "tiny", shared=False)
    with pytest.raises(ValueError, match=r"activation quickgelu cannot be right: .* which has gelu"):
        check_origin(near, "quickgelu", build_clip(tiny_clip.state_dict(), "gelu"), "tiny", shared=False)


def test_a_shared_image_tower_is_the_backbones_to_the_bit(tiny_clip):
    check_origin(fine_tuned(tiny_clip), "quickgelu", tiny_clip, "tiny", shared=True)
    weights = fine_tuned(tiny_clip)
    weights["visual.proj"] = weights["visual.proj"].nextafter(torch.tensor(9.0))
    with pytest.raises(ValueError, match=r"tower of tiny to the bit, found 1 other weights, such as visual\.proj"):
        check_origin(weights, "quickgelu", tiny_clip, "tiny", shared=True)


def test_the_command_stores_a_model_of_another_method(tmp_path, tiny_clip, tiny_checkpoint, capsys):
    weights = fine_tuned(tiny_clip)
    torch.save({"model": weights, "args": argparse.Namespace(lr=1)}, tmp_path / "conclip.pt")
    flags = {"family": "CoN-CLIP (released)", "image_tower": "backbone"}
    assert take(tmp_path, tmp_path / "conclip.pt", tiny_checkpoint, **flags) is None
    assert capsys.readouterr().out == ""
    stored = load_clip(tmp_path / "out.pt")
    assert tower_id(stored) == tower_id(tiny_clip)
    for name, value in weights.items():
        assert torch.equal(stored.state_dict()[name], value)
    record = json.loads((tmp_path / "out.json").read_text())
    assert {name: record[name] for name in ("model", "family", "backbone", "loss", "negatives", "seed")} == {
        **{"model": "m", "family": "CoN-CLIP (released)", "backbone": "tiny"},
        **{"loss": None, "negatives": None, "seed": None},
    }
    assert record["form"] == "zip of torch.save, weights under `model`"
    assert record["closeness_to_backbone"] == 1.0 and record["sha256"] == sha256(tmp_path / "conclip.pt")
    assert record["recipe"]["activation"] == "quickgelu"


def test_the_command_refuses_in_one_line_and_leaves_nothing(tmp_path, tiny_clip, tiny_checkpoint):
    torch.save({"state_dict": build({**TINY, "vision_patch_size": 8}).state_dict()}, tmp_path / "patch8.pt")
    torch.save({"model": fine_tuned(tiny_clip), "activation": "gelu"}, tmp_path / "gelu.pt")
    torch.save({"model": {"visual.proj": torch.ones(2, 2), "ln_final.weight": torch.ones(2)}}, tmp_path / "foreign.pt")
    for path, weights, message in (
        ("patch8.pt", tiny_checkpoint, "patch8.pt: not of the architecture of tiny"),
        ("gelu.pt", tiny_checkpoint, "the file says that its activation is gelu, the configuration quickgelu"),
        ("foreign.pt", None, "foreign.pt: not the weights of a CLIP: expected visual.conv1.weight of 4 dimensions, "),
    ):
        error = take(tmp_path, tmp_path / path, weights)
        assert message in error and "\n" not in error
        assert not (tmp_path / "out.pt").exists()


def test_an_activation_that_nothing_confirms_is_pointed_out(tmp_path, tiny_checkpoint, capsys):
    torch.save({"state_dict": build(TINY).state_dict()}, tmp_path / "laclip.pt")
    assert take(tmp_path, tmp_path / "laclip.pt", tiny_checkpoint, activation="gelu") is None
    assert "was not fine-tuned from that of tiny; only the configuration says" in capsys.readouterr().out
    assert activation_of(load_clip(tmp_path / "out.pt")) == "gelu"


def test_a_checkpoint_may_be_a_clip_of_its_own_and_half_precision_becomes_single(tmp_path, tiny_clip):
    weights = {name: value.half() for name, value in tiny_clip.state_dict().items()}
    torch.save({"state_dict": weights}, tmp_path / "clip.pt")
    assert take(tmp_path, tmp_path / "clip.pt") is None
    record = json.loads((tmp_path / "out.json").read_text())
    assert (record["family"], record["backbone"]) == ("CLIP", "m")
    for name, value in load_clip(tmp_path / "out.pt").state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, weights[name].float())


@pytest.mark.parametrize(
    ("file", "tower", "changes", "message"),
    [
        ("config", "text_config", {"hidden_act": "gelu"}, r"one hidden_act for both .*found \['gelu', 'quick_gelu'\]"),
        ("config", "vision_config", {"num_attention_heads": 2}, "vision_config/num_attention_heads 1 .*, found 2"),
        ("config", "text_config", {"layer_norm_eps": 1e-6}, "text_config/layer_norm_eps 1e-05 .*, found 1e-06"),
        ("preprocessor_config", None, {"image_mean": [0.5] * 3}, r"normalised with the mean .* found \[0\.5, 0\.5, "),
    ],
)
def test_a_huggingface_model_that_clip_does_not_compute_is_refused(tmp_path, tiny_clip, file, tower, changes, message):
    export_huggingface(tiny_clip, tmp_path)
    config = json.loads((tmp_path / f"{file}.json").read_text())
    (config if tower is None else config[tower]).update(changes)
    (tmp_path / f"{file}.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    ("more", "message"),
    [({}, "weights of a CLIPModel are missing, such as logit"), ({"x": 1}, "1 weights are not of a .*, such as x")],
)
def test_other_weights_than_a_huggingface_model_has_are_refused(tmp_path, tiny_clip, more, message):
    export_huggingface(tiny_clip, tmp_path)
    weights = load_file(tmp_path / "model.safetensors") if more else {NORM: torch.ones(2)}
    save_file(weights | {name: torch.ones(value) for name, value in more.items()}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=message):
        read_weights(tmp_path)
