"""Arrange the tidy table as a person reads it: a row per model, a column per dataset, published numbers in brackets.

The same layout becomes CSV (interval and published number in columns of their own), Markdown, LaTeX and the tables of
the report. A number is the best if it is better than those of its backbone's other models, and the nearer end of its
interval is so too.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import pandas as pd

from pipeline_lib.evaluate.kinds import TEXT_ONLY
from pipeline_lib.jobs.run_record import SUBTRACTED
from pipeline_lib.paper.outputs import TABLE_ITEMS
from pipeline_lib.paper.tables.published import METHOD
from pipeline_lib.paper.tables.text import files_of, markdown_table
from pipeline_lib.paper.tables.tidy import is_ablation, loss_label, stem

ROW_HEADINGS = ["backbone", "model"]
SIGNED_ROWS = ("gain", "delta")
WITH_VARIANTS = ("ablation", "embeddings", "truth-table")  # tables that show the variants of the method too
DECIMALS = {"embeddings": 2}  # of tables whose numbers are not percentages
LOW_IS_GOOD = "negated"  # row in which the wanted number is low; a column's heading says so with an arrow
#: Column of the truth table by the third word of the dataset's name and the metric.
TRUTH_TABLE = {
    ("", "caption"): "caption",
    ("present", "caption"): "… if shown",
    ("absent", "caption"): "… if not",
    ("", "image"): "image",
    ("present", "image"): "… affirmed",
    ("absent", "image"): "… denied",
    ("", "all_four"): "all four",
    ("", "text_effect"): "text effect",
    ("", "image_effect"): "image effect",
    ("", "interaction"): "interaction",
}
NEITHER_IS_GOOD = ("text effect", "image effect")  # columns of which neither a high nor a low number is wanted
MOST_WITH_INTERVALS = 3  # columns of numbers, beside which Markdown has room for intervals
INTERVALS = "In square brackets: the 95 % bootstrap interval over items."
SUBTRACTION = (
    "Subtraction: the same weights; the feature of a caption is that of the text that it affirms minus a multiple of "
    "that of the phrases that it denies."
)
SOURCES = {
    "paper": "printed in the paper",
    "radar": "read off the paper's radar plot, ±0.5",
    "quoted": "quoted by a later paper",
    "replication": "a public re-run of the released weights",
}


class Cell(NamedTuple):
    """A number of the tidy table; what it does not have is NaN. A verdict is there only beside a published number."""

    value: float
    low: float
    high: float
    published: float
    verdict: str | None
    best: bool  # better than the other models of its backbone by more than its interval


@dataclass(frozen=True)
class Layout:
    """A table as a person reads it, without a row where the run has nothing to show.

    The index of each frame holds the row headings (backbone, model and, where a model has several rows, prompt or row
    or both), the columns are datasets.
    """

    name: str  # a key of `pipeline_lib.paper.outputs.TABLE_ITEMS`
    cells: dict[str, pd.DataFrame]  # by a field of `Cell`
    notes: tuple[str, ...]  # on the number of items behind the columns and on the source of published numbers

    @property
    def values(self) -> pd.DataFrame:
        """The numbers: percent or points but for embeddings."""
        return self.cells["value"]

    @property
    def decimals(self) -> int:
        """Of the numbers as text; CSV has one more."""
        return DECIMALS.get(self.name, 1)

    @cached_property
    def best(self) -> pd.DataFrame:
        """Which cells beat the other models of their backbone, prompt and row by more than their interval."""
        values = self.values
        if values.empty:
            return values.astype(bool)
        same = [name for name in values.index.names if name != "model"]
        signs = [[-1 if LOW_IS_GOOD in row or name.endswith("↓") else 1 for name in values] for row in values.index]
        signs = pd.DataFrame(signs, values.index, values.columns)
        nearer = self.cells["low"].where(signs > 0, -self.cells["high"])
        best = nearer > (signs * values).groupby(level=same, sort=False).transform(_second_largest)
        best[best.columns.intersection(NEITHER_IS_GOOD)] = False
        best[best.index.get_level_values("backbone") == "none"] = False  # text-only models have nothing in common
        return best

    def headings(self) -> list[str]:
        """Return the headings of all columns."""
        return [*self.values.index.names, *self.values.columns]

    def rows(self) -> Iterator[tuple[tuple[str, ...], str, list[Cell]]]:
        """Yield of each row its headings, how its numbers are written (differences with a sign), and its cells."""
        frames = [*self.cells.values(), self.best]
        for place, index in enumerate(self.values.index):
            pattern = f"{{:{'+' if index[-1] in SIGNED_ROWS else ''}z.{self.decimals}f}}"  # z: no -0.0
            of_row = zip(*(frame.iloc[place] for frame in frames), strict=True)
            yield index, pattern, [Cell(*numbers) for numbers in of_row]

    def text_rows(self) -> list[list[str]]:
        """Return the rows as text, with published numbers in brackets and, in few columns, intervals."""
        return [[*index, *(self._written(cell, pattern) for cell in cells)] for index, pattern, cells in self.rows()]

    def _written(self, cell: Cell, pattern: str) -> str:
        if pd.isna(cell.value):
            return ""
        text = pattern.format(cell.value)
        if _has_room(self.values.columns):
            text += f" [{pattern.format(cell.low)}, {pattern.format(cell.high)}]"
        return text + (f" ({pattern.format(cell.published)})" if pd.notna(cell.published) else "")

    def to_markdown(self) -> str:
        """Return the table as GitHub Markdown, without title and caption."""
        return markdown_table(self.headings(), self.text_rows(), self.values.index.nlevels)

    def to_csv(self) -> str:
        """Return the table as CSV; after the numbers stand columns ``NAME (low)``, ``(high)`` and ``(published)``."""
        others = [
            self.cells[name].dropna(axis="columns", how="all").add_suffix(f" ({name})")
            for name in ("low", "high", "published")
        ]
        together = pd.concat([self.values, *others], axis="columns")
        return together.to_csv(float_format=f"%.{self.decimals + 1}f", lineterminator="\n")

    def files(self) -> dict[str, str]:
        """Return the table in every format, and its caption, by suffix."""
        texts, bold = self.values.index.nlevels, self.best.to_numpy().tolist()
        rows = self.text_rows()
        return files_of(self.name, self.headings(), rows, texts, self.to_csv(), self.explanation(), bold)

    def explanation(self) -> str:
        """Return the caption and the notes."""
        return " ".join((TABLE_ITEMS[self.name].caption, *self.notes))


def _has_room(columns: Collection) -> bool:
    """Whether the text of a table with these columns has room for intervals."""
    return len(columns) <= MOST_WITH_INTERVALS


def _second_largest(column: pd.Series) -> float:
    return column.nlargest(2).iloc[-1] if column.count() > 1 else float("nan")


def displayed(tables: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that tables and figures show: the mean over seeds where there is one, and no single seed of it.

    Adds the column `label`: the model's family, or its loss where it is a variant of the method; the model's name where
    that would be ambiguous, and of a model that sees no image with these words.
    """
    stems = pd.Series([*map(stem, tables.model, tables.seed)], tables.index)
    averaged = set(tables.model[tables.seeds > 1])
    rows = tables[(tables.seeds > 1) | ~stems.isin(averaged)].copy()
    rows["variant"] = [*map(is_ablation, rows.loss, rows.negatives)]
    rows["label"] = [
        loss_label(row.loss, row.negatives)
        if row.variant or (row.table, row.family) == ("ablation", METHOD)
        else row.family
        for row in rows.itertuples(index=False)
    ]
    shared = rows.groupby(["table", "backbone", "label"]).model.transform("nunique") > 1
    rows.loc[shared, "label"] = rows.model[shared]
    rows.loc[rows.family == TEXT_ONLY, "label"] = rows.model + " (sees no image)"
    return rows


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of models that classify images, without those that stand in the CC-Neg tables alone."""
    return rows[rows.model.isin(rows.model[rows.table == "zeroshot"])]


def layout(tables: pd.DataFrame, name: str) -> Layout:
    """Arrange one table of the paper, a key of `pipeline_lib.paper.outputs.TABLES`, from the tidy table."""
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
        rows = rows[~rows.dataset.str.contains("/")]  # whole benchmarks; parts stand in the tidy table alone
        suffix = rows.metric.map({"accuracy": "", "average_precision": " AP"}).fillna(
            " " + rows.metric.str.replace("recall", "R")
        )
        rows = rows.assign(dataset=rows.dataset + suffix)
    elif name == "truth-table":
        rows = rows[~rows.dataset.str.contains("=")]  # each wording alone stands in the tidy table
        parts = rows.dataset.str.split("/")
        cells = pd.Series(list(zip(parts.str[2].fillna(""), rows.metric, strict=True)), rows.index)
        rows = rows.assign(benchmark=parts.str[:2].str.join(" "), dataset=cells.map(TRUTH_TABLE))
        rows = rows.sort_values("dataset", key=lambda names: names.map(list(TRUTH_TABLE.values()).index), kind="stable")
        headings = [*ROW_HEADINGS, "benchmark"]
    elif name == "embeddings":
        rows = rows.assign(dataset=rows.dataset.str.removeprefix("cc-neg/").str.replace("-", " ") + " " + rows.metric)
    return pivot(name, rows.assign(dataset=[column_label(name, dataset) for dataset in rows.dataset]), headings)


def column_label(table: str, dataset: str) -> str:
    """Return the heading of a dataset's column in a table, without what all columns of the table share."""
    if table == "ccneg":
        return "accuracy"
    dataset = {"cc-neg": "CC-Neg", "zero-shot/mean": "zero-shot"}.get(dataset, dataset)
    return re.sub("^(sugarcrepe/|cc-neg/(word|pairs)=)", "", dataset)


def pivot(name: str, rows: pd.DataFrame, headings: list[str]) -> Layout:
    """Arrange rows of the tidy table: a row for each value of the columns `headings`, a column for each `dataset`."""
    models = [
        f"{label} ({count} seeds)" if count > 1 else label for label, count in zip(rows.label, rows.seeds, strict=True)
    ]
    rows = rows.assign(model=models, verdict=rows.verdict.where(rows.published.notna(), None))
    index, columns = pd.MultiIndex.from_frame(rows[headings].drop_duplicates()), list(dict.fromkeys(rows.dataset))
    wide = rows.set_index([*headings, "dataset"])
    cells = {field: wide[field].unstack("dataset").reindex(index=index, columns=columns) for field in Cell._fields[:-1]}
    subtraction = SUBTRACTION if rows.family.str.endswith(SUBTRACTED).any() else ""
    intervals = INTERVALS if _has_room(columns) else ""
    return Layout(name, cells, tuple(filter(None, [_item_counts(rows), subtraction, _sources(rows), intervals])))


def _item_counts(rows: pd.DataFrame) -> str:
    """Return how many items each column counts; a count that half of the columns share is named once."""
    counts = rows.drop_duplicates("dataset").set_index("dataset").n
    if counts.empty:
        return ""
    common, columns = counts.mode()[0], len(counts)
    others = counts[counts != common] if (counts == common).sum() * 2 >= columns else counts
    listed = "; ".join(f"{column.rstrip(' ↑↓')}: {count:,}" for column, count in others.items())
    if len(others) == columns:
        return f"Number of items: {listed}."
    return f"Number of items: {common:,}{' each' if columns > 1 else ''}{f', but {listed}' if listed else ''}."


def _sources(rows: pd.DataFrame) -> str:
    listed = "; ".join(meaning for source, meaning in SOURCES.items() if (rows.published_provenance == source).any())
    return f"In round brackets: the published number ({listed})." if listed else ""
