"""Tell what a downloaded checkpoint is, and whether it can be a CoN-CLIP as the paper trains it (section 4).

::

    python -m pipeline_lib.backbones.inspect data/checkpoints/conclip_b32.pt
    python -m pipeline_lib.backbones.inspect conclip_b32.pt --openai ~/Downloads/ViT-B-32.pt

It is compared with OpenAI's weights: the file or the model (``ViT-B/32``, downloaded into data/openai-clip) that
``--openai`` names, or the one in data/openai-clip that has its architecture. Nothing in a file is executed. The last
line is the verdict; status 0: can be the paper's model, 1: cannot, or cannot be told, 2: a file cannot be read.
"""

import argparse
import math
import sys
from collections import Counter
from pathlib import Path

from torch import Tensor

from pipeline_lib.backbones.formats import Weights, read_as_stored
from pipeline_lib.clip.inert import StandIn
from pipeline_lib.clip.load import architecture_of, check_architecture, clip, load_openai_clip, released_file
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import sha256
from pipeline_lib.jobs.quoted import quoted

OPENAI_FOLDER = Path("data/openai-clip")
HEAD, *ROWS = [line.split("\t") for line in Path(__file__).with_name("openai.tsv").read_text().splitlines()]
ARCHITECTURES = {name: dict(zip(HEAD[1:], sizes, strict=True)) for name, *sizes in ROWS}
IN_THE_PAPER = ("ViT-B/32", "ViT-B/16", "ViT-L/14")
EPOCHS = 5  # [paper, section 4]
LARGEST_SCALE = math.log(100) + 4e-3  # of the logarithm; half precision rounds it up by so much
FAR = 0.5  # relative difference of text towers: about 1.4 if they were trained apart
IMAGE_TOWER, TEXT_TOWER = "image tower", "text tower"  # the first with its projection
OF_TEXT = {"token_embedding.weight": "text embeddings", "positional_embedding": "text embeddings"}
OF_TEXT |= {"text_projection": "text projection", "logit_scale": "logit scale"}


def compare(mine: dict[str, Tensor], theirs: dict[str, Tensor]) -> dict[str, tuple[int, int, float]]:
    """Return each group's count of tensors, of differing ones, and |mine - theirs| / |theirs|; rounding is none."""
    check_architecture(mine, theirs, "OpenAI's weights")
    sums: dict[str, list[float]] = {}
    for name, value in mine.items():
        group = IMAGE_TOWER if name.startswith("visual.") else OF_TEXT.get(name, TEXT_TOWER)
        own, other = value.double(), theirs[name].to(value.dtype).double()
        found = (1, not own.equal(other), (own - other).square().sum().item(), other.square().sum().item())
        sums[group] = [a + b for a, b in zip(sums.get(group, (0, 0, 0, 0)), found, strict=True)]
    return {name: (*counts, math.sqrt(far / (whole or 1))) for name, (*counts, far, whole) in sums.items()}


def openai_weights(named: str | None, fits: str | None) -> tuple[str, dict[str, Tensor]] | None:
    """Return where OpenAI's weights are from, in words, and them; None where none are named and none are there."""
    models = {model: released_file(model) for model in clip.available_models()}
    name = named or fits
    if name in models and not (path := OPENAI_FOLDER / models[name][0]).is_file():
        return (f"{name}, downloaded", load_openai_clip(name, str(OPENAI_FOLDER)).state_dict()) if named else None
    if name is None:
        return None
    if name not in models and not (path := Path(name)).is_file():
        raise FileNotFoundError(f"{path}: no such file; --openai takes a file or one of {', '.join(models)}")
    of = [f"{model} as OpenAI released it" for model, (_, digest) in models.items() if digest == sha256(path)]
    return f"{path} ({of[0] if of else 'by its SHA-256 no file that OpenAI released'})", read_as_stored(path).state_dict


def said_of(value: object) -> str:
    """Return what stands beside the weights, in a line."""
    if isinstance(value, StandIn):
        state = value.state if isinstance(value.state, dict) else value
        return (
            f"{value!r}, not loaded: {', '.join(f'{quoted(k, 40)}: {quoted(v, 60)}' for k, v in state.items()):.2000}"
        )
    return f"{len(value)} entries, not shown" if isinstance(value, dict | list | tuple) else quoted(value)


def reasons_against(found: Weights, fits: str | None, differences: dict[str, tuple]) -> list[str]:
    """Return why a checkpoint cannot be the paper's model, or cannot be told to be."""
    scale, epoch = found.state_dict.get("logit_scale", Tensor([math.nan])), found.beside.get("epoch", 0)
    reasons = {
        f"its architecture is none of {', '.join(IN_THE_PAPER)}": fits not in IN_THE_PAPER,
        "it has numbers that are not finite": not all(value.isfinite().all() for value in found.state_dict.values()),
        f"its logit scale is not in [0, ln 100]: {scale.sum():.4f}": not 0 <= scale.sum() <= LARGEST_SCALE,
        f"its epoch {quoted(epoch)} is none of the paper's {EPOCHS}": type(epoch) is int and not 0 <= epoch <= EPOCHS,
        f"its activation is {found.activation}, not quickgelu": found.activation not in (None, "quickgelu"),
    }
    if not differences:
        reasons["it was not compared with OpenAI's weights"] = True
    elif not any(differing for _, differing, _ in differences.values()):
        reasons["no tensor differs from OpenAI's: this is CLIP itself, not fine-tuned"] = True
    else:
        (_, image, _), (_, text, far) = differences[IMAGE_TOWER], differences[TEXT_TOWER]
        reasons[f"its image tower is not OpenAI's to the bit: {image} tensors differ"] = image > 0
        reasons["its text tower is OpenAI's"] = text == 0
        reasons["its text tower was not fine-tuned from OpenAI's: it is too far away"] = not far <= FAR
    return [reason for reason, holds in reasons.items() if holds]


def report(path: Path, named: str | None) -> list[str]:
    """Print what a checkpoint is; return why it cannot be the paper's model."""
    found = read_as_stored(path)
    weights, sizes = found.state_dict, architecture_of(found.state_dict)
    sizes = {name: str(sizes[name]) for name in HEAD[1:]}
    fits = next((name for name, known in ARCHITECTURES.items() if known == sizes), None)
    infinite = [name for name, value in weights.items() if not value.isfinite().all()]
    kinds = Counter(str(value.dtype).removeprefix("torch.") for value in weights.values())
    print(f"{path}: {quoted(found.form)[1:-1]}; {len(weights)} tensors")
    for key, value in found.beside.items():
        print(f"  beside them {quoted(key, 60)}: {said_of(value)}")
    if found.left_out:
        print(f"  not of the CLIP: {quoted(found.left_out)}")
    print(f"architecture: {fits or 'of no OpenAI model'} ({', '.join(f'{name} {sizes[name]}' for name in sizes)})")
    print(f"precision: {', '.join(f'{kind} ({count} tensors)' for kind, count in kinds.items())}")
    print(f"logit scale: exp({weights.get('logit_scale', Tensor([math.nan])).sum():.4f})")
    print(f"not finite: {f'{len(infinite)} tensors, such as {quoted(infinite[0])}' if infinite else 'none'}")
    print(f"activation: {found.activation or 'the file does not say, and no weight tells; OpenAI has quickgelu'}")
    nothing = f"nothing; name OpenAI's file by --openai, or have it downloaded by --openai {fits or 'ViT-B/32'}"
    openai, theirs = openai_weights(named, fits) or (nothing, None)
    print(f"compared with: {openai}")
    try:
        differences = compare(weights, theirs) if theirs else {}
    except ValueError as error:
        differences = {}
        print(f"  not comparable: {quoted(str(error))[1:-1]}")
    for group, (count, differing, relative) in differences.items():
        much = f"{differing} of {count} tensors differ, relative difference {relative:.1e}"
        print(f"  {group}: {much if differing else f'all {count} tensors equal to the bit'}")
    return reasons_against(found, fits, differences)


def main() -> None:
    """Report on the checkpoint that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", type=Path, help="checkpoint file, or folder with one")
    parser.add_argument("--openai", help="CLIP to compare with: a file of OpenAI's, or its name, such as ViT-B/32")
    args = parser.parse_args()
    if reasons := report(args.path, args.openai):
        print(f"This cannot be taken for the paper's model: {'; '.join(reasons)}.")
        sys.exit(1)
    print("This can be the paper's model: CLIP's image tower to the bit, and a text tower fine-tuned from CLIP's.")


if __name__ == "__main__":
    try:
        run(main)
    except SystemExit as end:
        if not isinstance(end.code, str):
            raise
        print(end.code, file=sys.stderr)  # why a file cannot be read
        sys.exit(2)
