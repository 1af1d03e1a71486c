"""Print the headline table of a run: CLIP and CoN-CLIP of every backbone, one column per benchmark.

python -m pipeline_lib.paper.headline --tables results/tables.parquet
"""

import argparse
import textwrap

from pipeline_lib.jobs.cli import run
from pipeline_lib.paper.tables.layout import headline
from pipeline_lib.paper.tables.schema import read_tables

LINE_WIDTH = 100


def main() -> None:
    """Print the table and one line that explains it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", required=True, help="the tidy table, Parquet")
    tables, run_name = read_tables(parser.parse_args().tables)
    arranged = headline(tables)
    explanation = textwrap.fill(arranged.explanation(), width=LINE_WIDTH)
    print(f"Run: {run_name}\n\n{arranged.to_markdown()}\n\n{explanation}")


if __name__ == "__main__":
    run(main)
