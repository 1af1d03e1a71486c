"""Print the headline table of a run, or put the run's numbers and its first figure into the README.

::

    python -m pipeline_lib.paper.headline --tables results/tables.parquet
    python -m pipeline_lib.paper.headline --tables results/tables.parquet --readme README.md \\
        --published config/published.tsv --record results/miniature/.../run.json \\
        --figure results/figures/intro.svg --copy docs/intro.svg

The headline table has CLIP and CoN-CLIP of every backbone, one column per benchmark. In the README it goes between
``<!-- headline -->`` and ``<!-- /headline -->``; between ``<!-- beside -->`` and ``<!-- /beside -->`` go numbers of the
miniature beside those of the paper, and the figure is copied to where the README shows it. Device and commit are the
run's own, from the record of one of its models; the date is that of the tables' file.
"""

import argparse
import datetime
import re
import textwrap
from pathlib import Path

import pandas as pd

from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_json, write_text
from pipeline_lib.paper.tables.overview import headline
from pipeline_lib.paper.tables.published import Published, published_cell, read_published
from pipeline_lib.paper.tables.schema import read_tables

LINE_WIDTH = 100
PAPERS_BACKBONE = "vit-b32"
#: What is compared: words -> table, model, dataset, prompt and metric of the miniature's number.
BESIDE = {
    "CLIP on CC-Neg": ("ccneg", "mini-rn", "cc-neg", "", "accuracy"),
    "CoN-CLIP on CC-Neg": ("ccneg", "conclip-rn-s0", "cc-neg", "", "accuracy"),
    "… trained with L1 only": ("ablation", "l1-rn-s0", "cc-neg", "", "accuracy"),
    "… with L2 only": ("ablation", "l2-rn-s0", "cc-neg", "", "accuracy"),
    "… with L1 on CREPE-Negate": ("ablation", "crepe-rn-s0", "cc-neg", "", "accuracy"),
    "mean zero-shot top-1 with the bare prompt, CoN-CLIP − CLIP":
        ("zeroshot", "conclip-rn-s0", "mean", "bare", "gain"),
    "… with the plain prompt, as in the table above": ("zeroshot", "conclip-rn-s0", "mean", "plain", "gain"),
    "top-1 with the negated prompt, CLIP (the paper: CIFAR-10, backbone not named)":
        ("negated-prompt", "mini-rn", "mean", "negated", "top1"),
    "… CoN-CLIP": ("negated-prompt", "conclip-rn-s0", "mean", "negated", "top1"),
}  # fmt: skip


def beside(tables: pd.DataFrame, published: Published) -> str:
    """Return `BESIDE` as a Markdown table; the paper's cell is empty where no number is known."""
    rows = tables.set_index(["table", "model", "dataset", tables.prompt.fillna(""), "metric"], drop=False)
    lines = ["| | the paper, CLIP ViT-B/32 | the miniature, mini-rn |", "|---|---|---|"]
    for words, place in BESIDE.items():
        if place not in rows.index:
            raise ValueError(f"the tables have no cell {place}; they must be of the run miniature")
        (row,) = rows.loc[[place]].to_dict("records")
        cell = published_cell({**row, "backbone": PAPERS_BACKBONE})
        if row["prompt"] == "negated":
            cell = (*cell[:2], "", "cifar-10", *cell[4:])
        sign, number, papers = "+" if row["metric"] == "gain" else "", published.get(cell), ""
        if number:
            papers = f"{number.value:{sign}.2f}" + (f" ({number.provenance})" if number.provenance != "paper" else "")
        lines.append(f"| {words} | {papers} | {row['value']:{sign}.1f} |")
    return "\n".join(lines)


def replace_block(text: str, name: str, content: str) -> str:
    """Return `text` with `content` between the lines ``<!-- name -->`` and ``<!-- /name -->``."""
    block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if len(block.findall(text)) != 1:
        raise ValueError(f"the README needs one block between <!-- {name} --> and <!-- /{name} -->")
    return block.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


def main() -> None:
    """Print the table with one line that explains it, or update the README that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, required=True, help="the tidy table, Parquet")
    to_readme = {
        "readme": "README to update, which needs the other options too",
        "published": "published numbers, TSV",
        "record": "run.json of a model, for device and commit",
        "figure": "figure to copy",
        "copy": "output: the copy of the figure",
    }
    for name, what in to_readme.items():
        parser.add_argument(f"--{name}", type=Path, help=what)
    args = parser.parse_args()
    tables, run_name = read_tables(args.tables)
    arranged = headline(tables)
    if args.readme is None:
        explanation = textwrap.fill(arranged.explanation(), width=LINE_WIDTH)
        print(f"Run: {run_name}\n\n{arranged.to_markdown()}\n\n{explanation}")
        return
    if missing := [f"--{name}" for name in to_readme if getattr(args, name) is None]:
        parser.error(f"to update the README, give {' '.join(missing)} too")
    record = read_json(args.record)
    date = datetime.date.fromtimestamp(args.tables.stat().st_mtime)
    commit = (record["commit"] or "unknown")[:9]
    made = f"Run `{run_name}`, made by `make tables` on {date}, {record['device']}, commit {commit}."
    text = args.readme.read_text(encoding="utf-8")
    text = replace_block(text, "headline", f"{arranged.to_markdown()}\n\n{arranged.explanation()}\n{made}")
    text = replace_block(text, "beside", beside(tables, read_published(args.published)))
    write_text(args.readme, text)
    write_text(args.copy, args.figure.read_text(encoding="utf-8"))


if __name__ == "__main__":
    run(main)
