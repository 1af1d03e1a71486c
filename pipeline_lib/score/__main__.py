"""Score images with captions of your own, by models of a run or by any other CLIP.

::

    python -m pipeline_lib.score "a photo of a dog" "not a photo of a dog" --image dog.jpg --model conclip-rn-s0
    python -m pipeline_lib.score --captions captions.txt --image photos --output scores.csv \\
        --model results/paper/finetune/conclip-b32-s0/model.pt --model open_clip:ViT-B-32/laion2b_s34b_b79k

`pipeline_lib.score.models` lists what a model may be, docs/score.md the files. Prints a table of the first images, and
writes all rows to ``--output``: ``model``, ``image``, ``caption``, ``score`` (cosine) and ``share``.
"""

import argparse
import shutil
import sys
import textwrap
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from pipeline_lib.clip.load import ACTIVATIONS
from pipeline_lib.clip.training import pick_device, use_threads
from pipeline_lib.evaluate.split import split
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.cores import usable_cores
from pipeline_lib.jobs.files import atomic, write_parquet
from pipeline_lib.jobs.run_record import SUBTRACTED
from pipeline_lib.score import score
from pipeline_lib.score.inputs import find_pairs
from pipeline_lib.score.models import find_models

ROWS_SHOWN = 60


def main() -> None:
    """Score the images that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("texts", nargs="*", metavar="caption", help="each in quotes; or a file with --captions")
    add("--captions", type=Path, help="a .txt, one per line, or a .csv, .tsv, .parquet with caption and, maybe, image")
    add("--image", type=Path, nargs="+", action="extend", default=[], help="files, folders, .zip, .tar")
    add("--model", required=True, action="append", help="a model of a run, a checkpoint, open_clip:..., ...")
    add("--run", help="folder below the results; the one whose tables are shown if left out")
    add("--results", type=Path, default=Path("results"), help="folder of all runs")
    add("--activation", choices=ACTIVATIONS, help="of checkpoints that do not name theirs")
    add("--subtract", type=float, metavar="WEIGHT", help="score by subtraction too, with this weight, such as 0.85")
    add("--output", type=Path, help="a .csv or .parquet for all rows")
    args = parser.parse_intermixed_args()
    if args.output and args.output.suffix not in (".csv", ".parquet"):
        raise ValueError(f"--output {args.output}: expected a .csv or .parquet")
    if args.texts and args.captions:
        raise ValueError(f"expected captions in quotes or in {args.captions}, found both: {args.texts[0]!r:.200}")
    images, pairs = find_pairs(args.image, args.texts, args.captions)
    models = find_models(args.model, args.results, args.run, args.activation)
    use_threads(usable_cores())
    device, parts = pick_device(), []
    weights = {"": None} if args.subtract is None else {"": None, SUBTRACTED: args.subtract}
    for name, load in models.items():
        scored = score(load(device), device, images, pairs, [*weights.values()])
        parts += [part.assign(model=name + added) for added, part in zip(weights, scored, strict=True)]
    scores = pd.concat(parts, ignore_index=True)[["model", "image", "caption", "score", "share"]]
    show(scores)
    for said in [] if args.subtract is None else map(split, pairs["caption"].unique()[:ROWS_SHOWN]):
        if said.denied:
            print(textwrap.fill(f"subtraction: affirms {said.affirmed!r}, denies {said.denied}", 80))
    if args.output:
        write(args.output, scores)


def write(path: Path, scores: pd.DataFrame) -> None:
    """Write all rows, aside first."""
    if path.suffix == ".parquet":
        write_parquet(path, scores)
    else:
        with atomic(path) as aside:
            scores.to_csv(aside, index=False)
    print(f"{path}: {len(scores):,} rows", file=sys.stderr)


def show(scores: pd.DataFrame) -> None:
    """Print the first rows as a table as wide as the terminal, the models of each pair one under the other."""
    best = scores["score"] == scores.groupby(["model", "image"])["score"].transform("max")
    several = scores.groupby(["model", "image"])["score"].transform("size") > 1
    pair = scores.groupby("model").cumcount()
    rows = scores.assign(mark=(best & several).map({True: " *", False: "  "}), pair=pair)
    rows = rows.sort_values("pair", kind="stable")[:ROWS_SHOWN]
    table = pd.DataFrame(
        {
            "image": rows["image"].where(rows["image"] != rows["image"].shift(), ""),
            "caption": rows["caption"].where(rows["pair"] != rows["pair"].shift(), ""),
            "model": rows["model"],
            "score": (100 * rows["score"]).map("{:.2f}".format) + rows["mark"],
            "share": (100 * rows["share"]).map("{:.1f}%".format),
        }
    )
    seventh = (shutil.get_terminal_size().columns - 24) // 7
    look = {
        "colalign": ["left", "left", "left", "right", "right"],
        "maxcolwidths": [2 * seventh, 3 * seventh, 2 * seventh],
    }
    print(tabulate(table, "keys", "simple", showindex=False, disable_numparse=True, **look))
    if len(scores) > ROWS_SHOWN:
        print(f"... and {len(scores) - ROWS_SHOWN:,} further rows, all of which --output FILE.csv writes")
    print("score: 100 × cosine, * the image's best; share: softmax over its captions.")


if __name__ == "__main__":
    run(main)
