"""Export a checkpoint of this pipeline for open_clip or for Hugging Face.

::

    python -m pipeline_lib.backbones.export --checkpoint results/paper/finetune/conclip-b32-s0/model.pt \\
        --format huggingface --output conclip-b32

===============  ======================================================  ==============================================
``open_clip``    ``open_clip_config.json``, ``open_clip_model            ``open_clip.create_model_from_pretrained(
                 .safetensors``                                          "local-dir:conclip-b32")``
``huggingface``  ``config.json``, ``model.safetensors``, and what        ``CLIPModel.from_pretrained("conclip-b32")``,
                 ``CLIPProcessor`` reads                                 ``CLIPProcessor.from_pretrained(…)``
===============  ======================================================  ==============================================

Both configurations name the activation, so that the features are those of this pipeline: open_clip takes GELU where
``quick_gelu`` is missing. Weights are stored in fp32. `pipeline_lib.backbones.formats` reads both folders.
"""

import argparse
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from pipeline_lib.backbones.huggingface import HIDDEN_ACT, LAYER_NORM_EPS, TRANSPOSED, huggingface_names
from pipeline_lib.clip.load import CLIP, HEAD_WIDTH, activation_of, architecture_of, load_clip, pixel_statistics
from pipeline_lib.clip.tokenizer import CONTEXT_LENGTH, END_TOKEN, START_TOKEN, simple_tokenizer
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import atomic, write_json, write_text


def model_cfg(model: CLIP) -> dict:
    """Return the architecture and activation of a CLIP as open_clip writes them."""
    sizes = architecture_of(model.state_dict())
    vision = {"image_size": sizes["image_resolution"], "patch_size": sizes["vision_patch_size"]}
    vision |= {"width": sizes["vision_width"], "layers": sizes["vision_layers"]}
    text = {name: sizes[name] for name in ("context_length", "vocab_size")}
    text |= {name: sizes[f"transformer_{name}"] for name in ("width", "heads", "layers")}
    shape = {"embed_dim": sizes["embed_dim"], "vision_cfg": vision, "text_cfg": text}
    return {**shape, "quick_gelu": activation_of(model) == "quickgelu"}


def export_open_clip(model: CLIP, folder: Path) -> None:
    """Write what open_clip loads from a folder."""
    mean, std = pixel_statistics()
    pixels = {"mean": mean, "std": std, "interpolation": "bicubic", "resize_mode": "shortest"}
    with atomic(folder / "open_clip_model.safetensors") as aside:
        save_file(model.state_dict(), aside)
    write_json(folder / "open_clip_config.json", {"model_cfg": model_cfg(model), "preprocess_cfg": pixels})


def export_huggingface(model: CLIP, folder: Path) -> None:
    """Write what ``CLIPModel`` and ``CLIPProcessor`` load from a folder; a ResNet is a `ValueError`."""
    weights = to_huggingface(model.state_dict())
    with atomic(folder / "model.safetensors") as aside:
        save_file(weights, aside, metadata={"format": "pt"})
    write_json(folder / "config.json", huggingface_config(model))
    for name, content in _processor_files(model.visual.input_resolution).items():
        write_json(folder / name, content)
    merges = "".join(f"{first} {second}\n" for first, second in simple_tokenizer().bpe_ranks)
    write_text(folder / "merges.txt", f"#version: 0.2\n{merges}")


def to_huggingface(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a CLIP with a vision transformer under Hugging Face's names; a ResNet is a `ValueError`."""
    if "visual.proj" not in state_dict:
        raise ValueError("Hugging Face's CLIPModel has only vision transformers; export a ResNet as open_clip")
    renamed = {}
    for ours, theirs in huggingface_names(state_dict).items():
        value = state_dict[ours].T if ours in TRANSPOSED else state_dict[ours]
        renamed |= dict(zip(theirs, value.chunk(3) if len(theirs) == 3 else (value,), strict=True))
    return {name: value.contiguous() for name, value in renamed.items()}


def huggingface_config(model: CLIP) -> dict:
    """Return Hugging Face's ``config.json`` of a CLIP with a vision transformer."""
    shape = model_cfg(model)
    text, vision, projection = shape["text_cfg"], shape["vision_cfg"], {"projection_dim": shape["embed_dim"]}

    def tower(name: str, ours: dict) -> dict:
        return {
            "model_type": f"clip_{name}_model",
            "hidden_size": ours["width"],
            "intermediate_size": 4 * ours["width"],
            "num_hidden_layers": ours["layers"],
            "num_attention_heads": ours["width"] // HEAD_WIDTH,
            "hidden_act": HIDDEN_ACT[activation_of(model)],
            "layer_norm_eps": LAYER_NORM_EPS,
            "attention_dropout": 0.0,
            **projection,
        }

    tokens = {"bos_token_id": START_TOKEN, "eos_token_id": END_TOKEN, "pad_token_id": END_TOKEN}
    length = {"max_position_embeddings": text["context_length"], "vocab_size": text["vocab_size"]}
    pixels = {"image_size": vision["image_size"], "patch_size": vision["patch_size"], "num_channels": 3}
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "logit_scale_init_value": 2.6592,
        **projection,
        "text_config": {**tower("text", text), **length, **tokens},
        "vision_config": {**tower("vision", vision), **pixels},
    }


def _processor_files(n_px: int) -> dict[str, dict]:
    """Return file name -> JSON of what ``CLIPProcessor`` reads besides the tokenizer's merges."""
    special = dict.fromkeys(("eos_token", "unk_token", "pad_token"), "<|endoftext|>")
    special["bos_token"] = "<|startoftext|>"
    mean, std = pixel_statistics()
    return {
        "vocab.json": simple_tokenizer().encoder,
        "special_tokens_map.json": special,
        "tokenizer_config.json": {
            "tokenizer_class": "CLIPTokenizer",
            "model_max_length": CONTEXT_LENGTH,
            "do_lower_case": True,
            **special,
        },
        "preprocessor_config.json": {
            "image_processor_type": "CLIPImageProcessor",
            **dict.fromkeys(("do_convert_rgb", "do_resize", "do_center_crop", "do_rescale", "do_normalize"), True),
            "size": {"shortest_edge": n_px},
            "resample": 3,
            "crop_size": {"height": n_px, "width": n_px},
            "rescale_factor": 1 / 255,
            "image_mean": mean,
            "image_std": std,
        },
    }


EXPORTS = {"open_clip": export_open_clip, "huggingface": export_huggingface}


def main() -> None:
    """Export the checkpoint that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="a model.pt of this pipeline")
    parser.add_argument("--format", choices=EXPORTS, required=True, help="library that will load it")
    parser.add_argument("--output", type=Path, required=True, help="output: folder, made if it does not exist")
    args = parser.parse_args()
    EXPORTS[args.format](load_clip(args.checkpoint), args.output)
    print(f"{args.output}: {args.checkpoint} for {args.format}")


if __name__ == "__main__":
    run(main)
