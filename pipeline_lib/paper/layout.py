"""Arrange the tidy table as a person reads it: a row per model, a column per dataset, published numbers in brackets.

The same layout becomes CSV (published numbers in columns of their own), Markdown and the tables of the report.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd
from tabulate import tabulate

from pipeline_lib.finetune.terms import LOSS_LABELS
from pipeline_lib.paper.outputs import HEADLINE, TABLES, Item
from pipeline_lib.paper.tidy import CATEGORIES, is_ablation, stem

NEGATIVES_LABELS = {"ccneg": "", "crepe": " on CREPE-Negate"}
ROW_HEADINGS = ["backbone", "model"]
SIGNED_ROWS = ("gain", "delta")
WITH_VARIANTS = ("ablation", "embeddings")  # tables that show the variants of the method too
DECIMALS = {"embeddings": 2}  # of tables whose numbers are not percentages
SOURCES = {
    "paper": "printed in the paper",
    "radar": "read off the paper's radar plot, ±0.5",
    "quoted": "quoted by a later paper",
    "replication": "a public re-run of the released weights",
}


@dataclass(frozen=True)
class Layout:
    """A table as a person reads it.

    Attributes
    ----------
    item : Item
        Title and caption.
    values : DataFrame
        Numbers, in percent or points but for embeddings; the index holds the row headings (backbone, model and, where a
        model has several rows, prompt or row or both), the columns are datasets. Has no row where the run has nothing
        to show.
    published : DataFrame
        Published numbers of the same cells, NaN where there is none.
    notes : tuple of str
        Sentences on the number of items behind the columns and, where there are published numbers, on their source.
    decimals : int
        Of the numbers as text; CSV has one more.
    """

    item: Item
    values: pd.DataFrame
    published: pd.DataFrame
    notes: tuple[str, ...]
    decimals: int = 1

    def headings(self) -> list[str]:
        """Return the headings of all columns, those of the row headings first."""
        return [*self.values.index.names, *self.values.columns]

    def text_rows(self) -> list[list[str]]:
        """Return the rows as text, with published numbers in brackets."""
        rows = []
        for index, values in self.values.iterrows():
            index = index if isinstance(index, tuple) else (index,)
            published = self.published.loc[[index]].iloc[0]
            signed = index[-1] in SIGNED_ROWS
            pattern = f"{{:{'+' if signed else ''}.{self.decimals}f}}"
            rows.append([*index, *(_cell(values[name], published[name], pattern) for name in self.values.columns)])
        return rows

    def to_csv(self) -> str:
        """Return the table as CSV; published numbers are further columns ``NAME (published)``."""
        published = self.published.dropna(axis="columns", how="all").add_suffix(" (published)")
        together = pd.concat([self.values, published], axis="columns")
        return together.to_csv(float_format=f"%.{self.decimals + 1}f", lineterminator="\n")

    def to_markdown(self) -> str:
        """Return the table as GitHub Markdown that also reads well in a terminal, without title and caption."""
        if self.values.empty:
            return "This run has no model for this table."
        align = ["left"] * self.values.index.nlevels + ["right"] * len(self.values.columns)
        return tabulate(self.text_rows(), self.headings(), "github", colalign=align, disable_numparse=True)

    def to_page(self) -> str:
        """Return the content of a Markdown file: title, table, caption and note."""
        return f"## {self.item.title}\n\n{self.to_markdown()}\n\n{self.explanation()}\n"

    def explanation(self) -> str:
        """Return the caption and the notes."""
        return " ".join((self.item.caption, *self.notes))


def _cell(value: float, published: float, pattern: str) -> str:
    if pd.isna(value):
        return ""
    return pattern.format(value) + (f" ({pattern.format(published)})" if pd.notna(published) else "")


def displayed(tables: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that tables and figures show: the mean over seeds where there is one, and no single seed of it.

    Adds the column `label`: the model's family, or its loss where it is a variant of the method; the model's name where
    that would be ambiguous.
    """
    stems = pd.Series(
        [stem(name, seed) for name, seed in zip(tables.model, tables.seed, strict=True)], index=tables.index
    )
    averaged = set(tables.model[tables.seeds > 1])
    rows = tables[(tables.seeds > 1) | ~stems.isin(averaged)].copy()
    rows["variant"] = [is_ablation(loss, source) for loss, source in zip(rows.loss, rows.negatives, strict=True)]
    rows["label"] = [
        loss_label(row) if row.variant or (row.table == "ablation" and row.loss) else row.family
        for row in rows.itertuples(index=False)
    ]
    shared = rows.groupby(["table", "backbone", "label"]).model.transform("nunique") > 1
    rows.loc[shared, "label"] = rows.model[shared]
    return rows


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of models that classify images; those that stand in the CC-Neg tables alone are left out."""
    return rows[rows.model.isin(rows.model[rows.table == "zeroshot"])]


def loss_label(row: object) -> str:
    """Return the name of a fine-tuned model's loss and negatives; `row` has the attributes `loss` and `negatives`."""
    return LOSS_LABELS[row.loss] + NEGATIVES_LABELS[row.negatives]


def layout(tables: pd.DataFrame, name: str) -> Layout:
    """Arrange one table of the paper.

    Parameters
    ----------
    tables : DataFrame
        The tidy table.
    name : str
        A key of `pipeline_lib.paper.outputs.TABLES`.
    """
    rows = displayed(tables)
    rows = rows[rows.table == name]
    if name not in WITH_VARIANTS:
        rows = rows[~rows.variant]
    headings = ROW_HEADINGS
    if name == "zeroshot":
        rows = rows.assign(row=rows.metric.replace({"top1": "top-1", "mean_per_class": "mean per class"}))
        headings = [*ROW_HEADINGS, "prompt", "row"]
    elif name == "negated-prompt":
        rows = rows.assign(row=rows.prompt.where(rows.prompt.notna(), rows.metric))
        headings = [*ROW_HEADINGS, "row"]
    elif name == "negation":
        rows = rows[~rows.dataset.str.contains("/")]
        suffix = rows.metric.map({"accuracy": ""}).fillna(" " + rows.metric.str.replace("recall", "R"))
        rows = rows.assign(dataset=rows.dataset + suffix)
    elif name == "embeddings":
        rows = rows.assign(dataset=rows.dataset.str.removeprefix("cc-neg/").str.replace("-", " ") + " " + rows.metric)
    arranged = _pivot(TABLES[name], rows, headings, COLUMN_LABELS.get(name, lambda dataset: dataset))
    return replace(arranged, decimals=DECIMALS.get(name, 1))


COLUMN_LABELS: dict[str, Callable[[str], str]] = {
    "ccneg": lambda dataset: "accuracy",
    "ccneg-by-word": lambda dataset: dataset.removeprefix("cc-neg/word="),
    "ccneg-by-pairs": lambda dataset: dataset.removeprefix("cc-neg/pairs="),
    "sugarcrepe": lambda dataset: dataset.removeprefix("sugarcrepe/"),
    "ablation": lambda dataset: {"cc-neg": "CC-Neg", "zero-shot/mean": "zero-shot"}.get(
        dataset, dataset.removeprefix("sugarcrepe/")
    ),
}


def headline(tables: pd.DataFrame) -> Layout:
    """Arrange the table that people see first: CLIP and CoN-CLIP of every backbone, one column per benchmark."""
    rows = compared(displayed(tables))
    rows = rows[~rows.variant]
    crepe = rows[(rows.table == "sugarcrepe") & rows.dataset.isin(CATEGORIES)]
    keys = ["backbone", "label", "model", "seeds"]
    crepe = crepe.groupby(keys, sort=False).agg(value=("value", "mean"), n=("n", "sum")).reset_index()
    mean_top1 = (rows.dataset == "mean") & (rows.metric == "top1")
    parts = {
        "CC-Neg ↑": rows[rows.table == "ccneg"],
        "zero-shot ↑": rows[(rows.table == "zeroshot") & mean_top1 & (rows.prompt == "plain")],
        "negated prompt ↓": rows[(rows.table == "negated-prompt") & mean_top1 & (rows.prompt == "negated")],
        "SugarCREPE ↑": crepe,
    }
    cells = pd.concat([part.assign(dataset=heading) for heading, part in parts.items()], ignore_index=True)
    return _pivot(HEADLINE, cells, ROW_HEADINGS, lambda heading: heading)


def _pivot(item: Item, rows: pd.DataFrame, headings: list[str], column_label: Callable[[str], str]) -> Layout:
    rows = rows.assign(column=rows.dataset.map(column_label))
    rows["model"] = [
        f"{label} ({count} seeds)" if count > 1 else label for label, count in zip(rows.label, rows.seeds, strict=True)
    ]
    index = pd.MultiIndex.from_frame(rows[headings].drop_duplicates())
    columns = list(dict.fromkeys(rows.column))
    wide = rows.set_index([*headings, "column"])
    values = wide.value.unstack("column").reindex(index=index, columns=columns)
    published = wide.published.astype(float).unstack("column").reindex(index=index, columns=columns)
    return Layout(item, values, published, (*_item_counts(rows), *_sources(rows)))


def _item_counts(rows: pd.DataFrame) -> list[str]:
    """Return how many items each column counts; a count that half of the columns share is named once."""
    counts = rows.drop_duplicates("column").set_index("column").n
    if counts.empty:
        return []
    common, columns = counts.mode()[0], len(counts)
    others = counts[counts != common] if (counts == common).sum() * 2 >= columns else counts
    listed = "; ".join(f"{column.rstrip(' ↑↓')}: {count:,}" for column, count in others.items())
    if len(others) == columns:
        return [f"n = {listed}."]
    return [f"n = {common:,}{' each' if columns > 1 else ''}{f' but {listed}' if listed else ''}."]


def _sources(rows: pd.DataFrame) -> list[str]:
    """Return what the brackets hold."""
    found = set(rows.published_provenance.dropna())
    listed = "; ".join(meaning for source, meaning in SOURCES.items() if source in found)
    return [f"In brackets: the published number ({listed})."] if listed else []
