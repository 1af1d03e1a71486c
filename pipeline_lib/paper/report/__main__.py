"""Tables, figures, examples and provenance of a run -> one HTML page that opens from disk without any network.

    python -m pipeline_lib.paper.report --tables results/tables.parquet ... --output results/report.html

takes some five seconds, and the time to hash the weights; the rule ``paper_report`` has every flag. Tables are arranged
from the tidy table. Style, script, figures, images and CSV files are in the page; its content security policy lets it
load nothing and run no script but its own.
"""

import argparse
import base64
import hashlib
import json
from pathlib import Path

import jinja2

from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import write_text
from pipeline_lib.paper.report import sections
from pipeline_lib.paper.report.examples import read_examples
from pipeline_lib.paper.tables.overview import layouts
from pipeline_lib.paper.tables.schema import read_tables

PAGE, STYLE, SCRIPT = ("report.html.j2", "report.css.j2", "report.js.j2")


def main() -> None:
    """Write the page."""
    args = parsed()
    tables, run_name = read_tables(args.tables)
    arranged = layouts(tables)
    # The later benchmarks have no figure; a run need not have them.
    shown = [name for name, table in arranged.items() if len(table.values) or sections.SECTIONS[name]]
    first, *others = (sections.table_section(name, arranged[name]) for name in shown)
    examples = read_examples(tables, args.scores, args.eval, args.images, args.seed, args.examples)
    content = [
        first,
        sections.claims_section(tables),
        *others,
        sections.beside_the_paper(tables),
        sections.examples_section(examples, args.seed),
        sections.data_section({"train": args.train, "eval": args.eval}, args.index, args.captions),
        *([sections.fetch_section(args.fetch)] if args.fetch else []),
        sections.times_section(args.benchmarks),
        sections.provenance_section(json.loads(args.config), args.runs, args.weights),
    ]
    for section in content:
        section.figures = sections.read_figures(section.name, args.figures)
    models = tables.model[tables.seeds == 1].nunique()
    page = render(run=run_name, sections=content, models=models, rows=len(tables))
    write_text(args.output, page)
    print(f"{args.output}: {len(page.encode()) / 1e6:.1f} MB")


def render(**content: object) -> str:
    """Return the page; `content` is what its template shows."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": sections.cell, "data_uri": data_uri, "written": sections.written}
    style, script = (environment.get_template(name).render() for name in (STYLE, SCRIPT))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return environment.get_template(PAGE).render(style=style, script=script, script_hash=digest, **content)


def data_uri(content: bytes | str, media_type: str) -> str:
    """Return content as a URI that holds it."""
    content = content.encode() if isinstance(content, str) else content
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def parsed() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", required=True, help="the tidy table, Parquet")
    parser.add_argument("--figures", required=True, help="folder of the figures")
    parser.add_argument("--fetch", required=True, nargs="?", help="summary.json of the fetch stage, if it ran")
    parser.add_argument("--index", required=True, help="index.json of the shards")
    parser.add_argument("--train", required=True, help="triplets of the training split, Parquet")
    parser.add_argument("--eval", required=True, help="triplets of the evaluation split, Parquet")
    parser.add_argument("--images", required=True, nargs="+", help="tars of the evaluation split")
    parser.add_argument("--captions", required=True, nargs="*", help="negation tables, if captions were negated here")
    parser.add_argument("--scores", required=True, nargs="*", help="MODEL/ccneg.parquet of every model")
    parser.add_argument("--runs", required=True, nargs="*", help="run.json of every model")
    parser.add_argument("--weights", required=True, nargs="*", help="model.pt of every model")
    parser.add_argument(
        "--benchmarks", required=True, help="folder of the jobs' times, as Snakemake's benchmark: writes them"
    )
    parser.add_argument("--config", required=True, help="the configuration of the run, JSON")
    parser.add_argument("--seed", required=True, type=int, help="seed of the examples")
    parser.add_argument("--examples", required=True, type=int, help="number of examples of each kind and backbone")
    parser.add_argument("--output", required=True, help="output: the page, HTML")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
