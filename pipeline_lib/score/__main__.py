"""Score an image with captions of your own, by CLIP and by models trained from it.

::

    python -m pipeline_lib.score --model conclip-rn-s0 --image dog.jpg \\
        "this is a photo of a dog" "this is not a photo of a dog"

Models are those of a finished run, by name; the CLIP that each started from is added. Prints a table, or JSON with
cosines and shares as they are (`pipeline_lib.score` defines both). Takes a few seconds. With ``--subtract`` each model
stands there twice, the second time with captions scored as what they affirm minus what they deny.
"""

import argparse
import json
import textwrap
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from pipeline_lib.evaluate.split import split
from pipeline_lib.jobs.cli import run
from pipeline_lib.score import FORMATS, check_captions, find_models, find_run, read_image, score

LINE_WIDTH = 80
CAPTION_WIDTH, MODEL_WIDTH = 24, 16  # columns of the table, in characters; the captions have what others leave


def main() -> None:
    """Score the image that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--model", required=True, action="append", help="a model of the run; may be given several times")
    add("--image", required=True, type=Path, help=", ".join(FORMATS))
    add("--run", help="folder below the results; the one whose tables are shown if left out")
    add("--results", type=Path, default=Path("results"), help="folder of all runs")
    add("--subtract", type=float, metavar="WEIGHT", help="score by subtraction too, with this weight, such as 0.85")
    add("--json", action="store_true", help="print JSON")
    add("captions", nargs="+", help="captions, each in quotes")
    args = parser.parse_args()
    run_folder = find_run(args.results, args.run)
    models = find_models(run_folder, args.model)
    check_captions(args.captions)
    scores = score(models, {str(args.image): read_image(args.image)}, args.captions, args.subtract)
    by_model = list(scores.groupby(["model", "family", "backbone"], sort=False))
    if args.json:
        content = {"run": run_folder.name, "image": str(args.image), "captions": args.captions}
        content["models"] = [
            {"model": model, "family": family, "backbone": backbone, "cosines": scored.cosine.tolist(),
             "shares": scored.share.tolist(), "prefers": preferred(scored.cosine)}
            for (model, family, backbone), scored in by_model
        ]  # fmt: skip
        print(json.dumps(content, indent=2, ensure_ascii=False))
        return
    print(f"run {run_folder.name}, {args.image}")
    together = (LINE_WIDTH - CAPTION_WIDTH) // (MODEL_WIDTH + 2)  # many models take several tables
    for first in range(0, len(by_model), together):
        print(f"\n{as_table(by_model[first : first + together], args.captions)}")
    print("\nscore: 100 × cosine; share: softmax over the captions at the logit scale.")
    for number, said in enumerate(map(split, args.captions if args.subtract is not None else []), 1):
        if said.denied:
            print(textwrap.fill(f"subtraction: {number} affirms {said.affirmed!r}, denies {said.denied}", LINE_WIDTH))


def preferred(cosines: pd.Series) -> int | None:
    """Return the caption with the highest cosine, counted from 1; None where several have it."""
    best = (cosines == cosines.max()).to_numpy()
    return int(best.argmax()) + 1 if best.sum() == 1 else None


def as_table(by_model: list[tuple[tuple, pd.DataFrame]], captions: list[str]) -> str:
    """Return the scores of an image by models, at most `LINE_WIDTH` characters wide."""
    width = LINE_WIDTH - len(by_model) * (MODEL_WIDTH + 2)
    lines = [textwrap.fill(f"{n}  {text}", width, subsequent_indent="   ") for n, text in enumerate(captions, 1)]
    columns = {"caption": [*lines, "prefers"]}
    for (model, family, _), scored in by_model:
        names = [line for name in (family, model) for line in textwrap.wrap(name, MODEL_WIDTH)]
        cells = [f"{100 * row.cosine:6.2f} {100 * row.share:6.1f}%" for row in scored.itertuples()]
        best = preferred(scored.cosine)
        columns["\n".join([*names, "score   share"])] = [*cells, "none (a tie)" if best is None else f"caption {best}"]
    align = ["left", *["right"] * len(by_model)]
    return tabulate(columns, "keys", "simple", colalign=align, disable_numparse=True)


if __name__ == "__main__":
    run(main)
