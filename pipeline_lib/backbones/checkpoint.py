"""Take a published checkpoint as a model: OpenAI's CLIPs, CoN-CLIP as its authors released it, Neg-CLIP, LaCLIP, ...

::

    python -m pipeline_lib.backbones.checkpoint --model vit-b32 --openai ViT-B/32 --download-root data/openai-clip \\
        --checkpoint model.pt --record run.json
    python -m pipeline_lib.backbones.checkpoint --model negclip-b32 --path data/checkpoints/negclip_b32.pth \\
        --activation quickgelu --family Neg-CLIP --backbone vit-b32 --backbone-weights vit-b32/model.pt \\
        --image-tower own --checkpoint model.pt --record run.json

The output is that of `save_checkpoint`, in fp32. `clip` downloads OpenAI's files, unless they are in the folder or
``--path`` names one; either way the SHA-256 is checked. `pipeline_lib.backbones.formats` says what other files are
read. Whatever would give wrong numbers without an error is refused: weights that do not fit the architecture of the
backbone under which the tables list the model, and an activation that cannot be theirs.

No weight says whether it was trained with GELU or QuickGELU, so the configuration does. Three things are checked: what
the file says of itself; that weights fine-tuned from the backbone's have the backbone's activation; and, with
``--image-tower backbone``, that the image tower is the backbone's to the bit, as CoN-CLIP's is (paper, section 4). Such
a model shares the backbone's image features.
"""

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor

from pipeline_lib.backbones.formats import read_weights
from pipeline_lib.backbones.state_dict import listed
from pipeline_lib.clip.load import (
    ACTIVATIONS,
    CLIP,
    activation_of,
    build_clip,
    check_architecture,
    load_clip,
    load_openai_clip,
    save_checkpoint,
)
from pipeline_lib.clip.torch_file import memory_for
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import sha256, write_json
from pipeline_lib.jobs.run_record import RunRecord, baseline

DERIVED = 0.5  # cosine of two image towers' weights: about 0 if trained apart, above 0.9 if one is fine-tuned


def closeness(state_dict: dict[str, Tensor], backbone: dict[str, Tensor]) -> float:
    """Return the cosine between the matrices of two image towers of one architecture: 1 if they are the same."""
    matrices = [name for name, value in backbone.items() if name.startswith("visual.") and value.ndim > 1]
    pairs = [(state_dict[name].flatten(), backbone[name].flatten()) for name in matrices]  # views, no copies
    both, mine, theirs = sum(torch.stack((a @ b, a @ a, b @ b)) for a, b in pairs).tolist()
    return both / math.sqrt(mine * theirs)


def check_origin(state_dict: dict[str, Tensor], activation: str, backbone: CLIP, name: str, shared: bool) -> float:
    """Require of a model made from a backbone its activation, and its image tower if that is `shared`.

    Returns the `closeness` to the backbone.
    """
    theirs = backbone.state_dict()
    near = closeness(state_dict, theirs)
    if shared:
        other = [key for key in theirs if key.startswith("visual.") and not torch.equal(state_dict[key], theirs[key])]
        if other:
            raise ValueError(
                f"expected the image tower of {name} to the bit, found {len(other)} other weights, such as {other[0]} "
                f"(cosine of the two {near:.4f}); if the tower was trained, write image_tower: own"
            )
    if near > DERIVED and activation != activation_of(backbone):
        raise ValueError(
            f"activation {activation} cannot be right: the image tower was fine-tuned from that of {name} (cosine "
            f"{near:.4f}), which has {activation_of(backbone)}. With another activation every number would be wrong "
            f"without an error; write activation: {activation_of(backbone)}"
        )
    return near


def take_checkpoint(args: argparse.Namespace) -> tuple[CLIP, dict]:
    """Return the model in the file or folder ``--path``, and what ``run.json`` says of it."""
    found = read_weights(args.path)
    results = {"form": found.form}
    if args.path.is_file():
        results["sha256"] = sha256(args.path)
    if found.left_out:
        print(f"{args.path}: left out {len(found.left_out)} tensors that are not of the CLIP: {listed(found.left_out)}")
        results["left_out"] = found.left_out
    try:
        if found.activation not in (None, args.activation):
            raise ValueError(
                f"the file says that its activation is {found.activation}, the configuration {args.activation}; with "
                "the wrong one every number would be wrong without an error"
            )
        if args.backbone:
            backbone = load_clip(args.backbone_weights)
            check_architecture(found.state_dict, backbone.state_dict(), args.backbone)
            shared = args.image_tower == "backbone"
            near = check_origin(found.state_dict, args.activation, backbone, args.backbone, shared)
            results["closeness_to_backbone"] = round(near, 4)
            if near <= DERIVED and found.activation is None:
                print(
                    f"{args.path}: the image tower was not fine-tuned from that of {args.backbone}; only the "
                    f"configuration says that its activation is {args.activation}. See how its authors load it."
                )
        with memory_for(args.path):
            return build_clip(found.state_dict, args.activation), results
    except ValueError as error:
        raise ValueError(f"{args.path}: {error}") from error


def main() -> None:
    """Store the model that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, help="name of the model in this pipeline")
    parser.add_argument("--openai", help="name of one of OpenAI's CLIPs, such as ViT-B/32; or give --path")
    parser.add_argument("--download-root", type=Path, help="folder for OpenAI's file, downloaded unless it is there")
    parser.add_argument("--path", type=Path, help="checkpoint file, or folder with one; or give --openai")
    parser.add_argument(
        "--activation",
        choices=ACTIVATIONS,
        help="activation with which the model was trained; not needed with --openai",
    )
    parser.add_argument("--family", default="CLIP", help="name under which the tables list the model (default: CLIP)")
    parser.add_argument("--backbone", help="CLIP that the model is compared with; not for a CLIP itself")
    parser.add_argument("--backbone-weights", type=Path, help="checkpoint of that CLIP")
    parser.add_argument(
        "--image-tower", choices=("own", "backbone"), default="own", help="whose to keep (default: own)"
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="output: weights in this pipeline's format")
    parser.add_argument("--record", type=Path, required=True, help="output: what was made from what, JSON")
    args = parser.parse_args()
    needed = ("download_root",) if args.openai else ("path", "activation")
    if missing := [f"--{name.replace('_', '-')}" for name in needed if not getattr(args, name)]:
        parser.error(f"{' and '.join(missing)} needed")
    identity = baseline(args.model, args.family, args.backbone)
    if args.openai:
        record = RunRecord(identity, {"source": "openai", "name": args.openai})
        model, results = load_openai_clip(args.openai, str(args.download_root), args.path), {}
    else:
        settings = {"source": "checkpoint", "path": str(args.path), "activation": args.activation}
        record = RunRecord(identity, settings)
        model, results = take_checkpoint(args)
    save_checkpoint(args.checkpoint, model)
    write_json(args.record, record.finish(**results))


if __name__ == "__main__":
    run(main)
