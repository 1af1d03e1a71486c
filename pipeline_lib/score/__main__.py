"""Score an image with captions of your own, by CLIP and by models trained from it: the paper's introductory example.

::

    python -m pipeline_lib.score --model conclip-rn-s0 --image dog.jpg \\
        "this is a photo of a dog" "this is not a photo of a dog"

Models are those of a finished run, by name; the CLIP that each started from is added. For an image with feature f and m
captions with features t_i, all of length 1, and a model's logit scale s::

    score_i = 100 cos(f, t_i)        share_i = exp(s cos(f, t_i)) / sum_j exp(s cos(f, t_j))

Input: an image, captions. Output: a table, or JSON with cosines and shares as they are. Takes a few seconds.
"""

import argparse
import json
import textwrap
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image, UnidentifiedImageError
from tabulate import tabulate
from torch.nn import functional

from pipeline_lib.clip.load import CLIP, load_clip, preprocess, tokenize
from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.evaluate.result import read_model
from pipeline_lib.fetch.images import own_pixel_limit
from pipeline_lib.formats.pixels import FORMATS, as_shown, open_image
from pipeline_lib.jobs.cli import run

MOST_PIXELS = 100_000_000  # 300 MB once decoded
LINE_WIDTH = 80
CAPTION_WIDTH, MODEL_WIDTH = 24, 16  # columns of the table, in characters; the captions have what others leave
STAGES = ("backbones", "finetune")  # that make models


class Scored(NamedTuple):
    """What a model makes of an image and m captions.

    Attributes
    ----------
    model, family, backbone : str
        Name, method, and the CLIP that it started from.
    cosines, shares : list of float
        m cosines of image and caption, and their softmax at the model's logit scale.
    """

    model: str
    family: str
    backbone: str
    cosines: list[float]
    shares: list[float]

    @property
    def prefers(self) -> int | None:
        """The caption with the highest cosine, counted from 1; None where several have it."""
        highest = max(self.cosines)
        return self.cosines.index(highest) + 1 if self.cosines.count(highest) == 1 else None


def find_run(results: Path, name: str | None) -> Path:
    """Return the folder of a run: `name`'s, or that of the run whose tables are shown.

    Raises
    ------
    FileNotFoundError
        If there is none; the message says what makes one, or which there are.
    """
    active = results / "active-run.txt"
    if name is None and active.is_file():
        name = active.read_text().strip()
    if name is not None and (results / name).is_dir():
        return results / name
    stage_folders = (path.parent.parent for stage in STAGES for path in results.glob(f"*/{stage}/*"))
    runs = sorted({path.name for path in stage_folders})
    found = f"{results} has models of {', '.join(runs)}: name one with --run" if runs else "`make tables` makes one"
    raise FileNotFoundError(f"{results / name if name else active}: no such run; {found}")


def find_models(run_folder: Path) -> dict[str, Path]:
    """Return the folder of each model of a run, by name: CLIPs and released models first, then fine-tuned ones.

    Raises
    ------
    FileNotFoundError
        If the run has no model yet.
    """
    files = [path for stage in STAGES for path in sorted(run_folder.glob(f"{stage}/*/model.pt"))]
    if not files:
        raise FileNotFoundError(
            f"{run_folder}: this run has no model yet; `snakemake --cores 8 results/tables.parquet`, with the run's "
            "--configfile, makes all"
        )
    return {path.parent.name: path.parent for path in files}


def with_their_clips(names: list[str], folders: dict[str, Path]) -> dict[str, dict]:
    """Return what ``run.json`` says of each model, each CLIP before the models that started from it.

    Raises
    ------
    ValueError
        If the run has no model of a name; the message lists those that there are.
    """
    said: dict[str, dict] = {}
    for name in names:
        if name not in folders:
            raise ValueError(f"no model {name!r}; this run has {', '.join(folders)}")
        clip = read_model(folders[name] / "run.json")["backbone"]
        if clip not in folders:
            raise ValueError(
                f"{folders[name]}: the model started from {clip!r}, which this run has no more; it has "
                f"{', '.join(folders)}"
            )
        said |= {each: read_model(folders[each] / "run.json") for each in (clip, name)}
    return dict(sorted(said.items(), key=lambda item: list(said).index(item[1]["backbone"])))


def read_image(path: Path) -> Image.Image:
    """Return an image as the pipeline would store it: upright and RGB, transparency on white.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is none of the formats that the pipeline reads, does not decode, or is too large.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such image")
    try:
        with own_pixel_limit(), open_image(path.read_bytes()) as image:
            if (pixels := image.width * image.height) <= MOST_PIXELS:
                return as_shown(image).copy()
    except UnidentifiedImageError:
        raise ValueError(f"{path}: expected an image ({', '.join(FORMATS)}), found something else") from None
    except Exception as error:  # decoders meet damaged bytes with whatever they run into
        raise ValueError(f"{path}: the image does not decode ({error!r:.200})") from error
    raise ValueError(f"{path}: expected at most {MOST_PIXELS:,} pixels, found {pixels:,}; make the image smaller")


@torch.no_grad()
def score(model: CLIP, image: Image.Image, captions: list[str]) -> tuple[list[float], list[float]]:
    """Return the cosine of the image with each caption, and their softmax at the model's logit scale.

    Parameters
    ----------
    model : CLIP
        On the CPU.
    image : PIL.Image.Image
        RGB.
    captions : list of str
        m captions.

    Returns
    -------
    cosines, shares : list of float
        m of each.
    """
    pixels = preprocess(model.visual.input_resolution)(image)
    feature = functional.normalize(model.encode_image(pixels[None]).float(), dim=-1)  # (1, d)
    cosines = (encode_captions(model, captions) * feature).sum(dim=1)  # (m,); `@` may tell equal rows apart
    return cosines.tolist(), (model.logit_scale.exp() * cosines).softmax(dim=0).tolist()


def as_table(scored: list[Scored], captions: list[str]) -> str:
    """Return the table that the command prints, at most 80 characters wide; many models take several."""
    together = (LINE_WIDTH - CAPTION_WIDTH) // (MODEL_WIDTH + 2)
    parts = [scored[first : first + together] for first in range(0, len(scored), together)]
    return "\n\n".join(_one_table(part, captions) for part in parts)


def _one_table(scored: list[Scored], captions: list[str]) -> str:
    width = LINE_WIDTH - len(scored) * (MODEL_WIDTH + 2)
    lines = [
        "\n".join(textwrap.wrap(f"{number}  {caption}", width, subsequent_indent="   "))
        for number, caption in enumerate(captions, start=1)
    ]
    columns = {"caption": [*lines, "prefers"]}
    for each in scored:
        names = [line for name in (each.family, each.model) for line in textwrap.wrap(name, MODEL_WIDTH)]
        cells = [
            f"{100 * cosine:6.2f} {100 * share:6.1f}%" for cosine, share in zip(each.cosines, each.shares, strict=True)
        ]
        preferred = "none (a tie)" if each.prefers is None else f"caption {each.prefers}"
        columns["\n".join([*names, "score   share"])] = [*cells, preferred]
    align = ["left", *["right"] * len(scored)]
    return tabulate(columns, "keys", "simple", colalign=align, disable_numparse=True)


def main() -> None:
    """Score the image that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--model", required=True, action="append", help="a model of the run; may be given several times"
    )
    parser.add_argument("--image", required=True, type=Path, help=", ".join(FORMATS))
    parser.add_argument("--run", help="folder below the results; the one whose tables are shown if left out")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of all runs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("captions", nargs="+", help="captions, each in quotes")
    args = parser.parse_args()
    run_folder = find_run(args.results, args.run)
    folders = find_models(run_folder)
    said = with_their_clips(args.model, folders)
    for number, caption in enumerate(args.captions, start=1):
        if not caption.strip():
            raise ValueError(f"caption {number} is empty")
    tokenize(args.captions)  # refuses what is too long before a model is loaded
    image = read_image(args.image)
    scored = []
    for name, model in said.items():
        found = score(load_clip(folders[name] / "model.pt"), image, args.captions)
        scored.append(Scored(name, model["family"], model["backbone"], *found))
    if args.json:
        models = [{**each._asdict(), "prefers": each.prefers} for each in scored]
        content = {"run": run_folder.name, "image": str(args.image), "captions": args.captions, "models": models}
        print(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        print(f"run {run_folder.name}, {args.image}\n\n{as_table(scored, args.captions)}\n")
        print("score: 100 × cosine; share: softmax over the captions at the logit scale.")


if __name__ == "__main__":
    run(main)
