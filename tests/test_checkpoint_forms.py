"""Checkpoints in the forms in which trainers and people save them: the same weights, or a name for what is there."""

import argparse
import collections
import datetime
import enum
import json
import pathlib
import random
import re
import runpy
import shutil

import numpy as np
import pytest
import torch
from conftest import TINY, TINY_RESNET
from hostile import Touch
from models import archive, before
from safetensors.torch import load_file, save_file
from torch.distributed import checkpoint

from pipeline_lib.backbones.export import export_huggingface, export_open_clip, to_huggingface
from pipeline_lib.backbones.formats import read_weights
from pipeline_lib.backbones.pretrain import build
from pipeline_lib.clip.load import load_clip
from pipeline_lib.clip.torch_file import load_plain


class Box(dict):
    """A dictionary of a library that is not here, with attributes too, as Box, EasyDict and OmegaConf have them."""

    def __init__(self, **items):
        super().__init__(**items)
        self.__dict__.update(items)


class Phase(enum.Enum):
    """A value of a class of somebody's script."""

    LAST = 1


def trained(model):
    """What trainers save beside the weights: an optimizer, scheduler, scaler, and objects of many libraries."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    for group in optimizer.param_groups:
        group["lr"] = np.float64(1e-6)  # as open_clip's cosine schedule leaves it
    sum(weight.sum() for weight in model.parameters()).backward()
    optimizer.step()
    kinds = ("f4", "f8", "i2", "u1", "b1", "c8", "U3", "S3", "O", "M8[s]")
    return {
        "epoch": np.int64(4),
        "optimizer": optimizer.state_dict(),
        "scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1).state_dict(),
        "scaler": torch.amp.GradScaler("cpu", enabled=False).state_dict(),
        "args": argparse.Namespace(folder=pathlib.PurePosixPath("/data"), when=datetime.datetime(2024, 1, 1)),
        "config": Box(model=Box(name="ViT-B-32"), phase=Phase.LAST, where=torch.device("cpu"), size=torch.Size([1])),
        "arrays": {kind: np.zeros(3, kind) for kind in kinds},
        "random": [random.Random(0).getstate(), torch.get_rng_state()],
        "of NumPy": [np.random.default_rng(0), np.random.RandomState(0)],
        "of collections": [collections.Counter("ab"), collections.defaultdict(list, a=[1])],
        "others": [{1}, frozenset([Phase.LAST]), 2**70],
        "dtypes": [torch.float16, np.dtype("f2"), np.float32, torch.strided, Phase, {(1, (2,)): 1j, Phase.LAST: b"x"}],
        "sparse": torch.eye(3).to_sparse(),
    }


def same(found, weights):
    """Require the same names and bits."""
    assert found.state_dict.keys() == weights.keys()
    for name, value in weights.items():
        assert torch.equal(found.state_dict[name], value), name


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "older"])
def test_what_stands_beside_the_weights_does_not_decide(tmp_path, tiny_clip, zipped, protocol):
    copied = build(TINY)
    copied.load_state_dict(tiny_clip.state_dict())
    content = {**trained(copied), "name": "conclip", "state_dict": before(tiny_clip.state_dict(), "module.")}
    content["code"] = Touch(tmp_path / "executed")
    options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": zipped}
    torch.save(content, tmp_path / "epoch_4.pt", **options)
    found = read_weights(tmp_path / "epoch_4.pt")
    same(found, tiny_clip.state_dict())
    assert (found.beside["epoch"], found.beside["optimizer"]["param_groups"][0]["lr"]) == (4, 1e-6)
    # The published lists of plain values are read the same way.
    torch.save({"annotations": [[np.int64(3), np.float32(0.5)]], **trained(copied)}, tmp_path / "plain.pt", **options)
    assert load_plain(tmp_path / "plain.pt", "lists")["annotations"] == [[3, 0.5]]
    assert not (tmp_path / "executed").exists()


FORMS = {
    "alone": lambda sd, model: sd,
    "with a number": lambda sd, model: {**sd, "epoch": 3, "n_averaged": torch.tensor(1)},
    "compiled": lambda sd, model: {"model": before(sd, "_orig_mod.")},
    "compiled in parallel": lambda sd, model: {"state_dict": before(sd, "module._orig_mod.")},
    "parallel, compiled": lambda sd, model: before(sd, "_orig_mod.module."),
    "a tower compiled": lambda sd, model: {name.replace("visual.", "visual._orig_mod."): sd[name] for name in sd},
    "lightning": lambda sd, model: {"state_dict": before(sd, "model."), "pytorch-lightning_version": "2.0"},
    "wrapper": lambda sd, model: {"model_state_dict": before(sd, "clip_model.") | {"head.weight": torch.ones(2)}},
    "nested": lambda sd, model: {"checkpoint": {"model": before(sd, "module.net.clip_model.")}},
    "deepspeed": lambda sd, model: {"module": sd, "ds_version": "0.1"},
    "averaged": lambda sd, model: {"model": sd, "model_ema": before(sd, "module.")},
    "pairs": lambda sd, model: (sd, {"lr": 1e-6}),
    "one of a list": lambda sd, model: {"nets": [torch.ones(2), sd]},
    "under a number": lambda sd, model: {0: {"epoch": 1}, 1: sd},
    "four deep": lambda sd, model: {"state": {"nets": {"clip": {"weights": before(sd, "module.")}}}},
    "in an object": lambda sd, model: argparse.Namespace(epoch=3, model=sd),
    "adapters beside": lambda sd, model: {"model": sd, "adapters": {"q.lora_A.weight": torch.ones(2)}},
    "a copy beside": lambda sd, model: {"ema_state_dict": before(sd, "module."), "model_state_dict": sd},
    "an average beside": lambda sd, model: {
        "state_dict": before(sd, "model.") | before(zeros(sd), "ema_model.module.")
    },
    "a scale of one number": lambda sd, model: {**sd, "logit_scale": sd["logit_scale"].reshape(1)},
    "ordered": lambda sd, model: {"state_dict": collections.OrderedDict(sd)},
    "of a library": lambda sd, model: Box(state_dict=Box(**before(sd, "module."))),
    "parameters": lambda sd, model: {"model": {name: torch.nn.Parameter(sd[name]) for name in sd}},
    "own text tower": lambda sd, model: {name if OUTSIDE(name) else f"text.{name}": sd[name] for name in sd},
    "own text tower, before": lambda sd, model: before(FORMS["own text tower"](sd, model), "module."),
    "hugging face": lambda sd, model: to_huggingface(sd),
    "hugging face, before": lambda sd, model: {"state_dict": before(to_huggingface(sd), "model.clip.")},
    "whole model": lambda sd, model: model,
    "whole model beside": lambda sd, model: {"epoch": 1, "model": torch.nn.DataParallel(model)},
}


def zeros(weights):
    """Weights of the same names, all 0."""
    return {name: torch.zeros_like(value) for name, value in weights.items()}


def OUTSIDE(name):
    return name.startswith("visual.") or name == "logit_scale"


# The older format differs where whole models are saved, with their source.
@pytest.mark.parametrize(
    ("form", "zipped"), [*((f, True) for f in FORMS), *((f, False) for f in FORMS if "whole" in f)]
)
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_a_state_dict_is_found_under_any_key_and_prefix(tmp_path, tiny_clip, form, zipped):
    weights = tiny_clip.state_dict()
    torch.save(FORMS[form](weights, tiny_clip), tmp_path / "a.bin", _use_new_zipfile_serialization=zipped)
    found = read_weights(tmp_path / "a.bin")
    same(found, weights)
    assert all(name.startswith(("head.", "ema_model.")) for name in found.left_out)
    assert bool(found.left_out) == (form in ("wrapper", "an average beside"))


def test_a_resnet_and_an_activation_that_the_file_names(tmp_path):
    model = build(TINY_RESNET).eval()
    content = {"model": model.state_dict(), "activation": "quickgelu", "args": argparse.Namespace(lr=1e-6)}
    torch.save(content, tmp_path / "authors.pt")
    found = read_weights(tmp_path / "authors.pt")
    same(found, model.state_dict())
    assert found.activation == "quickgelu"
    with pytest.raises(ValueError, match=r"authors\.pt: expected a whole checkpoint"):
        load_clip(tmp_path / "authors.pt")  # files of the pipeline's own hold no Namespace


def test_tensors_keep_their_bits_in_every_type_and_where_they_share_numbers(tmp_path, tiny_clip):
    weights = tiny_clip.state_dict()
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        torch.save({name: value.to(kind) for name, value in weights.items()}, tmp_path / "kind.pt")
        same(read_weights(tmp_path / "kind.pt"), {name: value.to(kind).float() for name, value in weights.items()})
    flat = torch.cat([value.flatten() for value in weights.values()])  # all are views of one run of numbers
    parts = flat.split([value.numel() for value in weights.values()])
    shared = {name: part.view(weights[name].shape) for name, part in zip(weights, parts, strict=True)}
    shared["text_projection"] = weights["text_projection"].T.contiguous().T  # by column
    for zipped in (True, False):
        torch.save(shared, tmp_path / "shared.pt", _use_new_zipfile_serialization=zipped)
        same(read_weights(tmp_path / "shared.pt"), weights)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_gives_its_weights_and_its_code_is_left_alone(tmp_path, tiny_clip):
    archive(tmp_path / "a.pt", tiny_clip)
    found = read_weights(tmp_path / "a.pt")
    same(found, tiny_clip.state_dict())
    assert found.form == "TorchScript"


def test_safetensors_alone_and_a_file_of_a_described_folder(tmp_path, tiny_clip):
    save_file(before(tiny_clip.state_dict(), "module."), tmp_path / "clip.safetensors")
    same(read_weights(tmp_path / "clip.safetensors"), tiny_clip.state_dict())
    (tmp_path / "clip.safetensors").rename(tmp_path / "clip.ckpt")  # told by its content
    assert read_weights(tmp_path / "clip.ckpt").activation is None
    torch.save(tiny_clip.state_dict(), tmp_path / "clip.safetensors")
    same(read_weights(tmp_path / "clip.safetensors"), tiny_clip.state_dict())
    export_huggingface(tiny_clip, tmp_path / "hf")
    (tmp_path / "cache" / "snapshots").mkdir(parents=True)
    (tmp_path / "cache" / "snapshots" / "3d74acf9").symlink_to(tmp_path / "hf")
    same(read_weights(tmp_path / "cache"), tiny_clip.state_dict())
    assert read_weights(tmp_path / "hf" / "model.safetensors").activation == "quickgelu"  # says config.json beside it


@pytest.mark.parametrize("suffix", ["bin", "safetensors"])
@pytest.mark.parametrize("shards", [1, 3])
def test_a_hugging_face_folder_with_any_weights(tmp_path, tiny_clip, suffix, shards):
    export_huggingface(tiny_clip, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    stem = "pytorch_model" if suffix == "bin" else "model"
    save = torch.save if suffix == "bin" else save_file
    if shards == 1:
        save(weights, tmp_path / f"{stem}.{suffix}")
    else:
        place = {}
        for number in range(shards):
            part = {name: value.clone() for name, value in list(weights.items())[number::shards]}
            save(part, tmp_path / f"{stem}-{number + 1:05}-of-{shards:05}.{suffix}")
            place |= dict.fromkeys(part, f"{stem}-{number + 1:05}-of-{shards:05}.{suffix}")
        index = tmp_path / f"{stem}.{suffix}.index.json"
        index.write_text(json.dumps({"metadata": {}, "weight_map": place}))
    found = read_weights(tmp_path)
    same(found, tiny_clip.state_dict())
    assert found.activation == "quickgelu"
    (tmp_path / "config.json").rename(tmp_path / "open_clip_config.json")  # of other weights, which are not there
    (tmp_path / "open_clip_config.json").write_text("{}")
    assert read_weights(tmp_path).activation is None
    (tmp_path / "config.json").write_text('{"lr": 1e-6}')
    assert read_weights(tmp_path).activation is None  # as accelerate writes it, or zero_to_fp32.py
    if shards > 1:
        for name in (f"{stem}-00002-of-00003.{suffix}", index.name):
            with pytest.raises(
                ValueError, match=r"the weights are in several files, of which this is one: name their folder"
            ):
                read_weights(tmp_path / name)
        index.write_text(json.dumps({"weight_map": {**place, "x": "../../etc/passwd"}}))
        with pytest.raises(ValueError, match=r"index\.json lists '\.\./\.\./etc/passwd', which is not in the folder"):
            read_weights(tmp_path)


def test_pixels_of_another_model_are_refused_whichever_file_tells_of_them(tmp_path, tiny_clip):
    export_huggingface(tiny_clip, tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    for mean in ([0.48145466, 0.4578275, 0.40821073], [0.5, 0.5, 0.5]):  # as transformers 5 writes it
        (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": {"image_mean": mean}}))
        if mean[0] < 0.5:
            same(read_weights(tmp_path), tiny_clip.state_dict())
    with pytest.raises(ValueError, match="expected images normalised with the mean"):
        read_weights(tmp_path)


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_shards_of_torch_distributed_become_a_file_by_the_command_that_is_named(tmp_path, tiny_clip, monkeypatch):
    checkpoint.save({"model": tiny_clip.state_dict(), "epoch": 3}, checkpoint_id=tmp_path / "FOLDER", no_dist=True)
    with pytest.raises(ValueError, match="make it a file by `python -m torch") as error:
        read_weights(tmp_path / "FOLDER")
    module, *arguments = re.search("`python -m (.*)`", str(error.value))[1].split()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [module, *arguments])
    runpy.run_module(module, run_name="__main__")
    same(read_weights(tmp_path / "FILE"), tiny_clip.state_dict())


def test_a_file_that_was_unpacked_is_named_and_read_once_it_is_packed_again(tmp_path, tiny_clip):
    torch.save(tiny_clip.state_dict(), tmp_path / "conclip.pt")
    shutil.unpack_archive(tmp_path / "conclip.pt", tmp_path, "zip")
    with pytest.raises(ValueError, match=r"an unpacked file of torch\.save: .* `zip -r conclip\.pt conclip` in the"):
        read_weights(tmp_path / "conclip")
    shutil.make_archive(tmp_path / "again", "zip", tmp_path, "conclip")
    same(read_weights(tmp_path / "again.zip"), tiny_clip.state_dict())


def test_an_open_clip_folder_with_a_bin(tmp_path, tiny_clip):
    export_open_clip(tiny_clip, tmp_path)
    torch.save(load_file(tmp_path / "open_clip_model.safetensors"), tmp_path / "open_clip_pytorch_model.bin")
    (tmp_path / "open_clip_model.safetensors").unlink()
    same(read_weights(tmp_path), tiny_clip.state_dict())


def test_a_damaged_tensor_is_named_and_one_beside_the_weights_does_not_matter(tmp_path, tiny_clip):
    path = tmp_path / "a.pt"
    torch.save({"model": tiny_clip.state_dict(), "optimizer": torch.full((1000,), 7.0)}, path)
    content = path.read_bytes()
    weight = tiny_clip.state_dict()["ln_final.weight"].numpy().tobytes()
    for old, harmless in ((torch.full((1000,), 7.0).numpy().tobytes(), True), (weight, False)):
        path.write_bytes(content.replace(old, b"\1" * len(old)))
        if harmless:
            same(read_weights(path), tiny_clip.state_dict())
        else:
            with pytest.raises(ValueError, match=r"a\.pt: .*file of torch\.save that is not whole: .* Bad CRC-32"):
                read_weights(path)
