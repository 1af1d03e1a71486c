"""Metrics of every model and benchmark -> ``tables.parquet`` and one CSV and Markdown file per table of the paper.

    python -m pipeline_lib.paper.tables --run miniature --published config/published.tsv \\
        --metrics results/miniature/evaluate/*/*.json --output results/tables.parquet --folder results/tables

takes about a second. Columns of the Parquet file: `pipeline_lib.paper.schema.COLUMNS`; files in the folder:
`pipeline_lib.paper.outputs.TABLE_FILES`.
"""

import argparse
from pathlib import Path

from pipeline_lib.command import run
from pipeline_lib.files import write_text
from pipeline_lib.paper.layout import headline, layout
from pipeline_lib.paper.metrics import read_metrics
from pipeline_lib.paper.outputs import TABLES
from pipeline_lib.paper.published import read_published
from pipeline_lib.paper.schema import read_tables, write_tables
from pipeline_lib.paper.tidy import build_tables


def main() -> None:
    """Write the tidy table and its readable forms."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="name of the run, such as miniature")
    parser.add_argument("--published", required=True, help="published numbers, TSV")
    parser.add_argument("--metrics", required=True, nargs="+", help="one JSON per model and benchmark")
    parser.add_argument("--output", required=True, help="the tidy table, Parquet")
    parser.add_argument("--folder", required=True, help="where the CSV and Markdown tables go")
    arguments = parser.parse_args()

    published = read_published(arguments.published)
    models, values = read_metrics(arguments.metrics)
    write_tables(arguments.output, build_tables(models, values, published), arguments.run)
    tables, _ = read_tables(arguments.output)
    layouts = {"headline": headline(tables)} | {name: layout(tables, name) for name in TABLES}
    for name, arranged in layouts.items():
        write_text(Path(arguments.folder) / f"{name}.csv", arranged.to_csv())
        write_text(Path(arguments.folder) / f"{name}.md", arranged.to_page())
    print(f"{len(tables):,} rows of {len(models)} models in {arguments.output}, tables in {arguments.folder}")


if __name__ == "__main__":
    run(main)
