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
``quick_gelu`` is not said. Weights are stored in fp32. `pipeline_lib.backbones.checkpoint` reads both folders.
"""

import argparse
from pathlib import Path

from safetensors.torch import save_file

from pipeline_lib.backbones.huggingface import HEAD_WIDTH, config_of, to_huggingface, tokenizer_files
from pipeline_lib.clip.load import CLIP, activation_of, load_clip, pixel_statistics
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import atomic, write_json, write_text


def open_clip_config(model: CLIP) -> dict:
    """Return ``open_clip_config.json`` of a CLIP."""
    visual, text_width = model.visual, model.ln_final.weight.shape[0]
    if hasattr(visual, "proj"):
        patch, width, layers = visual.conv1.kernel_size[0], visual.conv1.out_channels, len(visual.transformer.resblocks)
    else:
        patch, width = None, visual.layer1[0].conv1.out_channels
        layers = [len(stage) for stage in (visual.layer1, visual.layer2, visual.layer3, visual.layer4)]
    mean, std = pixel_statistics()
    return {
        "model_cfg": {
            "embed_dim": model.text_projection.shape[1],
            "quick_gelu": activation_of(model) == "quickgelu",
            "vision_cfg": {
                "image_size": visual.input_resolution,
                "layers": layers,
                "width": width,
                "patch_size": patch,
            },
            "text_cfg": {
                "context_length": model.context_length,
                "vocab_size": model.vocab_size,
                "width": text_width,
                "heads": text_width // HEAD_WIDTH,
                "layers": len(model.transformer.resblocks),
            },
        },
        "preprocess_cfg": {"mean": mean, "std": std, "interpolation": "bicubic", "resize_mode": "shortest"},
    }


def export_open_clip(model: CLIP, folder: Path) -> None:
    """Write what open_clip loads from a folder."""
    with atomic(folder / "open_clip_model.safetensors") as aside:
        save_file(model.state_dict(), aside)
    write_json(folder / "open_clip_config.json", open_clip_config(model))


def export_huggingface(model: CLIP, folder: Path) -> None:
    """Write what ``CLIPModel`` and ``CLIPProcessor`` load from a folder.

    Raises
    ------
    ValueError
        If the image tower is a ResNet.
    """
    weights = to_huggingface(model.state_dict())
    with atomic(folder / "model.safetensors") as aside:
        save_file(weights, aside, metadata={"format": "pt"})
    files = tokenizer_files(model.visual.input_resolution, *pixel_statistics())
    files["config.json"] = config_of(model.state_dict(), activation_of(model))
    for name, content in files.items():
        write = write_text if isinstance(content, str) else write_json
        write(folder / name, content)


EXPORTS = {"open_clip": export_open_clip, "huggingface": export_huggingface}


def main() -> None:
    """Export the checkpoint that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--format", choices=EXPORTS, required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder; made if it does not exist")
    args = parser.parse_args()
    EXPORTS[args.format](load_clip(args.checkpoint), args.output)
    print(f"{args.output}: {args.checkpoint} for {args.format}")


if __name__ == "__main__":
    run(main)
