"""Put a run's headline table and first figure into the README, so that what it shows was made and not typed.

::

    python -m pipeline_lib.paper.readme --tables results/tables.parquet --figure results/figures/intro.svg \\
        --readme README.md --copy docs/intro.svg

What stands between the lines ``<!-- headline -->`` and ``<!-- /headline -->`` is replaced by the table, with the date
and the machine; the figure is copied to where the README shows it.
"""

import argparse
import datetime
import os
import platform
import re
from pathlib import Path

from pipeline_lib.command import run
from pipeline_lib.files import write_text
from pipeline_lib.paper.layout import headline
from pipeline_lib.paper.schema import read_tables

BLOCK = re.compile(r"(<!-- headline -->\n).*?(<!-- /headline -->)", re.DOTALL)


def main() -> None:
    """Update the README that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("tables", "figure", "readme", "copy"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    tables, run_name = read_tables(args.tables)
    machine = f"{len(os.sched_getaffinity(0))} cores ({platform.machine()}), no GPU"
    made = f"Run `{run_name}`, made by `make tables` on {datetime.date.today()}, {machine}."
    text = args.readme.read_text(encoding="utf-8")
    if len(BLOCK.findall(text)) != 1:
        raise ValueError(f"{args.readme}: expected one block between <!-- headline --> and <!-- /headline -->")
    arranged = headline(tables)
    block = f"{arranged.to_markdown()}\n\n{arranged.explanation()}\n{made}\n"
    write_text(args.readme, BLOCK.sub(lambda found: found[1] + block + found[2], text))
    write_text(args.copy, args.figure.read_text(encoding="utf-8"))


if __name__ == "__main__":
    run(main)
