"""Weights and descriptions as Hugging Face's ``CLIPModel`` and open_clip write them, in terms of `clip`'s.

``CLIPModel`` keeps queries, keys and values apart, which `clip` has in one matrix, and stores both projections
transposed; all else differs only in its name. It has no ResNets.
"""

import re
from collections.abc import Collection
from pathlib import Path

import torch
from torch import Tensor

from pipeline_lib.clip.load import HEAD_WIDTH, pixel_statistics
from pipeline_lib.jobs.quoted import quoted

HIDDEN_ACT = {"quickgelu": "quick_gelu", "gelu": "gelu"}  # our names of activations: Hugging Face's
LAYER_NORM_EPS = 1e-5
DEFAULTS = {  # of transformers, for keys that a config.json leaves out
    "text_config": {"hidden_act": "quick_gelu", "layer_norm_eps": LAYER_NORM_EPS, "num_attention_heads": 8},
    "vision_config": {"hidden_act": "quick_gelu", "layer_norm_eps": LAYER_NORM_EPS, "num_attention_heads": 12},
}
TRANSPOSED = ("visual.proj", "text_projection")
# (name in `clip`, names in Hugging Face's CLIPModel), * for a layer's number; three names for a stacked projection.
NAMES = [line.split("\t") for line in Path(__file__).with_name("huggingface.tsv").read_text().splitlines()[1:]]


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


def from_huggingface(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
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


def huggingface_activation(config: dict, state_dict: dict[str, Tensor]) -> str:
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


def open_clip_activation(config: dict) -> str:
    """Return the activation that an ``open_clip_config.json`` names; refuse what `clip.model.CLIP` does not compute."""
    model, pixels = config.get("model_cfg", {}), config.get("preprocess_cfg", {})
    text, vision = {"width": 512, "heads": 8, **model.get("text_cfg", {})}, model.get("vision_cfg", {})
    if text["heads"] != text["width"] // HEAD_WIDTH or vision.get("head_width", HEAD_WIDTH) != HEAD_WIDTH:
        raise ValueError(f"expected heads of {HEAD_WIDTH} channels as CLIP has, found {text} and {vision}")
    check_pixels(pixels.get("mean"), pixels.get("std"))
    return "quickgelu" if model.get("quick_gelu", False) else "gelu"


def check_pixels(*found: list | None) -> None:
    """Refuse a model whose pixels have another mean or standard deviation than `clip`'s; None is `clip`'s."""
    for name, mine, expected in zip(("mean", "std"), found, pixel_statistics(), strict=True):
        if mine is not None and [round(value, 4) for value in mine] != [round(value, 4) for value in expected]:
            raise ValueError(f"expected images normalised with the {name} {expected} as CLIP does, found {mine}")
