"""Arrange the tidy table as a person reads it: a row per model, a column per dataset, published numbers in brackets.

The same layout becomes CSV (interval and published number in columns of their own), Markdown, LaTeX and the tables of
the report. A number is bold in LaTeX if it is the best of its backbone's models and the nearer end of its interval is
still better than every other of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd
from tabulate import tabulate

from pipeline_lib.evaluate.kinds import CCNEG, TEXT_ONLY
from pipeline_lib.finetune.terms import LOSS_LABELS
from pipeline_lib.jobs.run_record import SUBTRACTED
from pipeline_lib.paper.outputs import TABLES, Exhibit
from pipeline_lib.paper.tables.latex import EMPTY, latex_table
from pipeline_lib.paper.tables.tidy import is_ablation, stem

NEGATIVES_LABELS = {"ccneg": "", "crepe": " on CREPE-Negate"}
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
BOLD = "In bold: better than the other models of the backbone by more than its interval."
INTERVALS = "In square brackets: the 95 % bootstrap interval over items."
SUBTRACTION = "Subtraction: the same weights; a caption is scored as what it affirms minus what it denies."
SOURCES = {
    "paper": "printed in the paper",
    "radar": "read off the paper's radar plot, ±0.5",
    "quoted": "quoted by a later paper",
    "replication": "a public re-run of the released weights",
}


@dataclass(frozen=True)
class Layout:
    """A table as a person reads it, without a row where the run has nothing to show.

    The index of each frame holds the row headings (backbone, model and, where a model has several rows, prompt or row
    or both), the columns are datasets.
    """

    item: Exhibit
    name: str  # of its files
    values: pd.DataFrame  # numbers, in percent or points but for embeddings
    low: pd.DataFrame  # ends of the 95 % interval of the same cells, NaN where they have no items
    high: pd.DataFrame
    published: pd.DataFrame  # published numbers of the same cells, NaN where there is none
    verdict: pd.DataFrame  # one of `pipeline_lib.paper.outputs.VERDICTS` beside a published number, None without one
    best: pd.DataFrame  # whether a cell is better than the other models of its backbone by more than its interval
    notes: tuple[str, ...]  # on the number of items behind the columns and on the source of published numbers
    decimals: int = 1  # of the numbers as text; CSV has one more

    def headings(self) -> list[str]:
        """Return the headings of all columns."""
        return [*self.values.index.names, *self.values.columns]

    def text_rows(self) -> list[list[str]]:
        """Return the rows as text, with published numbers in brackets and, in few columns, intervals."""
        rows = []
        for place, index in enumerate(self.values.index):
            index = index if isinstance(index, tuple) else (index,)
            pattern = self.pattern(index)
            frames = (self.values, self.low, self.high, self.published)
            cells = zip(*(frame.iloc[place] for frame in frames), strict=True)
            rows.append([*index, *(self._cell(pattern, *numbers) for numbers in cells)])
        return rows

    def pattern(self, index: tuple) -> str:
        """Return how the numbers of the row with an index are written: those of differences with a sign."""
        return f"{{:{'+' if index[-1] in SIGNED_ROWS else ''}.{self.decimals}f}}"

    def _cell(self, pattern: str, value: float, low: float, high: float, published: float) -> str:
        if pd.isna(value):
            return ""
        text = pattern.format(value)
        if self.shows_intervals:
            text += f" [{pattern.format(low)}, {pattern.format(high)}]"
        return text + (f" ({pattern.format(published)})" if pd.notna(published) else "")

    @property
    def shows_intervals(self) -> bool:
        """Whether the text has room for intervals."""
        return len(self.values.columns) <= MOST_WITH_INTERVALS

    def to_csv(self) -> str:
        """Return the table as CSV; after the numbers stand columns ``NAME (low)``, ``(high)`` and ``(published)``."""
        others = (self.low, " (low)"), (self.high, " (high)"), (self.published, " (published)")
        known = [frame.dropna(axis="columns", how="all").add_suffix(suffix) for frame, suffix in others]
        together = pd.concat([self.values, *known], axis="columns")
        return together.to_csv(float_format=f"%.{self.decimals + 1}f", lineterminator="\n")

    def to_latex(self) -> str:
        """Return the table as LaTeX, the best in bold where the interval says so."""
        texts, bold = self.values.index.nlevels, self.best.to_numpy().tolist()
        note = f"{self.explanation()} {BOLD}" if self.best.to_numpy().any() else self.explanation()
        return latex_table(self.name, f"{self.item.title}. {note}", self.headings(), self.text_rows(), texts, bold)

    def to_markdown(self) -> str:
        """Return the table as GitHub Markdown that also reads well in a terminal, without title and caption."""
        if self.values.empty:
            return EMPTY
        align = ["left"] * self.values.index.nlevels + ["right"] * len(self.values.columns)
        return tabulate(self.text_rows(), self.headings(), "github", colalign=align, disable_numparse=True)

    def to_page(self) -> str:
        """Return the content of a Markdown file."""
        return f"## {self.item.title}\n\n{self.to_markdown()}\n\n{self.explanation()}\n"

    def explanation(self) -> str:
        """Return the caption and the notes."""
        return " ".join((self.item.caption, *self.notes))


def displayed(tables: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that tables and figures show: the mean over seeds where there is one, and no single seed of it.

    Adds the column `label`: the model's family, or its loss where it is a variant of the method; the model's name where
    that would be ambiguous, and of a model that sees no image with these words.
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
    rows.loc[rows.family == TEXT_ONLY, "label"] = rows.model + " (sees no image)"
    return rows


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of models that classify images, without those that stand in the CC-Neg tables alone."""
    return rows[rows.model.isin(rows.model[rows.table == "zeroshot"])]


def loss_label(row: object) -> str:
    """Return the name of a fine-tuned model's loss and negatives; `row` has the attributes `loss` and `negatives`."""
    return LOSS_LABELS[row.loss] + NEGATIVES_LABELS[row.negatives]


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
    arranged = pivot(name, TABLES[name], rows, headings, COLUMN_LABELS.get(name, lambda dataset: dataset))
    return replace(arranged, decimals=DECIMALS.get(name, 1))


def _value_label(table: str) -> Callable[[str], str]:
    (pattern,) = (metric.dataset for metric in CCNEG.metrics if metric.table == table)
    return lambda dataset: dataset.removeprefix(pattern.partition("{")[0])


def _sugarcrepe_label(dataset: str) -> str:
    return {"cc-neg": "CC-Neg", "zero-shot/mean": "zero-shot"}.get(dataset, dataset.removeprefix("sugarcrepe/"))


COLUMN_LABELS: dict[str, Callable[[str], str]] = {
    "ccneg": lambda dataset: "accuracy",
    "ccneg-by-word": _value_label("ccneg-by-word"),
    "ccneg-by-pairs": _value_label("ccneg-by-pairs"),
    "sugarcrepe": _sugarcrepe_label,
    "ablation": _sugarcrepe_label,
}


def pivot(
    name: str, item: Exhibit, rows: pd.DataFrame, headings: list[str], column_label: Callable[[str], str]
) -> Layout:
    """Arrange rows of the tidy table: a row for each value of the columns `headings`, a column for each label."""
    rows = rows.assign(column=rows.dataset.map(column_label))
    seeds = [f" ({count} seeds)" if count > 1 else "" for count in rows.seeds]
    rows["model"] = [label + said for label, said in zip(rows.label, seeds, strict=True)]
    index = pd.MultiIndex.from_frame(rows[headings].drop_duplicates())
    columns = list(dict.fromkeys(rows.column))
    wide = rows.set_index([*headings, "column"])
    values, low, high, published = (
        wide[number].astype(float).unstack("column").reindex(index=index, columns=columns)
        for number in ("value", "low", "high", "published")
    )
    said = wide["verdict"].where(wide["published"].notna(), None)
    verdict = said.unstack("column").reindex(index=index, columns=columns)
    notes = (*_item_counts(rows), *([SUBTRACTION] if rows.family.str.endswith(SUBTRACTED).any() else []))
    notes += (*_sources(rows),)
    arranged = Layout(item, name, values, low, high, published, verdict, _best(values, low, high), notes)
    return replace(arranged, notes=(*notes, INTERVALS)) if arranged.shows_intervals else arranged


def _best(values: pd.DataFrame, low: pd.DataFrame, high: pd.DataFrame) -> pd.DataFrame:
    """Return which cells beat the other models of their backbone, prompt and row by more than their interval."""
    best = pd.DataFrame(False, values.index, values.columns)
    same = [name for name in values.index.names if name != "model"]
    for key, places in values.groupby(level=same, sort=False).indices.items():
        if values.index.get_level_values("backbone")[places[0]] == "none":  # text-only models have nothing in common
            continue
        for number, column in enumerate(values.columns):
            if column in NEITHER_IS_GOOD:
                continue
            down = column.endswith("↓") or LOW_IS_GOOD in key
            value, nearer = (-values, -high) if down else (values, low)
            order = value.iloc[places, number].reset_index(drop=True).dropna().sort_values(ascending=False)
            if len(order) > 1 and nearer.iloc[places[order.index[0]], number] > order.iloc[1]:
                best.iloc[places[order.index[0]], number] = True
    return best


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
    listed = "; ".join(meaning for source, meaning in SOURCES.items() if (rows.published_provenance == source).any())
    return [f"In round brackets: the published number ({listed})."] if listed else []
