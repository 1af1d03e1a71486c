"""Take a published checkpoint as a model: CoN-CLIP as its authors released it, Neg-CLIP, LaCLIP, or a CLIP of others.

::

    python -m pipeline_lib.backbones.checkpoint --model negclip-b32 --path data/checkpoints/negclip_b32.pth \\
        --activation quickgelu --family Neg-CLIP --backbone vit-b32 --backbone-weights vit-b32/model.pt \\
        --image-tower own --checkpoint model.pt --record run.json

`pipeline_lib.backbones.formats` says what is read. The output is ``{"model": state_dict, "activation": name}`` in fp32,
as all models of the pipeline are stored. Whatever would give quietly wrong numbers is refused here: weights that do not
fit the architecture of the backbone under which the tables list the model, and an activation that cannot be theirs.

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
from pipeline_lib.clip.load import ACTIVATIONS, CLIP, activation_of, build_clip, load_clip, save_checkpoint
from pipeline_lib.clip.torch_file import memory_for
from pipeline_lib.clip.training import RunRecord, baseline
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import sha256, write_json

DERIVED = 0.5  # cosine of two image towers' weights: about 0 if trained apart, above 0.9 if one is fine-tuned
LISTED = 3  # weights that an error names


def check_architecture(state_dict: dict[str, Tensor], expected: dict[str, Tensor], backbone: str) -> None:
    """Require the names and shapes of a backbone's weights.

    Raises
    ------
    ValueError
        If they differ; the message names the first weights that do, with expected and found shapes.
    """
    shapes = [
        f"{name} {tuple(value.shape)}, found {tuple(state_dict[name].shape)}"
        for name, value in expected.items()
        if name in state_dict and state_dict[name].shape != value.shape
    ]
    missing = [f"{name}, which is missing" for name in expected if name not in state_dict]
    unknown = [f"no {name}" for name in state_dict if name not in expected]
    for problems in (shapes, missing, unknown):
        if problems:
            raise ValueError(
                f"not of the architecture of {backbone}: expected {'; '.join(problems[:LISTED])} (of {len(expected)} "
                f"weights {len(shapes)} have other shapes and {len(missing)} are missing, {len(unknown)} are unknown)"
            )


def closeness(state_dict: dict[str, Tensor], backbone: dict[str, Tensor]) -> float:
    """Return the cosine between the matrices of two image towers of one architecture: 1 if they are the same."""
    products = [0.0, 0.0, 0.0]  # of the two towers, and of each with itself
    for name, theirs in backbone.items():
        if name.startswith("visual.") and theirs.ndim > 1:
            mine, theirs = state_dict[name].flatten(), theirs.flatten()
            for place, pair in enumerate(((mine, theirs), (mine, mine), (theirs, theirs))):
                products[place] += torch.dot(*pair).item()
    return products[0] / math.sqrt(products[1] * products[2])


def check_origin(state_dict: dict[str, Tensor], activation: str, backbone: CLIP, name: str, shared: bool) -> float:
    """Require what a model made from a backbone has of it: the activation, and the image tower if it is `shared`.

    Returns
    -------
    float
        `closeness` to the backbone.

    Raises
    ------
    ValueError
        If it has not.
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
            f"{near:.4f}), which has {activation_of(backbone)}. With another activation every number would be quietly "
            f"wrong; write activation: {activation_of(backbone)}"
        )
    return near


def main() -> None:
    """Store the model that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, help="its name in this pipeline")
    parser.add_argument("--path", type=Path, required=True, help="the checkpoint, or a folder")
    parser.add_argument("--activation", choices=ACTIVATIONS, required=True, help="with which it was trained")
    parser.add_argument("--family", default="CLIP", help="under which the tables list it")
    parser.add_argument("--backbone", help="the CLIP beside which the tables list it; none for a CLIP")
    parser.add_argument("--backbone-weights", type=Path, help="that CLIP's checkpoint")
    parser.add_argument("--image-tower", choices=("own", "backbone"), default="own")
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--record", type=Path, required=True)
    args = parser.parse_args()
    settings = {"source": "checkpoint", "path": str(args.path), "activation": args.activation}
    record = RunRecord(baseline(args.model, args.family, args.backbone), settings)
    found = read_weights(args.path)
    results = {}
    try:
        if found.activation not in (None, args.activation):
            raise ValueError(
                f"the file says that its activation is {found.activation}, the configuration {args.activation}; with "
                "the wrong one every number would be quietly wrong"
            )
        if args.backbone:
            backbone = load_clip(args.backbone_weights)
            check_architecture(found.state_dict, backbone.state_dict(), args.backbone)
            shared = args.image_tower == "backbone"
            near = check_origin(found.state_dict, args.activation, backbone, args.backbone, shared)
            results["closeness_to_backbone"] = round(near, 4)
            if near <= DERIVED and found.activation is None:
                print(
                    f"{args.path}: the image tower was not fine-tuned from that of {args.backbone}; nothing but the "
                    f"configuration says that its activation is {args.activation}. See how its authors load it."
                )
        with memory_for(args.path):
            model = _build(found.state_dict, args.activation)
    except ValueError as error:
        raise ValueError(f"{args.path}: {error}") from error
    save_checkpoint(args.checkpoint, model)
    if args.path.is_file():
        results["sha256"] = sha256(args.path)
    write_json(args.record, record.finish(**results))


def _build(state_dict: dict[str, Tensor], activation: str) -> CLIP:
    try:
        return build_clip(state_dict, activation)
    except Exception as error:  # what clip and torch raise for foreign names, shapes and sizes
        raise ValueError(f"not the weights of a CLIP ({error!r:.300})") from error


if __name__ == "__main__":
    run(main)
