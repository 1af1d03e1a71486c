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
from pipeline_lib.paper.tables.published import Number, PublishedCell, read_published
from pipeline_lib.paper.tables.schema import read_tables

LINE_WIDTH = 100
B32 = "ViT-B/32"
# What is compared: words; the published cell (table, model, backbone, dataset, prompt, metric; without a backbone where
# the paper does not name it); the miniature's cell (table, model, dataset, prompt, metric).
BESIDE = (
    ("CLIP on CC-Neg",
     ("ccneg", "CLIP", B32, "cc-neg", "", "accuracy"), ("ccneg", "mini-rn", "cc-neg", "", "accuracy")),
    ("CoN-CLIP on CC-Neg",
     ("ccneg", "CoN-CLIP", B32, "cc-neg", "", "accuracy"), ("ccneg", "conclip-rn-s0", "cc-neg", "", "accuracy")),
    ("… trained with L1 only",
     ("ablation", "L1", B32, "cc-neg", "", "accuracy"), ("ablation", "l1-rn-s0", "cc-neg", "", "accuracy")),
    ("… with L2 only",
     ("ablation", "L2", B32, "cc-neg", "", "accuracy"), ("ablation", "l2-rn-s0", "cc-neg", "", "accuracy")),
    ("… with L1 on CREPE-Negate",
     ("ablation", "CREPE-Negate L1", B32, "cc-neg", "", "accuracy"),
     ("ablation", "crepe-rn-s0", "cc-neg", "", "accuracy")),
    ("mean zero-shot top-1 with the bare prompt, CoN-CLIP − CLIP",
     ("zeroshot-gain", "CoN-CLIP", B32, "zero-shot", "bare", "mean gain"),
     ("zeroshot", "conclip-rn-s0", "mean", "bare", "gain")),
    ("… with the plain prompt, as in the table above",
     ("zeroshot-gain", "CoN-CLIP", B32, "zero-shot", "plain", "mean gain"),
     ("zeroshot", "conclip-rn-s0", "mean", "plain", "gain")),
    ("top-1 with the negated prompt, CLIP (the paper: CIFAR-10, backbone not named)",
     ("negated-prompt", "CLIP", "", "cifar-10", "negated", "top1"),
     ("negated-prompt", "mini-rn", "mean", "negated", "top1")),
    ("… CoN-CLIP",
     ("negated-prompt", "CoN-CLIP", "", "cifar-10", "negated", "top1"),
     ("negated-prompt", "conclip-rn-s0", "mean", "negated", "top1")),
)  # fmt: skip


def beside(tables: pd.DataFrame, published: dict[PublishedCell, Number]) -> str:
    """Return `BESIDE` as a Markdown table; the paper's cell is empty where no number is known."""
    values = tables.fillna({"prompt": ""}).set_index(["table", "model", "dataset", "prompt", "metric"])["value"]
    lines = ["| | the paper, CLIP ViT-B/32 | the miniature, mini-rn |", "|---|---|---|"]
    for words, papers_cell, cell in BESIDE:
        if cell not in values.index:
            raise ValueError(f"the tables have no cell {cell}; they must be of the run miniature")
        sign = "+" if cell[-1] == "gain" else ""
        number = published.get(papers_cell)
        papers = f"{number.value:{sign}.2f}" if number else ""
        papers += f" ({number.provenance})" if number and number.provenance != "paper" else ""
        lines.append(f"| {words} | {papers} | {values.loc[cell].item():{sign}.1f} |")
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
    to_readme = ("readme", "published", "record", "figure", "copy")
    for name in to_readme:
        parser.add_argument(f"--{name}", type=Path, help="to update the README")
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
