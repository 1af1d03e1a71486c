"""Tables over several benchmarks, a row per method: the headline, and what each method learned."""

import pandas as pd

from pipeline_lib.finetune.terms import is_control
from pipeline_lib.jobs.run_record import SUBTRACTED
from pipeline_lib.paper.outputs import NUMBER_TABLES
from pipeline_lib.paper.tables.layout import ROW_HEADINGS, Layout, compared, displayed, layout, pivot
from pipeline_lib.paper.tables.tidy import CATEGORIES_MEAN

Place = tuple[str, str, str | None, str]  # in the tidy table: table, dataset, prompt or None, metric

#: The main numbers of a run, by heading.
MAIN_CELLS = {
    "CC-Neg ↑": ("ccneg", "cc-neg", None, "accuracy"),
    "zero-shot ↑": ("zeroshot", "mean", "plain", "top1"),
    "negated prompt ↓": ("negated-prompt", "mean", "negated", "top1"),
    "SugarCREPE ↑": ("sugarcrepe", CATEGORIES_MEAN, None, "accuracy"),
}
LEARNED_METRICS = ("accuracy", "average_precision")  # of a benchmark of negation
#: Which numbers of a truth table say what a model has learned: part, metric, heading.
LEARNED_OF_TABLES = (
    ("trained", "caption", "captions"),
    ("trained/absent", "image", "images for “no”"),
    ("unseen", "caption", "captions, unseen words"),
    ("unseen/absent", "image", "images for “no”, unseen words"),
)


def headline(tables: pd.DataFrame) -> Layout:
    """Arrange the table that people see first: CLIP and the methods of every backbone, one column per benchmark.

    Controls and rows of subtraction stand in `learned`.
    """
    rows = _methods(tables)
    rows = rows[~rows.family.str.endswith(SUBTRACTED) & ~rows.loss.map(is_control)]
    return _overview("headline", {heading: cell_rows(rows, cell) for heading, cell in MAIN_CELLS.items()})


def cell_rows(rows: pd.DataFrame, place: Place) -> pd.DataFrame:
    """Return the rows of the tidy table at a place, one per model."""
    table, dataset, prompt, metric = place
    rows = rows[(rows.table == table) & (rows.dataset == dataset) & (rows.metric == metric)]
    return rows[rows.prompt.isna() if prompt is None else rows.prompt == prompt]


def _methods(tables: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of CLIPs and methods, without the variants of a method."""
    rows = compared(displayed(tables))
    return rows[~rows.variant]


def learned(tables: pd.DataFrame) -> Layout:
    """Arrange what each method has learned: its own benchmark, what CLIP could before, and benchmarks of negation."""
    return _overview("learned", learned_cells(tables))


def learned_cells(tables: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of the tidy table behind each column of `learned`, by heading."""
    rows = _methods(tables)
    whole = rows[(rows.table == "negation") & rows.metric.isin(LEARNED_METRICS) & ~rows.dataset.str.contains("/")]
    asked = rows[rows.table == "truth-table"].assign(benchmark=lambda frame: frame.dataset.str.split("/").str[0])
    parts = {heading: cell_rows(rows, MAIN_CELLS[heading]) for heading in ("CC-Neg ↑", "zero-shot ↑")}
    parts |= {f"{name} ↑": whole[whole.dataset == name] for name in dict.fromkeys(whole.dataset)}
    for name in dict.fromkeys(asked.benchmark):
        for ending, metric, heading in LEARNED_OF_TABLES:
            chosen = (asked.dataset == f"{name}/{ending}") & (asked.metric == metric)
            parts[f"{name}: {heading} ↑"] = asked[chosen]
    return parts | {"SugarCREPE ↑": cell_rows(rows, MAIN_CELLS["SugarCREPE ↑"])}


def layouts(tables: pd.DataFrame) -> dict[str, Layout]:
    """Arrange every table of numbers, in the order of the report."""
    overviews = {"headline": headline, "learned": learned}
    return {name: overviews[name](tables) if name in overviews else layout(tables, name) for name in NUMBER_TABLES}


def _overview(name: str, parts: dict[str, pd.DataFrame]) -> Layout:
    """Arrange rows of several tables, a column for each entry of `parts`, by heading."""
    cells = [part.assign(dataset=heading) for heading, part in parts.items()]
    return pivot(name, pd.concat(cells, ignore_index=True), ROW_HEADINGS)
