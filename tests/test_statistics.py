"""Intervals, tests and corrections against slow, obvious ones."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline_lib.paper.tables.intervals import (
    EXACT,
    RESAMPLES,
    generator,
    holm,
    interval,
    mcnemar,
    resampled_clusters,
    resampled_mean,
)


def slowly_resampled(values: np.ndarray, groups: np.ndarray, resamples: int) -> np.ndarray:
    """The bootstrap as textbooks have it: draw items with replacement, in each group, and take the mean."""
    rng, means = np.random.default_rng(1), []
    for _ in range(resamples):
        parts = []
        for group in np.unique(groups):
            own = values[groups == group]
            parts.append(own[rng.integers(len(own), size=len(own))].mean())
        means.append(np.mean(parts))
    return np.array(means)


def made_up() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Values and groups of each kind of number that the tables have."""
    rng = np.random.default_rng(0)
    a, b, c = (rng.random(600) < share for share in (0.7, 0.6, 0.8))
    one, parts = np.zeros(600, int), np.repeat([0, 1, 2], [50, 150, 400])
    return {
        "share": (a.astype(int), one),
        "nearly all": ((np.arange(600) > 3).astype(int), one),
        "difference": (a.astype(int) - b, one),
        "over seeds": (a.astype(int) + b + c, one),
        "difference over seeds": (a.astype(int) + c - 2 * b, one),
        "mean of parts": (a.astype(int), parts),
        "difference of parts": (a.astype(int) - b, parts),
        "any number": (rng.random(600) ** 2, one),
        "any numbers of parts": (rng.random(600) + parts, parts),
        "per class": ((rng.random(600) < np.arange(600) / 600).astype(int), np.arange(600) // 20),
    }


ITEMS = made_up()


@pytest.mark.parametrize("name", ITEMS)
def test_the_fast_bootstrap_is_the_slow_one(name):
    values, groups = ITEMS[name]
    fast, slow = resampled_mean(values, groups, generator(name)), slowly_resampled(values, groups, 4000)
    mean = np.mean([values[groups == group].mean() for group in np.unique(groups)])
    assert fast.mean() == pytest.approx(mean, abs=5 * fast.std() / np.sqrt(RESAMPLES))
    assert fast.std() == pytest.approx(slow.std(), rel=0.06)
    assert interval(fast) == pytest.approx(interval(slow), abs=0.12 * slow.std() + 1 / len(values) / 2)
    # Both are samples of one distribution: Kolmogorov and Smirnov see no difference, in numbers free of ties' rounding.
    assert stats.ks_2samp(fast.round(9), slow.round(9)).pvalue > 1e-3


def test_what_was_drawn_together_is_resampled_together():
    rng = np.random.default_rng(0)
    together = np.repeat(np.arange(40), rng.integers(1, 30, size=40))
    values = (rng.random(len(together)) < rng.random(40)[together]).astype(int)  # a concept is easy or hard
    clusters = [values[together == number] for number in range(40)]
    slow = [np.concatenate([clusters[one] for one in rng.integers(40, size=40)]).mean() for _ in range(4000)]
    fast = resampled_clusters(values, 7 * together, generator("a"))
    assert abs(fast.mean() - np.mean(slow)) < 0.005 and 0.93 < fast.std() / np.std(slow) < 1.07
    assert fast.std() > 1.5 * resampled_mean(values, None, generator("a")).std()
    alone = resampled_clusters(values, np.arange(len(values)), generator("a")).std()
    assert 0.97 < alone / resampled_mean(values, None, generator("a")).std() < 1.03


def test_for_a_share_it_draws_from_the_binomial():
    values = (np.arange(40_000) < 26_300).astype(int)
    drawn = np.rint(40_000 * resampled_mean(values, None, generator("a")))
    expected = stats.binom(40_000, 26_300 / 40_000)
    assert stats.kstest(drawn + np.random.default_rng(0).random(RESAMPLES), lambda x: expected.cdf(x - 1)).pvalue > 1e-3
    low, high = interval(drawn / 40_000)
    assert (low, high) == pytest.approx([expected.ppf(q) / 40_000 for q in (0.025, 0.975)], abs=2e-4)


def test_it_is_seeded_by_name_and_certain_where_all_items_are_alike():
    values, _ = ITEMS["share"]
    once = resampled_mean(values, None, generator("ccneg", "a"))
    assert (once == resampled_mean(values, None, generator("ccneg", "a"))).all()
    assert (once != resampled_mean(values, None, generator("ccneg", "b"))).any()
    for value in (0, 1, -1, 0.5):
        assert interval(resampled_mean(np.full(50, value), None, generator(value))) == (value, value)


def flips(differences: np.ndarray) -> float:
    """The paired test by writing down every way the signs could have fallen."""
    moved = [x for x in differences if x]
    sums = [abs(np.dot(signs, moved)) for signs in itertools.product((-1, 1), repeat=len(moved))]
    return np.mean(np.array(sums) >= abs(sum(moved)))


@pytest.mark.parametrize(
    "differences",
    [[1, 1, 1, 1, 1, -1, 0, 0], [1, -1, 0], [-1] * 9, [0, 0], [3, 3, -1, 2, 1, 1, -2, 3, 0], [2, 2, 2, 2, -2]],
)
def test_mcnemar_is_exact(differences):
    assert mcnemar(np.array(differences)) == pytest.approx(flips(np.array(differences)), abs=1e-12)


def test_mcnemar_is_scipys_binomial_test_and_near_the_chi_square_where_counts_are_large():
    differences = np.repeat([1, -1, 0], [1100, 1200, 40_000])
    p = mcnemar(differences)
    assert p == pytest.approx(stats.binomtest(1100, 2300).pvalue, rel=1e-9)
    assert p == pytest.approx(stats.chi2.sf((100 - 1) ** 2 / 2300, 1), rel=0.01)


def test_of_several_seeds_the_exact_and_the_normal_test_meet():
    sides = np.repeat([3, 1, -1, -2], [EXACT // 4 + 5, EXACT // 4, EXACT // 4, EXACT // 4])
    exact, normal = mcnemar(sides[8:]), mcnemar(sides)
    assert len(sides[8:]) <= EXACT < len(sides)
    z = [part.sum() / np.sqrt((part**2).sum()) for part in (sides[8:], sides)]
    assert normal == pytest.approx(2 * stats.norm.sf(z[1]), rel=1e-12)
    assert exact == pytest.approx(2 * stats.norm.sf(z[0]), rel=0.1)


def test_holm_by_hand():
    assert holm(pd.Series([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(pd.Series([0.9, 0.8])).tolist() == pytest.approx([1, 1])
    assert holm(pd.Series(dtype=float)).tolist() == []
