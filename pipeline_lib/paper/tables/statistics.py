"""Uncertainty of the tables' numbers, as pure functions of arrays: bootstrap intervals, McNemar's test, Holm's method.

Every number is a plain mean over g groups (classes, parts, datasets; often one group) of the mean of a small whole
number x over the group's items: x is 0 or 1 for a share, -1, 0 or 1 for a difference between two models on the same
items, and counts the seeds that are right for a mean over seeds. So a group is summed up by its counts: how many of its
n items have each x.

**Why this is the bootstrap exactly.** The bootstrap draws n of a group's n items with replacement and takes their mean,
10,000 times. Drawn items are independent, and each has x with probability count(x) / n. So the sum of a resample has
the n-th convolution power of that distribution: Binomial(n, p) where x is 0 or 1, and in general what the joint counts'
multinomial gives. The sum over several groups has the convolution of theirs. `resampled_mean` computes that
distribution and draws from it: the same as drawing items, at a cost that does not depend on how many there are. Pairs
stay together, since both sides of a difference are in one x. Groups are resampled each within itself: their sizes are
the benchmark's.
"""

import hashlib

import numpy as np
from scipy import stats
from scipy.fft import next_fast_len

RESAMPLES = 10_000
SEED = 0
INTERVAL = (2.5, 97.5)  # percentiles: 95 %
# Width, in standard deviations to each side, in which the distribution of a sum is computed. Beyond lies less than
# 1e-12.
REACH = 8
# Up to so many items that differ the paired test of several seeds is exact; of more, the normal approximation is as
# good.
EXACT = 500


def counts_of(values: np.ndarray, groups: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return how many items of each group have each value.

    Parameters
    ----------
    values : ndarray of int of shape (n,)
        x of each item.
    groups : ndarray of int of shape (n,), optional
        Number of each item's group, from 0, none left out; one group where not given.

    Returns
    -------
    support : ndarray of int of shape (v,)
        Every whole number from the smallest to the largest x.
    counts : ndarray of int of shape (g, v)
    """
    low, high = int(values.min()), int(values.max())
    support = np.arange(low, high + 1)
    shifted = values - low
    if groups is None:
        return support, np.bincount(shifted, minlength=len(support))[None]
    number = int(groups.max()) + 1
    counts = np.bincount(groups * len(support) + shifted, minlength=number * len(support))
    return support, counts.reshape(number, len(support))


def mean_of(support: np.ndarray, counts: np.ndarray) -> float:
    """Return the plain mean over groups of each group's mean; arguments as `counts_of` returns them."""
    return float(np.mean(counts @ support / counts.sum(axis=1)))


def resampled_mean(
    support: np.ndarray, counts: np.ndarray, rng: np.random.Generator, resamples: int = RESAMPLES
) -> np.ndarray:
    """Return the bootstrap's means: those of `resamples` resamples, each group resampled within itself.

    Parameters
    ----------
    support, counts : ndarray
        As `counts_of` returns them; each group has an item.
    rng : numpy.random.Generator
    resamples : int

    Returns
    -------
    ndarray of float of shape (resamples,)
    """
    sizes = counts.sum(axis=1)
    total = np.zeros(resamples)
    for size in np.unique(sizes):  # groups of one size have one denominator, so their sums can be added
        total += _resampled_sum(support, counts[sizes == size], int(size), rng, resamples) / size
    return total / len(counts)


def _resampled_sum(
    support: np.ndarray, counts: np.ndarray, size: int, rng: np.random.Generator, resamples: int
) -> np.ndarray:
    """Return draws of the sum of x over resamples of g groups with `size` items each."""
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
    times = rng.multinomial(resamples, probability / probability.sum())  # that each sum is drawn
    return rng.permutation(np.repeat(sums, times)) + support[0] * size * alike.sum()


def interval(resampled: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile interval of a bootstrap's means."""
    low, high = np.percentile(resampled, INTERVAL)
    return float(low), float(high)


def generator(*names: object) -> np.random.Generator:
    """Return the generator for the number of that name: an interval depends on no other number of the run."""
    digest = hashlib.sha256("\t".join(map(str, names)).encode()).digest()
    return np.random.default_rng([SEED, int.from_bytes(digest)])


def mcnemar(support: np.ndarray, counts: np.ndarray) -> float:
    """Return the two-sided p of McNemar's test between two models on the same items.

    Under the null hypothesis each item that one model has right and the other wrong could as well be the other way
    round. So, of the m items that differ, those in favour of one model are Binomial(m, 1/2), and the test is exact.

    A mean over s seeds is tested by the same argument: x counts the seeds that are right minus s times the other model,
    and the sign of each item's x is a coin. With more than `EXACT` items that differ the sum of these signed numbers is
    taken as normal, with variance sum of x squared.

    Parameters
    ----------
    support, counts : ndarray of shape (v,), (1, v)
        As `counts_of` returns them for the differences.

    Raises
    ------
    ValueError
        If there are several groups: the test is of one set of items.
    """
    if len(counts) != 1:
        raise ValueError(f"expected the differences of one group of items, found {len(counts)} groups")
    differing = {
        size: (
            int(counts[0][support == size].sum()),
            int(counts[0][support == -size].sum()),
        )
        for size in np.unique(np.abs(support))
        if size
    }
    differing = {size: found for size, found in differing.items() if sum(found)}
    if not differing:
        return 1.0
    if len(differing) == 1:
        ((plus, minus),) = differing.values()
        return min(1.0, float(2 * stats.binom.cdf(min(plus, minus), plus + minus, 0.5)))
    total = sum(size * (plus - minus) for size, (plus, minus) in differing.items())
    number = sum(plus + minus for plus, minus in differing.values())
    if number > EXACT:
        deviation = np.sqrt(sum(size**2 * (plus + minus) for size, (plus, minus) in differing.items()))
        return float(2 * stats.norm.sf(abs(total) / deviation))
    # How often each sum of signs comes up: the convolution over sizes, from -largest in steps of 1.
    probability = np.ones(1)
    for size, (plus, minus) in differing.items():
        spread = np.zeros(2 * size * (plus + minus) + 1)
        spread[:: 2 * size] = stats.binom.pmf(np.arange(plus + minus + 1), plus + minus, 0.5)
        probability = np.convolve(probability, spread)
    sums = np.arange(len(probability)) - len(probability) // 2
    return min(1.0, float(probability[np.abs(sums) >= abs(total)].sum()))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values of shape (k,) corrected by Holm's method for k comparisons."""
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    corrected = np.empty(len(p))
    corrected[order] = raised
    return corrected
