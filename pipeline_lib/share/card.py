"""Cards of data sets and models: what they show of a run's tables, and the page itself."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jinja2
import pandas as pd

from pipeline_lib.evaluate.kinds import TEXT_ONLY
from pipeline_lib.paper.tables.overview import MAIN_CELLS, cell_rows
from pipeline_lib.paper.tables.schema import read_tables

#: The main numbers in words.
WORDS = {
    "CC-Neg ↑": "CC-Neg, accuracy (chance 50)",
    "zero-shot ↑": "zero-shot, mean top-1 with “this is a photo of a …”",
    "negated prompt ↓": "the same with “this is not a photo of a …”; low is good",
    "SugarCREPE ↑": "SugarCREPE, mean of replace, add and swap (chance 50)",
}
#: Tables of which a card has every row without a group: later benchmarks.
LATER = ("truth-table", "negation")


@contextmanager
def new_folder(output: Path) -> Iterator[Path]:
    """Yield a folder that becomes `output` when all is written; a file of an earlier call would be uploaded too."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ValueError(f"{output}: expected a folder that is empty or not there, found files; name another one")
    aside = output.with_name(f".{output.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)  # of a killed call
    aside.mkdir(parents=True)
    try:
        yield aside
        aside.replace(output)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def find_tables(run: Path) -> pd.DataFrame:
    """Return the tidy table of a run's folder."""
    if not run.is_dir():
        raise FileNotFoundError(f"{run}: no such folder; expected that of a finished run, such as results/miniature")
    return read_tables(run / "tables.parquet")[0]


def numbers(tables: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return the rows of the tidy table that a model's card shows, with their `words`: main ones, then later ones."""
    own = tables[tables.model == model]
    main = [cell_rows(own, cell).assign(words=WORDS[heading]) for heading, cell in MAIN_CELLS.items()]
    later = own[own.table.isin(LATER) & ~own.dataset.str.contains("=")]
    return pd.concat([*main, later.assign(words=later.dataset + ", " + later.metric)])


def numbers_table(tables: pd.DataFrame, columns: dict[str, str]) -> str:
    """Return a Markdown table of `numbers` of several models, given as heading -> model."""
    found = {name: numbers(tables, model).set_index("words").apply(_shown, axis=1) for name, model in columns.items()}
    return pd.concat(found, axis=1).fillna("").rename_axis("").to_markdown(tablefmt="github", disable_numparse=True)


def _shown(row: pd.Series) -> str:
    return f"{row.value:.1f}" + (f" [{row.low:.1f}, {row.high:.1f}]" if pd.notna(row.low) else "")


def blind_numbers(tables: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of models that see no image, without those of groups such as a negation word."""
    return tables[(tables.family == TEXT_ONLY) & ~tables.dataset.str.contains("=")]


def write_card(template: str, **content: object) -> str:
    """Return a card: a template of this folder, filled."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**content)
