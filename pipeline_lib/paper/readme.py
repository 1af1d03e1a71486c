"""Put a run's numbers and its first figure into the README, so that what it shows was made and not typed.

::

    python -m pipeline_lib.paper.readme --tables results/tables.parquet --record results/miniature/.../run.json \\
        --figure results/figures/intro.svg --readme README.md --copy docs/intro.svg

Between ``<!-- headline -->`` and ``<!-- /headline -->`` goes the headline table, between ``<!-- beside -->`` and
``<!-- /beside -->`` the ablation beside the paper's; the figure is copied to where the README shows it. Device and
commit are the run's own, from the record of one of its models; the date is that of the tables' file.
"""

import argparse
import datetime
import re
from pathlib import Path

import pandas as pd

from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_json, write_text
from pipeline_lib.paper.tables.layout import headline
from pipeline_lib.paper.tables.schema import read_tables
from pipeline_lib.paper.tables.tidy import PAPER_PROMPT

# What is compared: words, the paper's number (ViT-B/32; with provenance), and the miniature's cells.
BESIDE = (
    ("CLIP on CC-Neg", "65.8 (a re-run of the released model)", ("ccneg", "mini-rn", "cc-neg", "accuracy")),
    ("CoN-CLIP on CC-Neg", "99.7", ("ccneg", "conclip-rn-s0", "cc-neg", "accuracy")),
    ("… trained with L1 only", "99.8", ("ablation", "l1-rn-s0", "cc-neg", "accuracy")),
    ("… with L2 only", "56.1", ("ablation", "l2-rn-s0", "cc-neg", "accuracy")),
    ("… with L1 on CREPE-Negate", "69.8", ("ablation", "crepe-rn-s0", "cc-neg", "accuracy")),
    ("mean zero-shot top-1, CoN-CLIP − CLIP", "+2.95", ("zeroshot", "conclip-rn-s0", "mean", "gain")),
    ("top-1 with the negated prompt, CLIP", "89.3 (CIFAR-10)", ("negated-prompt", "mini-rn", "mean", "top1")),
    ("… CoN-CLIP", "43.0 (CIFAR-10)", ("negated-prompt", "conclip-rn-s0", "mean", "top1")),
)


def beside(tables: pd.DataFrame) -> str:
    """Return the Markdown table of `BESIDE` for a run of the miniature.

    Raises
    ------
    ValueError
        If one of its cells is not in the tables.
    """
    prompts = tables.table.map({"zeroshot": PAPER_PROMPT, "negated-prompt": "negated"})
    rows = tables[prompts.isna() | (tables.prompt == prompts)]
    values = rows.set_index(["table", "model", "dataset", "metric"])["value"]
    lines = ["| | the paper, CLIP ViT-B/32 | the miniature, mini-rn |", "|---|---|---|"]
    for words, published, cell in BESIDE:
        if cell not in values.index:
            raise ValueError(f"the tables have no cell {cell}; they must be of the run miniature")
        number = values.loc[cell].item()
        lines.append(
            f"| {words} | {published} | {number:+.1f} |"
            if cell[-1] == "gain"
            else f"| {words} | {published} | {number:.1f} |"
        )
    return "\n".join(lines)


def replace_block(text: str, name: str, content: str) -> str:
    """Return `text` with `content` between the lines ``<!-- name -->`` and ``<!-- /name -->``.

    Raises
    ------
    ValueError
        If there is not exactly one such block.
    """
    block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if len(block.findall(text)) != 1:
        raise ValueError(f"the README needs one block between <!-- {name} --> and <!-- /{name} -->")
    return block.sub(lambda found: f"{found[1]}{content}\n{found[2]}", text)


def main() -> None:
    """Update the README that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("tables", "record", "figure", "readme", "copy"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    tables, run_name = read_tables(args.tables)
    record = read_json(args.record)
    date = datetime.date.fromtimestamp(args.tables.stat().st_mtime)
    made = f"Run `{run_name}`, made by `make tables` on {date}, {record['device']}, commit {record['commit'][:9]}."
    arranged = headline(tables)
    text = args.readme.read_text(encoding="utf-8")
    text = replace_block(text, "headline", f"{arranged.to_markdown()}\n\n{arranged.explanation()}\n{made}")
    text = replace_block(text, "beside", beside(tables))
    write_text(args.readme, text)
    write_text(args.copy, args.figure.read_text(encoding="utf-8"))


if __name__ == "__main__":
    run(main)
