"""Read the scores of every item behind the metrics, and find the items behind each number.

``MODEL/BENCHMARK.parquet`` beside each ``MODEL/BENCHMARK.json`` -> which items each model has right. Every metric is
computed anew from them and must be what the JSON says; all models of a benchmark must have the same items.

Which items a metric of ``BENCHMARK.json`` is about, by its dataset and the columns of the items (config/README.md has
the same as queries):

- CC-Neg: all; ``cc-neg/word=W`` those with that ``negation_word``, ``cc-neg/pairs=P`` those with so many ``n_pairs``.
- Zero-shot: those of ``dataset`` and ``prompt``; mean_per_class is the plain mean over ``label``.
- Others: ``NAME/X`` those whose ``part``, ``template`` or ``direction`` is X; ``NAME`` all, or where there are parts
  the plain mean over them. Right is ``correct``; ``correct_text`` under ``NAME/text-only``; ``rank`` up to k for
  recall@k.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_lib.evaluate.kinds import BLIND, MOST_PAIRS, SUGARCREPE_GROUPS, WITHOUT_ITEMS
from pipeline_lib.paper.tables.statistics import counts_of, mean_of

OUTCOMES = ("correct", "correct_text", "rank")
#: Columns that name an item, as far as a benchmark has them.
NAMES = ("dataset", "prompt", "part", "direction", "item", "key", "caption")
KINDS_OF_ITEM = ("part", "template", "direction")
TOLERANCE = 1e-9  # in percent: what a metric may differ from the mean of its items by


class Selection(NamedTuple):
    """The items behind a number: the plain mean over groups of the share of each group's items that are right.

    Attributes
    ----------
    outcome : str
        ``correct``, ``correct_text`` or ``recall@k``.
    rows : ndarray of int of shape (n,)
        Rows of the benchmark's items.
    groups : ndarray of int of shape (n,) or None
        Number of each row's group, from 0; None for a single group.
    """

    outcome: str
    rows: np.ndarray
    groups: np.ndarray | None = None


class Items:
    """The items of one benchmark and what each model makes of them.

    Parameters
    ----------
    benchmark : str
    files : dict of str to str
        Model -> its file.

    Raises
    ------
    FileNotFoundError
        If a file does not exist; the message names the rule that makes it.
    ValueError
        If a file is no whole Parquet file, lacks a column, has a score that is no number, repeats an item, or has other
        items than the first one; the message names file and item.
    """

    def __init__(self, benchmark: str, files: dict[str, str]) -> None:
        self.benchmark = benchmark
        self._outcomes: dict[str, dict[str, np.ndarray]] = {}
        first = None
        for model, path in files.items():
            table = _read(path, model, benchmark)
            identity = table.select([name for name in table.column_names if name not in OUTCOMES])
            if first is None:
                first, first_path, where = identity, path, None
                self.frame = identity.to_pandas(strings_to_categorical=True)
                self._keys = pd.factorize(self.frame["key"])[0]
                _check_unique(self.frame, path)
            else:
                where = _places(identity, first, path, first_path)
            outcomes = {name: table[name].to_numpy() for name in OUTCOMES if name in table.column_names}
            self._outcomes[model] = {
                name: column if where is None else column[where] for name, column in outcomes.items()
            }
        self.select = cache(self._select)

    @property
    def models(self) -> list[str]:
        """Return the models that have this benchmark."""
        return list(self._outcomes)

    def right(self, model: str, selection: Selection) -> np.ndarray:
        """Return which items of a selection a model has right, as booleans of shape (n,).

        Raises
        ------
        ValueError
            If the items have no such outcome.
        """
        name, _, cutoff = selection.outcome.partition("@")
        column = self._outcomes[model].get("rank" if cutoff else name)
        if column is None:
            raise ValueError(f"benchmark {self.benchmark}: the items of {model} have no column {name!r}")
        chosen = column[selection.rows]
        return chosen <= int(cutoff) if cutoff else chosen

    def check_pairs(self, one: Selection, other: Selection) -> None:
        """Raise a `ValueError` if row i of two selections is not the same item by its key."""
        if not np.array_equal(self._keys[one.rows], self._keys[other.rows]):
            raise ValueError(
                f"benchmark {self.benchmark}: expected the same items in one order under each prompt; evaluate again"
            )

    def _select(self, dataset: str, prompt: str | None, metric: str) -> Selection:
        """Return the items behind a metric; none of them where they cannot be told."""
        frame = self.frame
        if self.benchmark == "zeroshot":
            rows = np.flatnonzero((frame["dataset"] == dataset) & (frame["prompt"] == prompt))
            labels = frame["label"].to_numpy()[rows] if metric == "mean_per_class" else None
            return Selection("correct", rows, None if labels is None else np.unique(labels, return_inverse=True)[1])
        _, *parts = dataset.removeprefix(self.benchmark).split("/")
        if self.benchmark == "ccneg":
            _, *parts = dataset.split("/")
            name, _, value = parts[0].partition("=") if parts else ("", "", "")
            pairs = frame["n_pairs"].clip(upper=MOST_PAIRS).astype(str)
            chosen = {"": np.ones(len(frame), bool), "word": frame["negation_word"] == value, "pairs": pairs == value}
            return Selection("correct", np.flatnonzero(chosen[name]))
        outcome = "correct"
        if parts[:1] == ["text-only"]:
            outcome, parts = "correct_text", parts[1:]
        if metric.startswith("recall@"):
            outcome, parts = metric, parts or ["text-to-image"]
        if "part" in frame and (not parts or parts[0] in SUGARCREPE_GROUPS):
            names = SUGARCREPE_GROUPS[parts[0]] if parts else frame["part"].cat.categories
            rows = np.flatnonzero(frame["part"].isin(names))
            return Selection(outcome, rows, np.unique(frame["part"].to_numpy()[rows], return_inverse=True)[1])
        chosen = np.full(len(frame), not parts)
        for column in KINDS_OF_ITEM:
            if parts and column in frame:
                chosen |= frame[column] == parts[0]
        return Selection(outcome, np.flatnonzero(chosen))


def read_items(values: pd.DataFrame) -> dict[str, Items]:
    """Read the items behind metrics and check each metric against them.

    Parameters
    ----------
    values : DataFrame
        From `pipeline_lib.paper.tables.metrics.read_metrics`.

    Returns
    -------
    dict of str to Items
        By benchmark, but for those of `pipeline_lib.evaluate.kinds.WITHOUT_ITEMS`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `Items`, and if a metric is not what its items say; the message names both files.
    """
    found = {}
    scored = values[~values.benchmark.isin(WITHOUT_ITEMS)]
    for benchmark, rows in scored.groupby("benchmark", sort=False):
        files = {model: items_file(path) for model, path in zip(rows.model, rows.file, strict=True)}
        found[benchmark] = items = Items(benchmark, files)
        for row in rows.itertuples(index=False):
            selection = items.select(row.dataset, row.prompt, row.metric)
            where = (
                f"{row.file}: {row.dataset}, prompt {row.prompt}, {row.metric} is {row.value} over {row.n} items, but "
                f"{files[row.model]} has"
            )
            again = f"they are not of one run; delete both, and rule {rule_of(row.model, benchmark)} makes them again"
            if len(selection.rows) != row.n:
                raise ValueError(f"{where} {len(selection.rows)} such items; {again}")
            right = items.right(row.model, selection)
            value = 100 * mean_of(*counts_of(right.astype(int), selection.groups))
            if abs(value - row.value) > TOLERANCE:
                raise ValueError(f"{where} {value}; {again}")
    return found


def items_file(metrics_file: str) -> str:
    """Return the file of the items that lies beside a file of metrics."""
    return str(Path(metrics_file).with_suffix(".parquet"))


def rule_of(model: str, benchmark: str) -> str:
    """Return the name of the rule that scores a model on a benchmark."""
    if model in BLIND:
        return "evaluate_blind"
    return f"evaluate_{benchmark}" if benchmark in ("ccneg", "zeroshot") else "evaluate_benchmark"


def _read(path: str, model: str, benchmark: str) -> pa.Table:
    """Return what names the items and which are right, once every score has been seen to be a number."""
    rule = f"rule {rule_of(model, benchmark)} makes it"
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file of scores; {rule}")
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path}: expected a whole Parquet file ({error}); delete it, {rule} again") from error
    for lacking in sorted({"key", "correct"} - set(table.column_names)):
        raise ValueError(f"{path}: expected the column {lacking}, found {', '.join(table.column_names)}; {rule}")
    for name, column in zip(table.column_names, table.columns, strict=True):
        broken = pc.invert(pc.is_finite(column)) if pa.types.is_floating(column.type) else pc.is_null(column)
        if pc.any(pc.fill_null(broken, True)).as_py():
            row = pc.index(pc.fill_null(broken, True), True).as_py()
            raise ValueError(
                f"{path}, row {row}: expected a value in column {name}, found {column[row].as_py()} for the item with "
                f"key {table['key'][row].as_py()}; the model's features or weights are not numbers"
            )
    kept = [
        name
        for name, type_ in zip(table.column_names, table.schema.types, strict=True)
        if not pa.types.is_floating(type_) and name != "predicted"
    ]
    return table.select(kept)


def _check_unique(frame: pd.DataFrame, path: str) -> None:
    names = [name for name in NAMES if name in frame]
    repeated = frame.duplicated(names)
    if repeated.any():
        row = int(repeated.to_numpy().argmax())
        raise ValueError(f"{path}, row {row}: the item {_named(frame, names, row)} is there twice")


def _places(identity: pa.Table, first: pa.Table, path: str, first_path: str) -> np.ndarray | None:
    """Return in which rows of a file the items of the first file are; None if they are in the same rows."""
    if identity.equals(first):
        return None
    if identity.column_names != first.column_names:
        raise ValueError(
            f"{path}: expected the columns {', '.join(first.column_names)} as in {first_path}, found "
            f"{', '.join(identity.column_names)}"
        )
    own, other = identity.to_pandas(), first.to_pandas()
    names = [name for name in NAMES if name in other]
    _check_unique(own, path)
    places = pd.MultiIndex.from_frame(own[names]).get_indexer(pd.MultiIndex.from_frame(other[names]))
    if (places < 0).any() or len(own) != len(other):
        only = pd.concat([own, other]).drop_duplicates(names, keep=False)
        raise ValueError(
            f"{path}: expected the same items as in {first_path} ({len(other):,}), found {len(own):,}, and "
            f"{_named(only, names, 0)} is in one of them alone; evaluate both on the same data"
        )
    differs = (own.iloc[places].reset_index(drop=True) != other).any(axis=1)
    if differs.any():
        row = int(differs.to_numpy().argmax())
        raise ValueError(
            f"{path}: the item {_named(other, names, row)} is described otherwise in {first_path}; "
            "evaluate both on the same data"
        )
    return places


def _named(frame: pd.DataFrame, names: list[str], row: int) -> str:
    return ", ".join(f"{name} {frame[name].iloc[row]}" for name in names)
