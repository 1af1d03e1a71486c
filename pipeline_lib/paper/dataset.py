"""CC-Neg in numbers: how many samples of which negation word, how many pairs, how long; and why captions were refused.

Inputs: the triplets of both splits (``negation_word``, ``n_pairs``, ``caption``, ``negated_caption``) and, where the
captions were negated here, the negation tables (``status``, ``reason``).
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from pipeline_lib.evaluate.kinds import MOST_PAIRS
from pipeline_lib.files import read_parquet

SPLITS = ("train", "eval")
TEXTS = {"caption": "caption", "negated_caption": "negated caption"}


def read_samples(train: str | Path, evaluation: str | Path) -> pd.DataFrame:
    """Read what is counted of each sample of CC-Neg.

    Returns
    -------
    DataFrame
        A row per sample: ``split``, ``negation_word``, ``n_pairs`` (more than 5 count as 5, as in the tables),
        ``caption`` and ``negated_caption`` in words.
    """
    parts = []
    for split, path in zip(SPLITS, (train, evaluation), strict=True):
        frame = read_parquet(path, ["negation_word", "n_pairs", *TEXTS])
        words = {name: frame[name].str.split().str.len() for name in TEXTS}
        parts.append(frame.assign(split=split, n_pairs=frame["n_pairs"].clip(upper=MOST_PAIRS), **words))
    return pd.concat(parts, ignore_index=True)


def counts(samples: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the number of samples by the values of a column (rows, sorted) and split (columns)."""
    return pd.crosstab(samples[column], samples["split"]).reindex(columns=list(SPLITS), fill_value=0)


def lengths(samples: pd.DataFrame) -> pd.DataFrame:
    """Return quantiles, mean and maximum of the texts' lengths in words, a row per text."""
    table = {
        label: {
            "5th percentile": samples[name].quantile(0.05),
            "median": samples[name].median(),
            "mean": samples[name].mean(),
            "95th percentile": samples[name].quantile(0.95),
            "longest": samples[name].max(),
        }
        for name, label in TEXTS.items()
    }
    return pd.DataFrame(table).T


def refusals(captions: Iterable[str | Path]) -> tuple[pd.Series, int]:
    """Return how many captions were refused by reason, most frequent first, and how many captions there were."""
    found, rows = [], 0
    for path in captions:
        frame = read_parquet(path, ["status", "reason"])
        rows += len(frame)
        found.append(frame.loc[frame["status"] != "negated", "reason"].value_counts())
    total = pd.concat(found).groupby(level=0).sum() if found else pd.Series(dtype="int64")
    return total.sort_values(ascending=False, kind="stable"), rows
