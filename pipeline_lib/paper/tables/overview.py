"""Tables over several benchmarks, a row per method: the headline, and what each method learned."""

import pandas as pd

from pipeline_lib.finetune.terms import is_control
from pipeline_lib.paper.outputs import HEADLINE, LEARNED, TABLE_ITEMS, TABLES, Exhibit
from pipeline_lib.paper.tables.layout import ROW_HEADINGS, SUBTRACTED, Layout, compared, displayed, layout, pivot
from pipeline_lib.paper.tables.tidy import CATEGORIES_MEAN

LEARNED_METRICS = ("accuracy", "average_precision")  # of a benchmark of negation
#: Which numbers of a truth table say what a model has learned: part, metric, heading.
LEARNED_OF_TABLES = (
    ("trained", "caption", "captions"),
    ("trained/absent", "image", "image of “no”"),
    ("unseen", "caption", "captions, unseen words"),
    ("unseen/absent", "image", "image of “no”, unseen words"),
)


def headline(tables: pd.DataFrame) -> Layout:
    """Arrange the table that people see first: CLIP and the methods of every backbone, one column per benchmark.

    Controls and rows of subtraction stand in `learned`.
    """
    rows = compared(displayed(tables))
    rows = rows[~rows.variant & ~rows.family.str.endswith(SUBTRACTED) & ~rows.loss.map(is_control)]
    mean_top1 = (rows.dataset == "mean") & (rows.metric == "top1")
    parts = {
        "CC-Neg ↑": rows[rows.table == "ccneg"],
        "zero-shot ↑": rows[(rows.table == "zeroshot") & mean_top1 & (rows.prompt == "plain")],
        "negated prompt ↓": rows[(rows.table == "negated-prompt") & mean_top1 & (rows.prompt == "negated")],
        "SugarCREPE ↑": rows[(rows.table == "sugarcrepe") & (rows.dataset == CATEGORIES_MEAN)],
    }
    return _overview("headline", HEADLINE, parts)


def learned(tables: pd.DataFrame) -> Layout:
    """Arrange what each method has learned: its own benchmark, what CLIP could before, and benchmarks of negation."""
    return _overview("learned", LEARNED, learned_cells(tables))


def learned_cells(tables: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of the tidy table behind each column of `learned`, by heading."""
    rows = compared(displayed(tables))
    rows = rows[~rows.variant]
    top1 = rows[(rows.table == "zeroshot") & (rows.dataset == "mean") & (rows.metric == "top1")]
    whole = rows[(rows.table == "negation") & rows.metric.isin(LEARNED_METRICS) & ~rows.dataset.str.contains("/")]
    asked = rows[rows.table == "truth-table"].assign(benchmark=lambda frame: frame.dataset.str.split("/").str[0])
    parts = {"CC-Neg ↑": rows[rows.table == "ccneg"], "zero-shot ↑": top1[top1.prompt == "plain"]}
    parts |= {f"{name} ↑": whole[whole.dataset == name] for name in dict.fromkeys(whole.dataset)}
    for name in dict.fromkeys(asked.benchmark):
        for ending, metric, heading in LEARNED_OF_TABLES:
            chosen = (asked.dataset == f"{name}/{ending}") & (asked.metric == metric)
            parts[f"{name}: {heading} ↑"] = asked[chosen]
    parts["SugarCREPE ↑"] = rows[(rows.table == "sugarcrepe") & (rows.dataset == CATEGORIES_MEAN)]
    return parts


def layouts(tables: pd.DataFrame) -> dict[str, Layout]:
    """Arrange every table of numbers, in the order of the report."""
    overviews = {"headline": headline, "learned": learned}
    return {
        name: overviews[name](tables) if name in overviews else layout(tables, name)
        for name in TABLE_ITEMS
        if name in TABLES or name in overviews
    }


def _overview(name: str, item: Exhibit, parts: dict[str, pd.DataFrame]) -> Layout:
    """Arrange rows of several tables, a column for each entry of `parts`, by heading."""
    cells = pd.concat([part.assign(dataset=heading) for heading, part in parts.items()], ignore_index=True)
    return pivot(name, item, cells, ROW_HEADINGS, lambda heading: heading)
