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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import csv
from pyarrow import parquet as pq
from tabulate import tabulate

from pipeline_lib.clip.load import ACTIVATIONS
from pipeline_lib.clip.training import pick_device, use_threads
from pipeline_lib.evaluate.split import split
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.cores import usable_cores
from pipeline_lib.jobs.files import PARQUET, atomic
from pipeline_lib.jobs.run_record import SUBTRACTED
from pipeline_lib.score import score
from pipeline_lib.score.inputs import find_inputs
from pipeline_lib.score.models import find_models

ROWS_SHOWN = 60
MOST_ROWS = 10**9
TEXTS, NUMBERS = ("model", "image", "caption"), ("score", "share")
COLUMNS = pa.schema([*((name, pa.string()) for name in TEXTS), *((name, pa.float64()) for name in NUMBERS)])


def main() -> None:
    """Score the images that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("texts", nargs="*", metavar="caption", help="captions, each in quotes; or give --captions")
    add(
        "--captions",
        type=Path,
        help=".txt with a caption per line, or .csv, .tsv, .parquet with a column caption and maybe image",
    )
    add("--image", type=Path, nargs="+", action="extend", default=[], help="images: files, folders, .zip or .tar")
    add(
        "--model",
        required=True,
        action="append",
        help="a model of a run, a checkpoint, openai:NAME, open_clip:NAME or transformers:NAME; repeatable",
    )
    add("--run", help="run that a model is of (default: the last run)")
    add("--results", type=Path, default=Path("results"), help="folder of all runs (default: results)")
    add("--activation", choices=ACTIVATIONS, help="activation of checkpoints that do not name theirs")
    add(
        "--subtract",
        type=float,
        metavar="WEIGHT",
        help="score by subtraction too, with this weight, such as 0.85 (default: not)",
    )
    add("--output", type=Path, help="output: all scores, .csv or .parquet (default: print the first)")
    args = parser.parse_intermixed_args()
    if args.output and args.output.suffix not in (".csv", ".parquet"):
        raise ValueError(f"--output {args.output}: expected a .csv or .parquet")
    if args.texts and args.captions:
        raise ValueError(f"expected captions in quotes or in {args.captions}, found both: {args.texts[0]!r:.200}")
    images, asked = find_inputs(args.image, args.texts, args.captions)
    models = find_models(args.model, args.results, args.run, args.activation)
    weights = {None: ""} if args.subtract is None else {None: "", args.subtract: SUBTRACTED}
    pairs = len(asked) if "image" in asked else len(images) * len(asked)
    rows = pairs * len(models) * len(weights)
    if args.output and rows > MOST_ROWS:
        raise ValueError(
            f"expected at most {MOST_ROWS:,} scores at a time, some 80 GB as CSV or 17 GB as Parquet, found {rows:,}: "
            f"{pairs:,} of images with captions, times {len(models) * len(weights)} models; ask for a part of them"
        )
    if args.output is None and "image" not in asked:  # no further image would be shown
        images = dict(islice(images.items(), -(-ROWS_SHOWN // len(asked))))
    use_threads(usable_cores())
    device, first = pick_device(), {}
    with writing(args.output) as write:
        for name, load in models.items():
            for weight, block in score(load(device), device, images, asked, [*weights]):
                block.insert(0, "model", name + weights[weight])
                write(block)
                if (name, weight) not in first:
                    first[name, weight] = marked(block)
    show([*first.values()], rows)
    for said in [] if args.subtract is None else map(split, asked["caption"].unique()[:ROWS_SHOWN]):
        if said.denied:
            print(textwrap.fill(f"subtraction: affirms {said.affirmed!r}, denies {said.denied}", 80))
    if args.output:
        print(f"{args.output}: {rows:,} rows", file=sys.stderr)


@contextmanager
def writing(path: Path | None) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Yield what adds rows to the file, which is written aside first; without one they are not kept."""
    if path is None:
        yield lambda block: None
        return
    parquet = path.suffix == ".parquet"
    options = PARQUET if parquet else {"write_options": csv.WriteOptions(quoting_header="needed")}
    with atomic(path) as aside, (pq.ParquetWriter if parquet else csv.CSVWriter)(aside, COLUMNS, **options) as file:
        yield lambda block: file.write(pa.Table.from_pandas(block, schema=COLUMNS, preserve_index=False))


def marked(block: pd.DataFrame) -> pd.DataFrame:
    """Return the first rows of a model's scores, with a ``mark`` at the best of several captions of an image."""
    scores = block.groupby("image")["score"]
    best = (block["score"] == scores.transform("max")) & (scores.transform("size") > 1)
    return block.assign(mark=best.map({True: "* ", False: ""}))[:ROWS_SHOWN]


def show(scores: list[pd.DataFrame], count: int) -> None:
    """Print the first rows as a table as wide as the terminal, the models of each pair one under the other.

    Images and models have a third of the room at most, and stand in one line; captions have the rest.
    """
    rows = pd.concat(scores).rename_axis("pair").reset_index().sort_values("pair", kind="stable")[:ROWS_SHOWN]
    room = shutil.get_terminal_size().columns - 24
    models = rows["model"].str.removesuffix(SUBTRACTED)
    subtracted = models.ne(rows["model"]).map({True: SUBTRACTED, False: ""})
    images, models = shortened(rows["image"], room // 3), shortened(models, room // 3 - 1) + subtracted
    table = pd.DataFrame(
        {
            "image": images.where(rows["image"] != rows["image"].shift(), ""),
            "caption": rows["caption"].where(rows["pair"] != rows["pair"].shift(), ""),
            "model": models,
            "score": rows["mark"] + (100 * rows["score"]).map("{:.2f}".format),
            "share": (100 * rows["share"]).map("{:.1f}%".format),
        }
    )
    image, model = (min(max(map(len, names)), room // 3) for names in (images, models))
    look = {
        "colalign": ["left", "left", "left", "right", "right"],
        "maxcolwidths": [image, room - image - model, model],
    }
    print(tabulate(table, "keys", "simple", showindex=False, disable_numparse=True, **look))
    if count > ROWS_SHOWN:
        print(f"... and {count - ROWS_SHOWN:,} further rows, all of which --output FILE.csv writes")
    print("score: 100 × cosine (*: the image's best); share: softmax over its captions.")


def shortened(names: pd.Series, width: int) -> pd.Series:
    """Return names without the beginning that a column has no room for, if the ends alone tell them apart."""
    ends = names.where(names.str.len() <= width, "…" + names.str[1 - width :])
    return ends if ends.nunique() == names.nunique() else names


if __name__ == "__main__":
    run(main)
