"""Tables, figures and provenance of a run -> one HTML page that opens from disk without any network.

    python -m pipeline_lib.paper.report --tables results/tables.parquet --folder results/tables \\
        --figures results/figures --fetch results/miniature/fetch/summary.json \\
        --runs results/miniature/finetune/*/run.json --output results/report.html

takes about a second. Tables are arranged from the tidy table; the folder's CSV files are embedded for download, the
figures as SVG, each ``run.json`` as a list of keys and values.
"""

import argparse
import base64
import json
from pathlib import Path

import jinja2

from pipeline_lib.command import run
from pipeline_lib.files import read_json, write_text
from pipeline_lib.paper import fetched
from pipeline_lib.paper.layout import Layout, headline, layout
from pipeline_lib.paper.outputs import FETCH, FIGURES, TABLES, Item
from pipeline_lib.paper.schema import read_tables

TEMPLATE = "report.html.j2"

#: Figures that belong to each table.
SECTIONS = {
    "headline": ("intro",),
    "ccneg": ("score-examples", "data-statistics"),
    "ccneg-by-word": ("ccneg-by-word",),
    "ccneg-by-pairs": ("ccneg-by-pairs",),
    "zeroshot": ("zeroshot-gain", "zeroshot-dots", "zeroshot-radar"),
    "negated-prompt": ("negated-prompt",),
    "sugarcrepe": (),
    "negation": (),
    "ablation": ("ablation", "training-curves"),
    "embeddings": ("embeddings",),
    "fetch": ("fetch-failures",),
}


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", required=True, help="the tidy table, Parquet")
    parser.add_argument("--folder", required=True, help="folder of the CSV tables")
    parser.add_argument("--figures", required=True, help="folder of the figures")
    parser.add_argument("--fetch", required=True, nargs="?", help="summary.json of the fetch stage, if it ran")
    parser.add_argument("--runs", required=True, nargs="*", help="run.json of every trained model")
    parser.add_argument("--output", required=True, help="the page, HTML")
    arguments = parser.parse_args()

    tables, run_name = read_tables(arguments.tables)
    layouts = {"headline": headline(tables)} | {name: layout(tables, name) for name in TABLES}
    sections = [
        section(name, layouts[name], arguments.folder, arguments.figures)
        for name in layouts
        if len(layouts[name].values) or SECTIONS[name]  # of benchmarks that the run has
    ]
    if arguments.fetch:
        sections.append(fetch_section(fetched.read_summary(arguments.fetch), arguments.figures))
    page = _template().render(
        run=run_name,
        sections=sections,
        provenance=[
            (f"{Path(path).parent.parent.name}/{Path(path).parent.name}", facts(path)) for path in arguments.runs
        ],
        models=tables.model[tables.seeds == 1].nunique(),
        rows=len(tables),
    )
    write_text(arguments.output, page)
    print(f"{arguments.output}: {len(page.encode()) / 1e6:.1f} MB")


def section(name: str, arranged: Layout, folder: str, figures: str) -> dict:
    """Return what the template shows of one table and its figures."""
    return {
        "name": name,
        "item": arranged.item,
        "notes": arranged.notes,
        "headings": arranged.headings(),
        "row_headings": arranged.values.index.nlevels,
        "rows": arranged.text_rows(),
        "csv": _data_uri(_content(Path(folder) / f"{name}.csv"), "text/csv"),
        "figures": _embedded(name, figures),
    }


def fetch_section(summary: dict, figures: str) -> dict:
    """Return what the template shows of the fetch stage."""
    return {
        "name": "fetch",
        "item": FETCH,
        "notes": fetched.notes(summary),
        "headings": fetched.HEADINGS,
        "row_headings": 3,
        "rows": fetched.failure_rows(summary),
        "csv": _data_uri(fetched.to_csv(summary).encode(), "text/csv"),
        "figures": _embedded("fetch", figures),
    }


def facts(path: str) -> list[tuple[str, str]]:
    """Return a ``run.json`` as (key, value) pairs of text; keys of nested objects are joined by dots.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a JSON object.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; the stage that trains the model makes it")
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return _flat(content, "")


def _flat(content: dict, prefix: str) -> list[tuple[str, str]]:
    pairs = []
    for key, value in content.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            pairs.append((f"{prefix}{key}", text))
    return pairs


def _embedded(name: str, figures: str) -> list[tuple[Item, str]]:
    """Return the figures of a section with their sources."""
    return [
        (FIGURES[figure], _data_uri(_content(Path(figures) / f"{figure}.svg"), "image/svg+xml"))
        for figure in SECTIONS[name]
    ]


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; pipeline_lib.paper.tables and .figures make it")
    return path.read_bytes()


def _data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE)


if __name__ == "__main__":
    run(main)
