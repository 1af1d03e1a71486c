"""How sure is each number of the tidy table? Bootstrap interval and test against CLIP, from the items behind it.

A row is a plain mean over cells (of one cell mostly; of datasets where it is a mean over them). The items of a cell say
for each item how many seeds have it right: minus the CLIP of the same backbone on the same item for a gain, minus the
same under the negated prompt for a delta. So differences are paired, and a mean over seeds has the interval over items
of the seeds' mean: it says how far other items would move it, and ``std`` how far another seed would.

So every cell is a plain mean over g groups (classes, parts; often one group) of the mean of x over the group's items.
Where an item is right or wrong, x is a small whole number: 0 or 1 for a share, -1, 0 or 1 for a difference between two
models on the same items, and the number of seeds that are right for a mean over seeds. A group is then summed up by its
counts: how many of its n items have each x.

**Why this is the bootstrap exactly.** The bootstrap draws n of a group's n items with replacement and takes their mean,
10,000 times. Drawn items are independent, and each has x with probability count(x) / n. So the sum of a resample has
the n-th convolution power of that distribution: Binomial(n, p) where x is 0 or 1, and in general what the joint counts'
multinomial gives. The sum over several groups has the convolution of theirs. `resampled_mean` computes that
distribution and draws from it: the same as drawing items, at a cost that does not depend on how many there are. Where x
is any number, it draws the items. Groups are resampled each within itself: their sizes are the benchmark's.

Items that were drawn together, such as all of one concept, say less than as many drawn alone. There the bootstrap draws
concepts, each with all its items (the cluster bootstrap), and McNemar's test, which takes items as independent, is left
out.
"""

import hashlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from scipy.fft import next_fast_len

from pipeline_lib.paper.tables.metrics import BASELINE, Items

RESAMPLES = 10_000
SEED = 0
INTERVAL = (2.5, 97.5)  # percentiles: 95 %
REACH = 8  # standard deviations to each side in which a sum's distribution is computed; beyond lies less than 1e-12
EXACT = 500  # up to so many differing items the test of several seeds is exact; of more, the normal one is as good
DRAWN = 200_000  # numbers at a time, where items are drawn; so few fit into a cache
CELLS_KEPT = 64  # resampled means that rows of means over datasets find again: more than one prompt's of a model


class Cell(NamedTuple):
    """A number of one dataset as the tidy table has it."""

    benchmark: str
    dataset: str
    prompt: str | None
    metric: str


def with_intervals(rows: pd.DataFrame, items: dict[str, Items]) -> pd.DataFrame:
    """Return the rows of `tidy.build_tables` with the columns low, high and p; NaN where there are no items.

    `items` are those of `metrics.read_metrics`.
    """
    clips = rows[rows.family == BASELINE].drop_duplicates("backbone").set_index("backbone").model.to_dict()
    seeds = {name: tuple(own.model.unique()) for name, own in rows[rows.seeds == 1].groupby("stem")}

    @lru_cache(maxsize=CELLS_KEPT)
    def resampled(runs: tuple[str, ...], against: str | None, cell: Cell) -> np.ndarray:
        values, groups, together, scale = _values(items[cell.benchmark], runs, against, cell)
        assert groups is None or together is None, f"{cell}: clusters within groups are not resampled"
        rng = generator(*runs, against, *cell)
        drawn = resampled_mean(values, groups, rng) if together is None else resampled_clusters(values, together, rng)
        return scale / len(runs) * drawn

    found = pd.DataFrame(np.nan, rows.index, ["low", "high", "p"])
    for row in rows[rows.benchmark.isin(items)].itertuples():
        runs = seeds[row.model] if row.seeds > 1 else (row.model,)
        clip = clips.get(row.backbone)
        cells = [Cell(row.benchmark, dataset, row.prompt, row.metric) for dataset in row.parts]
        parts = [resampled(runs, clip if row.metric == "gain" else None, cell) for cell in cells]
        found.loc[row.Index] = *interval(np.mean(parts, axis=0)), _p(items[row.benchmark], runs, clip, cells)
    tested = found.p.notna()
    found.loc[tested, "p"] = found.p[tested].groupby(rows.table[tested], group_keys=False).apply(holm)
    return rows.assign(**found)


def _values(items: Items, runs: tuple[str, ...], against: str | None, cell: Cell) -> tuple:
    """Return x of each item, the items' groups, what they were drawn with, and the scale of the number."""
    if cell.metric == "delta":
        plain, negated = (items.cells[cell.dataset, prompt, "top1"] for prompt in ("plain", "negated"))
        items.check_pairs(plain, negated)
        return _summed(items, runs, plain) - _summed(items, runs, negated), None, None, plain.metric.scale
    chosen = items.cells[cell.dataset, cell.prompt, "top1" if cell.metric == "gain" else cell.metric]
    values = _summed(items, runs, chosen)
    if against is not None:
        values = values - len(runs) * _summed(items, (against,), chosen)
    return values, chosen.groups, items.together(chosen), chosen.metric.scale


def _summed(items: Items, runs: tuple[str, ...], chosen: object) -> np.ndarray:
    outcomes = [items.outcomes(run, chosen) for run in runs]
    return sum(outcome.astype(int) if outcome.dtype == bool else outcome.astype(float) for outcome in outcomes)


def _p(items: Items, runs: tuple[str, ...], clip: str | None, cells: list[Cell]) -> float:
    """Return McNemar's p of items that are right or wrong and drawn alone; NaN for all others and for CLIP itself."""
    cell = cells[0]
    if len(cells) > 1 or cell.metric in ("gain", "delta") or clip not in items.models or runs == (clip,):
        return np.nan
    values, groups, together, _ = _values(items, runs, clip, cell)
    return mcnemar(values) if groups is None and together is None and values.dtype == int else np.nan


def resampled_mean(values: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """Return the bootstrap's means, of shape (RESAMPLES,), from x and the number of the group of each item."""
    if groups is None:
        groups = np.zeros(len(values), dtype=int)
    sizes = np.bincount(groups)
    total = np.zeros(RESAMPLES)
    if values.dtype != int:
        for number in range(len(sizes)):
            total += _drawn(values[groups == number], rng)
        return total / len(sizes)
    support = np.arange(values.min(), values.max() + 1)
    places = groups * len(support) + (values - support[0])
    counts = np.bincount(places, minlength=len(sizes) * len(support)).reshape(len(sizes), len(support))
    for size in np.unique(sizes):  # groups of one size have one denominator, so their sums can be added
        total += _resampled_sum(support, counts[sizes == size], int(size), rng) / size
    return total / len(sizes)


def resampled_clusters(values: np.ndarray, together: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return means of resamples of clusters, each with all its items, of shape (RESAMPLES,); NaN of a single one."""
    places = np.unique(together, return_inverse=True)[1]
    sums, sizes = np.bincount(places, weights=values), np.bincount(places)
    if len(sums) == 1:  # how others would differ from it cannot be known
        return np.full(RESAMPLES, np.nan)
    draws = (rng.integers(len(sums), size=(block, len(sums))) for block in _blocks(len(sums)))
    return np.concatenate([sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1) for drawn in draws])


def _drawn(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return means of resamples of one group, its items drawn one by one."""
    n = len(values)
    return np.concatenate([values[rng.integers(n, size=(m, n))].mean(axis=1) for m in _blocks(n)])


def _blocks(n: int) -> np.ndarray:
    """Return how many resamples of n draws each are drawn at a time."""
    return np.diff(np.r_[0 : RESAMPLES : max(1, DRAWN // n), RESAMPLES])


def _resampled_sum(support: np.ndarray, counts: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return draws of the sum of x over resamples of g groups with `size` items each, from their counts (g × v)."""
    kinds, alike = np.unique(counts, axis=0, return_counts=True)
    share = kinds / size
    steps = support - support[0]  # the sum of these is a whole number from 0
    mean = share @ steps
    deviation = np.sqrt(size * alike @ (share @ steps**2 - mean**2).clip(0))
    expected, largest = size * alike @ mean, size * alike.sum() * steps[-1]
    # The distribution modulo `width`: what it leaves out is further from the mean than `REACH` standard deviations.
    width = next_fast_len(int(min(largest, np.ceil(2 * REACH * deviation) + 32)) + 1, real=True)
    frequencies = np.exp(-2j * np.pi / width * np.outer(steps, np.arange(width // 2 + 1)))  # (v, width / 2 + 1)
    transformed = np.prod((share @ frequencies) ** (size * alike[:, None]), axis=0)
    first = max(0, int(expected) - width // 2)
    sums = np.arange(first, first + width)
    probability = np.fft.irfft(transformed, width)[sums % width].clip(0)
    times = rng.multinomial(RESAMPLES, probability / probability.sum())  # that each sum is drawn
    return rng.permutation(np.repeat(sums, times)) + support[0] * size * alike.sum()


def interval(resampled: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile interval of a bootstrap's means."""
    low, high = np.percentile(resampled, INTERVAL)
    return float(low), float(high)


def generator(*names: object) -> np.random.Generator:
    """Return the generator for the number of that name: an interval depends on no other number of the run."""
    digest = hashlib.sha256("\t".join(map(str, names)).encode()).digest()
    return np.random.default_rng([SEED, int.from_bytes(digest)])


def mcnemar(differences: np.ndarray) -> float:
    """Return the two-sided p of McNemar's test between two models on the same items, from x of each item.

    Under the null hypothesis each item that one model has right and the other wrong could as well be the other way
    round. So, of the m items that differ, those in favour of one model are Binomial(m, 1/2), and the test is exact.

    A mean over s seeds is tested by the same argument: x counts the seeds that are right minus s times the other model,
    and the sign of each item's x is a coin. With more than `EXACT` items that differ the sum of these signed numbers is
    taken as normal, with variance sum of x squared.
    """
    differences = differences[differences != 0]
    sizes, number = np.unique(np.abs(differences), return_counts=True)
    if len(sizes) == 0:
        return 1.0
    if len(sizes) == 1:
        return stats.binomtest(int((differences > 0).sum()), len(differences)).pvalue
    total = abs(differences.sum())
    if len(differences) > EXACT:
        return float(2 * stats.norm.sf(total / np.sqrt((differences**2).sum())))
    # How often each sum of signs comes up: the convolution over sizes, from -largest in steps of 1.
    probability = np.ones(1)
    for size, count in zip(sizes, number, strict=True):
        signed = np.zeros(2 * size * count + 1)
        signed[:: 2 * size] = stats.binom.pmf(np.arange(count + 1), count, 0.5)
        probability = np.convolve(probability, signed)
    sums = np.arange(len(probability)) - len(probability) // 2
    return min(1.0, float(probability[np.abs(sums) >= total].sum()))


def holm(p: pd.Series) -> pd.Series:
    """Return p-values corrected by Holm's method for as many comparisons as there are."""
    ordered = p.sort_values(kind="stable")
    return (ordered * np.arange(len(p), 0, -1)).cummax().clip(upper=1).reindex(p.index)
