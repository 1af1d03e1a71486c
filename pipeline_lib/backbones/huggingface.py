"""CLIP in the form of Hugging Face's ``CLIPModel``: its names of the weights, its configuration, its tokenizer's files.

Plain files are made and read, `transformers` is not needed. ``CLIPModel`` has vision transformers alone, so a ResNet
has no such form. It keeps queries, keys and values apart, which `clip` has in one matrix, and stores both projections
transposed; all else differs in its name only.
"""

import re

import torch
from torch import Tensor

from pipeline_lib.clip.load import CONTEXT_LENGTH, END_TOKEN, START_TOKEN, TOKENIZER
from pipeline_lib.jobs.quoted import quoted

HIDDEN_ACT = {"quickgelu": "quick_gelu", "gelu": "gelu"}
HEAD_WIDTH = 64
LAYER_NORM_EPS = 1e-5
TRANSPOSED = ("visual.proj", "text_projection")
DEFAULTS = {  # of transformers, for keys that a config.json leaves out
    "text_config": {"hidden_act": "quick_gelu", "layer_norm_eps": LAYER_NORM_EPS, "num_attention_heads": 8},
    "vision_config": {"hidden_act": "quick_gelu", "layer_norm_eps": LAYER_NORM_EPS, "num_attention_heads": 12},
}

_OUTSIDE_LAYERS = {
    "logit_scale": "logit_scale",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "text_projection": "text_projection.weight",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "visual.proj": "visual_projection.weight",
}
_IN_LAYERS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
_TOWERS = {"transformer": "text_model", "visual.transformer": "vision_model"}


def _names(layers: dict[str, int]) -> dict[str, tuple[str, ...]]:
    """Return ``clip``'s names -> Hugging Face's, three for a stacked projection; `layers` by key of `_TOWERS`."""
    names = {ours: (theirs,) for ours, theirs in _OUTSIDE_LAYERS.items()}
    for ours_tower, theirs_tower in _TOWERS.items():
        for layer in range(layers[ours_tower]):
            ours, theirs = f"{ours_tower}.resblocks.{layer}", f"{theirs_tower}.encoder.layers.{layer}"
            for kind in ("weight", "bias"):
                names |= {f"{ours}.{a}.{kind}": (f"{theirs}.{b}.{kind}",) for a, b in _IN_LAYERS.items()}
                names[f"{ours}.attn.in_proj_{kind}"] = tuple(f"{theirs}.self_attn.{x}_proj.{kind}" for x in "qkv")
    return names


def _count(names: object, prefix: str) -> int:
    """Return how many different numbers follow `prefix` in `names`."""
    return len({match[1] for name in names if (match := re.match(rf"{re.escape(prefix)}\.(\d+)\.", name))})


def to_huggingface(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a CLIP with a vision transformer under Hugging Face's names.

    Raises
    ------
    ValueError
        If the image tower is a ResNet.
    """
    if "visual.proj" not in state_dict:
        raise ValueError("Hugging Face's CLIPModel has vision transformers alone; export a ResNet as open_clip")
    renamed = {}
    for ours, theirs in _names({tower: _count(state_dict, f"{tower}.resblocks") for tower in _TOWERS}).items():
        value = state_dict[ours].T if ours in TRANSPOSED else state_dict[ours]
        renamed |= dict(zip(theirs, value.chunk(3) if len(theirs) == 3 else (value,), strict=True))
    return {name: value.contiguous() for name, value in renamed.items()}


def from_huggingface(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a ``CLIPModel`` under `clip`'s names.

    Raises
    ------
    ValueError
        If a weight is missing or unknown.
    """
    tensors = {name: value for name, value in tensors.items() if not name.endswith(".position_ids")}  # 0, 1, 2, ...
    names = _names({ours: _count(tensors, f"{theirs}.encoder.layers") for ours, theirs in _TOWERS.items()})
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


def config_of(state_dict: dict[str, Tensor], activation: str) -> dict:
    """Return ``config.json`` of a CLIP with a vision transformer."""

    def tower(name: str, width: int) -> dict:
        return {
            "hidden_size": width,
            "intermediate_size": 4 * width,
            "num_hidden_layers": _count(state_dict, f"{name}.resblocks"),
            "num_attention_heads": width // HEAD_WIDTH,
            "hidden_act": HIDDEN_ACT[activation],
            "layer_norm_eps": LAYER_NORM_EPS,
            "attention_dropout": 0.0,
            "projection_dim": state_dict["text_projection"].shape[1],
        }

    vocabulary, text_width = state_dict["token_embedding.weight"].shape
    width, _, patch, _ = state_dict["visual.conv1.weight"].shape
    side = round((len(state_dict["visual.positional_embedding"]) - 1) ** 0.5)
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": state_dict["text_projection"].shape[1],
        "logit_scale_init_value": 2.6592,
        "text_config": {
            "model_type": "clip_text_model",
            **tower("transformer", text_width),
            "max_position_embeddings": CONTEXT_LENGTH,
            "vocab_size": vocabulary,
            "bos_token_id": START_TOKEN,
            "eos_token_id": END_TOKEN,
            "pad_token_id": END_TOKEN,
        },
        "vision_config": {
            "model_type": "clip_vision_model",
            **tower("visual.transformer", width),
            "image_size": side * patch,
            "patch_size": patch,
            "num_channels": 3,
        },
    }


def activation_in(config: dict, state_dict: dict[str, Tensor]) -> str:
    """Return the activation that a ``config.json`` names, a key of `pipeline_lib.clip.load.ACTIVATIONS`.

    Raises
    ------
    ValueError
        If `config` describes something that `clip.model.CLIP` does not compute and that no shape gives away.
    """
    if config.get("model_type") != "clip":
        raise ValueError(f"expected model_type clip in config.json, found {quoted(config.get('model_type'))}")
    widths = {
        "text_config": state_dict["ln_final.weight"].shape[0],
        "vision_config": state_dict["visual.ln_post.weight"].shape[0],
    }
    found = set()
    for tower, defaults in DEFAULTS.items():
        said = {**defaults, **config.get(tower, {})}
        expected = {"layer_norm_eps": LAYER_NORM_EPS, "num_attention_heads": widths[tower] // HEAD_WIDTH}
        for key, value in expected.items():
            if said[key] != value:
                raise ValueError(
                    f"expected {tower}/{key} {value} in config.json, as CLIP has, found {quoted(said[key])}"
                )
        found.add(said["hidden_act"])
    known = {theirs: ours for ours, theirs in HIDDEN_ACT.items()}
    if len(found) > 1 or not found <= set(known):
        raise ValueError(
            f"expected one hidden_act for both towers in config.json, {' or '.join(known)}, found {sorted(found)}"
        )
    return known[found.pop()]


def tokenizer_files(n_px: int, mean: list[float], std: list[float]) -> dict[str, object]:
    """Return file name -> content of what ``CLIPProcessor`` reads: CLIP's tokenizer and image transform.

    Content is a text, or what is to be stored as JSON.
    """
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    special["pad_token"] = "<|endoftext|>"
    return {
        "vocab.json": TOKENIZER.encoder,
        "merges.txt": "#version: 0.2\n" + "".join(f"{first} {second}\n" for first, second in TOKENIZER.bpe_ranks),
        "special_tokens_map.json": special,
        "tokenizer_config.json": {
            "tokenizer_class": "CLIPTokenizer",
            "model_max_length": CONTEXT_LENGTH,
            "do_lower_case": True,
            **special,
        },
        "preprocessor_config.json": {
            "image_processor_type": "CLIPImageProcessor",
            "do_convert_rgb": True,
            "do_resize": True,
            "size": {"shortest_edge": n_px},
            "resample": 3,
            "do_center_crop": True,
            "crop_size": {"height": n_px, "width": n_px},
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": mean,
            "image_std": std,
        },
    }
