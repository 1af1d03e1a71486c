"""Read the weights of a CLIP from the files in which people publish them.

=================================================  ====================================================================
``{"model": state_dict, …}``                       checkpoints of ours, and of the paper's authors, who pickled an
                                                   ``argparse.Namespace`` beside the weights
``{"state_dict": state_dict, …}``                  open_clip's training: Neg-CLIP, LaCLIP (LAION-400M); names may begin
                                                   with ``module.``
``config.json`` and ``model.safetensors``          a folder of a Hugging Face ``CLIPModel``
``open_clip_config.json``, its ``.safetensors``    a folder as open_clip publishes models
=================================================  ====================================================================

No file is trusted: a checkpoint is opened with ``weights_only=True``, so that it can hold weights and plain values, and
nothing in it is executed. Plain files are read, `transformers` and `open_clip` are not needed.

Hugging Face's ``CLIPModel`` keeps queries, keys and values apart, which `clip` has in one matrix, and stores both
projections transposed; all else differs only in its name. It has no ResNets.
"""

import argparse
import re
from collections.abc import Collection
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline_lib.clip.load import HEAD_WIDTH, pixel_statistics
from pipeline_lib.clip.torch_file import load_weights_only, memory_for
from pipeline_lib.jobs.files import read_json
from pipeline_lib.jobs.quoted import quoted

HUGGINGFACE = ("config.json", "model.safetensors")  # a folder's description and weights
OPEN_CLIP = ("open_clip_config.json", "open_clip_model.safetensors")
NO_WEIGHTS = ("input_resolution", "context_length", "vocab_size")  # OpenAI's archives list these three among them
HIDDEN_ACT = {"quickgelu": "quick_gelu", "gelu": "gelu"}  # our names of activations: Hugging Face's
LAYER_NORM_EPS = 1e-5
DEFAULTS = {  # of transformers, for keys that a config.json leaves out
    "text_config": {"hidden_act": "quick_gelu", "layer_norm_eps": LAYER_NORM_EPS, "num_attention_heads": 8},
    "vision_config": {"hidden_act": "quick_gelu", "layer_norm_eps": LAYER_NORM_EPS, "num_attention_heads": 12},
}
TRANSPOSED = ("visual.proj", "text_projection")
# (name in `clip`, names in Hugging Face's CLIPModel), * for a layer's number; three names for a stacked projection.
NAMES = [line.split("\t") for line in Path(__file__).with_name("huggingface.tsv").read_text().splitlines()[1:]]


class Weights(NamedTuple):
    """Weights in fp32 under the names of ``clip.model.CLIP``, and their activation; None where no file names it."""

    state_dict: dict[str, Tensor]
    activation: str | None


def read_weights(path: str | Path) -> Weights:
    """Read a checkpoint or a folder in any of these forms."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        with memory_for(path):
            found = _read_folder(path) if path.is_dir() else _read_checkpoint(path)
            return Weights(_checked(found.state_dict), found.activation)
    except FileNotFoundError:
        raise
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    except Exception as error:  # a description may have anything in any place, and a tensor any shape and type
        raise ValueError(f"{path}: not the weights and description of a CLIP ({error!r:.300})") from error


def _read_checkpoint(path: Path) -> Weights:
    content = _load(path)
    if not isinstance(content, dict):
        content = {type(content).__name__: None}
    for weights in (content.get("model"), content.get("state_dict")):
        if isinstance(weights, dict):
            activation = content.get("activation")
            return Weights(weights, activation if isinstance(activation, str) else None)
    found = ", ".join(sorted(map(str, content)))
    raise ValueError(f"expected weights under the key `model` or `state_dict`, found {found:.200}")


def _load(path: Path) -> object:
    """Return the content of a file of ``torch.save``; of all classes but torch's own, only a Namespace is let in."""
    try:
        return load_weights_only(path, argparse.Namespace)
    except UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        inside = f"`{named[1]}`" if named else "something else"
        raise ValueError(
            f"expected weights and plain values, found {inside}, which is not loaded: a pickle can run any program. "
            "Have its weights saved as safetensors, or as a state_dict"
        ) from None
    except Exception as error:  # torch raises a dozen unrelated types for a damaged or foreign file
        raise ValueError(
            f"not a whole file of torch.save ({error!r:.200}); download it again. (OpenAI's own files are TorchScript: "
            "for them take the source `openai`)"
        ) from error


def _read_folder(folder: Path) -> Weights:
    files = OPEN_CLIP if (folder / OPEN_CLIP[0]).is_file() else HUGGINGFACE
    for name in files:
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder / name}: no such file; expected the folder of a Hugging Face CLIPModel "
                f"({', '.join(HUGGINGFACE)}) or of open_clip ({', '.join(OPEN_CLIP)})"
            )
    config = read_json(folder / files[0])
    try:
        tensors = load_file(folder / files[1])
    except SafetensorError as error:
        raise ValueError(f"{files[1]} is not a whole safetensors file ({error}); download it again") from error
    if files is OPEN_CLIP:
        return Weights(tensors, _open_clip_activation(config))
    if (folder / "preprocessor_config.json").is_file():
        pixels = read_json(folder / "preprocessor_config.json")
        _check_pixels(pixels.get("image_mean"), pixels.get("image_std"))
    state_dict = _from_huggingface(tensors)
    return Weights(state_dict, _huggingface_activation(config, state_dict))


def _open_clip_activation(config: dict) -> str:
    """Return the activation that an ``open_clip_config.json`` names; refuse what `clip.model.CLIP` does not compute."""
    model, pixels = config.get("model_cfg", {}), config.get("preprocess_cfg", {})
    text, vision = model.get("text_cfg", {}), model.get("vision_cfg", {})
    heads = text.get("width", 0) // HEAD_WIDTH
    if text.get("heads") != heads or vision.get("head_width", HEAD_WIDTH) != HEAD_WIDTH:
        raise ValueError(f"expected heads of {HEAD_WIDTH} channels as CLIP has, found {text} and {vision}")
    _check_pixels(pixels.get("mean"), pixels.get("std"))
    return "quickgelu" if model.get("quick_gelu", False) else "gelu"


def _check_pixels(*found: list | None) -> None:
    """Refuse a model whose pixels have another mean or standard deviation than `clip`'s; None is `clip`'s."""
    for name, mine, expected in zip(("mean", "std"), found, pixel_statistics(), strict=True):
        if mine is not None and [round(value, 4) for value in mine] != [round(value, 4) for value in expected]:
            raise ValueError(f"expected images normalised with the {name} {expected} as CLIP does, found {mine}")


def _checked(state_dict: dict) -> dict[str, Tensor]:
    """Return the weights in fp32, without prefix and without what is not a weight."""
    for name, value in state_dict.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"expected a tensor under each name, found {type(value).__name__} {name}")
        if not value.numel():
            raise ValueError(f"expected numbers under each name, found none under {name}, {tuple(value.shape)}")
    if all(name.startswith("module.") for name in state_dict):
        state_dict = {name.removeprefix("module."): value for name, value in state_dict.items()}
    state_dict = {
        name: value.float() if value.is_floating_point() else value
        for name, value in state_dict.items()
        if name not in NO_WEIGHTS
    }
    if broken := [name for name, value in state_dict.items() if not value.isfinite().all()]:
        raise ValueError(f"expected finite numbers, found others in {broken[0]}; download it again")
    return state_dict


def huggingface_names(weights: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return `NAMES` of a CLIP's weights, with layers numbered as in `weights`, the names in either form."""
    names = {}
    for ours, theirs in NAMES:
        layers = max(_count_layers(weights, ours), _count_layers(weights, theirs)) if "*" in ours else 1
        names |= {ours.replace("*", str(n)): tuple(theirs.replace("*", str(n)).split()) for n in range(layers)}
    return names


def _count_layers(weights: Collection[str], name: str) -> int:
    """Return how many different numbers stand for the ``*`` of a name in `weights`."""
    start = re.escape(name.partition("*")[0])
    return len({match[1] for weight in weights if (match := re.match(rf"{start}(\d+)\.", weight))})


def _from_huggingface(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a ``CLIPModel`` under `clip`'s names."""
    tensors = {name: value for name, value in tensors.items() if not name.endswith(".position_ids")}  # 0, 1, 2, ...
    names = huggingface_names(tensors)
    expected = {name for group in names.values() for name in group}
    if missing := sorted(expected - set(tensors)):
        raise ValueError(f"{len(missing)} weights of a CLIPModel are missing, such as {missing[0]}")
    if unknown := sorted(set(tensors) - expected):
        raise ValueError(f"{len(unknown)} weights are not of a CLIPModel, such as {unknown[0]}")
    state_dict = {}
    for ours, theirs in names.items():
        value = torch.cat([tensors[name] for name in theirs]) if len(theirs) == 3 else tensors[theirs[0]]
        state_dict[ours] = value.T.contiguous() if ours in TRANSPOSED else value
    return state_dict


def _huggingface_activation(config: dict, state_dict: dict[str, Tensor]) -> str:
    """Return the activation that a ``config.json`` names; refuse what `clip.model.CLIP` does not compute."""
    if config.get("model_type") != "clip":
        raise ValueError(f"expected model_type clip in config.json, found {quoted(config.get('model_type'))}")
    widths = {
        "text_config": state_dict["ln_final.weight"].shape[0],
        "vision_config": state_dict["visual.ln_post.weight"].shape[0],
    }
    found = set()
    for tower, defaults in DEFAULTS.items():
        described = {**defaults, **config.get(tower, {})}
        expected = {"layer_norm_eps": LAYER_NORM_EPS, "num_attention_heads": widths[tower] // HEAD_WIDTH}
        for key, value in expected.items():
            if described[key] != value:
                raise ValueError(
                    f"expected {tower}/{key} {value} in config.json, as CLIP has, found {quoted(described[key])}"
                )
        found.add(described["hidden_act"])
    known = {theirs: ours for ours, theirs in HIDDEN_ACT.items()}
    if len(found) > 1 or not found <= set(known):
        raise ValueError(
            f"expected one hidden_act for both towers in config.json, {' or '.join(known)}, found {sorted(found)}"
        )
    return known[found.pop()]
