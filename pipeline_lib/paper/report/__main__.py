"""Tables, figures, examples and provenance of a run -> one HTML page that opens from disk without any network.

    python -m pipeline_lib.paper.report --tables results/tables.parquet --folder results/tables \\
        --figures results/figures --fetch results/miniature/fetch/summary.json --config '{"run": "miniature", ...}' \\
        --index results/miniature/shards/index.json --train results/miniature/shards/train.parquet \\
        --eval results/miniature/shards/eval.parquet --images results/miniature/shards/eval-*.tar \\
        --captions results/miniature/captions/*.parquet --scores results/miniature/evaluate/*/ccneg.parquet \\
        --runs results/miniature/finetune/*/run.json --weights results/miniature/finetune/*/model.pt \\
        --benchmarks results/miniature/benchmarks --seed 0 --examples 6 --output results/report.html

takes some five seconds, and the time to hash the weights. Tables are arranged from the tidy table; the folder's CSV
files are embedded for download, the figures as SVG.
"""

import argparse
import json

from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import write_text
from pipeline_lib.paper.figures import fetched
from pipeline_lib.paper.outputs import TABLES
from pipeline_lib.paper.report.gallery import read_galleries
from pipeline_lib.paper.report.page import render
from pipeline_lib.paper.report.sections import (
    SECTIONS,
    beside_the_paper,
    claims_section,
    data_section,
    fetch_section,
    gallery_section,
    provenance_section,
    table_section,
    times_section,
)
from pipeline_lib.paper.tables.layout import headline, layout
from pipeline_lib.paper.tables.schema import read_tables


def main() -> None:
    """Write the page."""
    arguments = parsed()
    tables, run_name = read_tables(arguments.tables)
    config = json.loads(arguments.config)
    layouts = {"headline": headline(tables)} | {name: layout(tables, name) for name in TABLES}
    shown = [name for name in layouts if len(layouts[name].values) or SECTIONS[name]]  # benchmarks that the run has
    in_tables = [table_section(name, layouts[name], arguments.folder, arguments.figures) for name in shown]
    galleries = read_galleries(
        tables, arguments.scores, arguments.eval, arguments.images, arguments.seed, arguments.examples
    )
    sections = [
        in_tables[0],
        claims_section(tables, arguments.folder),
        *in_tables[1:],
        beside_the_paper(tables),
        gallery_section(galleries, arguments.seed),
        data_section(
            {"train": arguments.train, "eval": arguments.eval}, arguments.index, arguments.captions, arguments.figures
        ),
        *([fetch_section(fetched.read_summary(arguments.fetch), arguments.figures)] if arguments.fetch else []),
        times_section(arguments.benchmarks),
        provenance_section(config, arguments.runs, arguments.weights),
    ]
    page = render(
        run=run_name,
        sections=sections,
        models=tables.model[tables.seeds == 1].nunique(),
        rows=len(tables),
    )
    write_text(arguments.output, page)
    print(f"{arguments.output}: {len(page.encode()) / 1e6:.1f} MB")


def parsed() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", required=True, help="the tidy table, Parquet")
    parser.add_argument("--folder", required=True, help="folder of the CSV tables")
    parser.add_argument("--figures", required=True, help="folder of the figures")
    parser.add_argument("--fetch", required=True, nargs="?", help="summary.json of the fetch stage, if it ran")
    parser.add_argument("--index", required=True, help="index.json of the shards")
    parser.add_argument("--train", required=True, help="triplets of the training split, Parquet")
    parser.add_argument("--eval", required=True, help="triplets of the evaluation split, Parquet")
    parser.add_argument("--images", required=True, nargs="+", help="shards of the evaluation split")
    parser.add_argument("--captions", required=True, nargs="*", help="negation tables, if captions were negated here")
    parser.add_argument("--scores", required=True, nargs="*", help="MODEL/ccneg.parquet of every model")
    parser.add_argument("--runs", required=True, nargs="*", help="run.json of every model")
    parser.add_argument("--weights", required=True, nargs="*", help="model.pt of every model")
    parser.add_argument("--benchmarks", required=True, help="folder of the jobs' times")
    parser.add_argument("--config", required=True, help="the configuration of the run, JSON")
    parser.add_argument("--seed", required=True, type=int, help="of the examples")
    parser.add_argument("--examples", required=True, type=int, help="of each kind and backbone")
    parser.add_argument("--output", required=True, help="the page, HTML")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
