"""Metrics and scores of every model and benchmark -> ``tables.parquet`` and a file per table of the paper and format.

    python -m pipeline_lib.paper.tables --run miniature --ccneg generated --precision fp32 \\
        --published config/published.tsv \\
        --metrics results/miniature/evaluate/*/*.json --output results/tables.parquet --folder results/tables

takes a few seconds on the miniature, and less than a minute on a run of the paper's size. Beside each ``.json`` lies
the ``.parquet`` with the items' scores. Columns of the Parquet file: `pipeline_lib.paper.tables.schema.COLUMNS`; files
in the folder, as CSV, Markdown and LaTeX, and their captions alone: `pipeline_lib.paper.outputs.TABLE_FILES`.
"""

import argparse
from pathlib import Path

from pipeline_lib.evaluate.declaration import EVALUATION_PRECISIONS
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import write_text
from pipeline_lib.paper.tables.claims import claims_files, judge
from pipeline_lib.paper.tables.intervals import with_intervals
from pipeline_lib.paper.tables.metrics import kind_of, read_metrics
from pipeline_lib.paper.tables.overview import layouts
from pipeline_lib.paper.tables.published import read_published, with_verdicts
from pipeline_lib.paper.tables.schema import read_tables, write_tables
from pipeline_lib.paper.tables.tidy import build_tables


def main() -> None:
    """Write the tidy table and its readable forms."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="name of the run, such as miniature")
    parser.add_argument(
        "--ccneg",
        choices=("generated", "released"),
        required=True,
        help="whether CC-Neg was made by this pipeline or is the authors' own",
    )
    parser.add_argument(
        "--precision", choices=EVALUATION_PRECISIONS, required=True, help="evaluate.precision of the config"
    )
    parser.add_argument("--published", required=True, help="published numbers, TSV")
    parser.add_argument(
        "--kinds",
        nargs="*",
        default=[],
        metavar="BENCHMARK=KIND",
        help="kind of a benchmark that is not named after it",
    )
    parser.add_argument(
        "--metrics",
        required=True,
        nargs="+",
        help="MODEL/BENCHMARK.json of all models and benchmarks; items lie beside as Parquet",
    )
    parser.add_argument("--output", required=True, help="output: the tidy table, Parquet")
    parser.add_argument("--folder", required=True, help="output: folder of the readable tables")
    arguments = parser.parse_args()

    published = read_published(arguments.published)
    kinds = dict(pair.partition("=")[::2] for pair in arguments.kinds)
    models, values, items = read_metrics(arguments.metrics, kinds)
    rows = with_intervals(build_tables(models, values), items)
    datasets, contained = set(values.dataset[values.benchmark == "zeroshot"]), values.benchmark.unique()
    in_fp16 = {name for name in contained if arguments.precision == "paper" and kind_of(name, kinds).clip_load}
    rows = with_verdicts(rows, published, datasets, arguments.ccneg == "released", in_fp16)
    write_tables(arguments.output, rows, arguments.run)

    tables, _ = read_tables(arguments.output)
    shown = {name: table.files() for name, table in layouts(tables).items()}
    shown["claims"] = claims_files(judge(tables))
    for name, files in shown.items():
        for suffix, text in files.items():
            write_text(Path(arguments.folder) / f"{name}.{suffix}", text)
    print(f"{len(tables):,} rows of {len(models)} models in {arguments.output}, tables in {arguments.folder}")


if __name__ == "__main__":
    run(main)
