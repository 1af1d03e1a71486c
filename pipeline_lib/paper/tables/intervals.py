"""How sure is each number of the tidy table? Interval, test against CLIP, from the items behind it.

Tidy rows + `pipeline_lib.paper.tables.items.Items` -> columns ``low``, ``high`` and ``p``. Each row is a plain mean
over cells (of one cell mostly; of datasets where it is a mean over them), of each of which the items say per item how
many seeds are right: minus the CLIP of the same backbone on the same item for a gain, minus the same under the negated
prompt for a delta. So differences are paired, and a mean over seeds has the interval over items of the seeds' mean: it
says how far other items would move it, and ``std`` how far another seed would.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline_lib.evaluate.kinds import WITHOUT_ITEMS
from pipeline_lib.paper.tables.items import Items
from pipeline_lib.paper.tables.metrics import BASELINE
from pipeline_lib.paper.tables.statistics import counts_of, generator, holm, interval, mcnemar, mean_of, resampled_mean
from pipeline_lib.paper.tables.tidy import CATEGORIES, CATEGORIES_MEAN, ZEROSHOT_MEANS, stem

TESTED = ("accuracy", "recall@1", "recall@5", "top1")
CELLS_KEPT = 64  # resampled means that rows of means over datasets find again: more than one prompt's of a model


class Cell(NamedTuple):
    """A number of one dataset as the tidy table has it; `benchmark` is where its items are."""

    benchmark: str
    dataset: str
    prompt: str | None
    metric: str


def with_intervals(
    rows: pd.DataFrame, models: pd.DataFrame, values: pd.DataFrame, items: dict[str, Items]
) -> pd.DataFrame:
    """Return the rows with the columns low, high and p.

    Parameters
    ----------
    rows : DataFrame
        From `pipeline_lib.paper.tables.tidy.build_tables`.
    models, values : DataFrame
        From `pipeline_lib.paper.tables.metrics.read_metrics`.
    items : dict of str to Items
        From `pipeline_lib.paper.tables.items.read_items`.
    """
    benchmarks = values.drop_duplicates("dataset").set_index("dataset").benchmark.to_dict()
    datasets = list(dict.fromkeys(values.dataset[values.benchmark == "zeroshot"]))
    clips = {row.backbone: name for name, row in models.iterrows() if row.family == BASELINE}
    seeds: dict[str, list[str]] = {}
    for name, seed in models.seed.items():
        seeds.setdefault(stem(name, seed), []).append(name)

    @lru_cache(maxsize=CELLS_KEPT)
    def resampled(runs: tuple[str, ...], against: str | None, cell: Cell) -> tuple[float, np.ndarray]:
        counts = counts_of(*_signed(items[cell.benchmark], runs, against, cell))
        scale = 100 / len(runs)
        return scale * mean_of(*counts), scale * resampled_mean(*counts, generator(*runs, against, *cell))

    found = []
    for row in rows.itertuples(index=False):
        if row.table in WITHOUT_ITEMS:
            found.append((np.nan, np.nan, np.nan))
            continue
        runs = tuple(seeds[row.model]) if row.seeds > 1 else (row.model,)
        clip = clips.get(row.backbone)
        cells = [
            Cell(benchmarks[name], name, row.prompt, row.metric) for name in _parts(row.dataset, row.table, datasets)
        ]
        parts = [resampled(runs, clip if row.metric == "gain" else None, cell) for cell in cells]
        mean = np.mean([value for value, _ in parts])
        assert abs(mean - row.value) < 1e-6, f"{row}: its items say {mean}"
        low, high = interval(np.mean([means for _, means in parts], axis=0))
        p = np.nan
        if row.metric in TESTED and len(cells) == 1 and clip in items[cells[0].benchmark].models and runs != (clip,):
            support, counts = counts_of(*_signed(items[cells[0].benchmark], runs, clip, cells[0]))
            p = mcnemar(support, counts) if len(counts) == 1 else np.nan
        found.append((low, high, p))
    found = pd.DataFrame(found, columns=["low", "high", "p"], index=rows.index)
    tested = found.p.notna()
    found.loc[tested, "p"] = found.p[tested].groupby(rows.table[tested]).transform(lambda p: holm(p.to_numpy()))
    return rows.assign(**found)


def _parts(dataset: str, table: str, datasets: list[str]) -> list[str]:
    """Return the datasets that a row is the mean of."""
    if dataset == CATEGORIES_MEAN:
        return list(CATEGORIES)
    return datasets if dataset in ZEROSHOT_MEANS else [dataset]


def _signed(
    items: Items, runs: tuple[str, ...], against: str | None, cell: Cell
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return per item how many runs are right, minus what they are compared with, and the items' groups."""
    if cell.metric == "delta":
        plain, negated = (items.select(cell.dataset, prompt, "top1") for prompt in ("plain", "negated"))
        items.check_pairs(plain, negated)
        return _right(items, runs, plain) - _right(items, runs, negated), None
    selection = items.select(cell.dataset, cell.prompt, "top1" if cell.metric == "gain" else cell.metric)
    right = _right(items, runs, selection)
    if against is not None:
        right -= len(runs) * items.right(against, selection).astype(int)
    return right, selection.groups


def _right(items: Items, runs: tuple[str, ...], selection: object) -> np.ndarray:
    return sum(items.right(run, selection).astype(int) for run in runs)
