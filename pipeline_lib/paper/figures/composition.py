"""What CC-Neg is made of: its samples by split, negation word, number of pairs and length, and the rows left out.

From the split tables and the index of `pipeline_lib.shards.index`. A row of the captions file, or of the release, that
is no sample lacks its image or was refused; the reasons are counted in the negation tables where the captions were
negated here, and in the index where the set was released.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline_lib.evaluate.kinds import MOST_PAIRS
from pipeline_lib.jobs.files import read_json, read_parquet
from pipeline_lib.paper.figures import style

HEIGHT_IN, BAR_IN = 3.4, 0.15
BARS = 8  # of the rows left out; the rest is one more
SPLIT_LOOKS = {
    "train": {"color": style.BLUE},
    "eval": {"facecolor": "white", "edgecolor": style.BLUE, "hatch": "/////"},
}
LENGTH_LOOKS = {"caption": (style.GREY, "--"), "negated_caption": (style.BLUE, "-")}
REFUSED = "refused_"  # before a reason in the index of a released set


class Composition(NamedTuple):
    """What the figure shows.

    Attributes
    ----------
    words, pairs : DataFrame
        Number of samples, a row per negation word or number of pairs, a column per split.
    lengths : dict of str to ndarray
        Column of the captions -> number of captions of 0, 1, ... words.
    rows : int
        Rows of the captions file or of the release.
    left_out : dict of str to int
        Why a row is no sample -> number of rows; the most frequent reason first.
    """

    words: pd.DataFrame
    pairs: pd.DataFrame
    lengths: dict[str, np.ndarray]
    rows: int
    left_out: dict[str, int]

    @property
    def height_in(self) -> float:
        """Return the height that the figure needs."""
        return HEIGHT_IN + BAR_IN * min(len(self.left_out), BARS + 1)


def read_composition(splits: dict[str, str], index: str, captions: list[str]) -> Composition:
    """Count CC-Neg.

    Parameters
    ----------
    splits : dict of str to str
        Split -> its table, Parquet.
    index : str
        ``index.json`` of the shards stage.
    captions : list of str
        The parts of the negation table; none where the set was released.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If a file is broken, or the rows of the negation table are not those of the index.
    """
    words, pairs, lengths = {}, {}, dict.fromkeys(LENGTH_LOOKS, np.zeros(0, int))
    for split, path in splits.items():
        table = read_parquet(path, ["negation_word", "n_pairs"])
        words[split] = table["negation_word"].value_counts()
        pairs[split] = table["n_pairs"].clip(upper=MOST_PAIRS).value_counts()
        for column in lengths:
            lengths[column] = _sum(lengths[column], _words_of(path, column))
    said = read_json(index)
    if not isinstance(said, dict) or not {"rows", "samples", "without_image"} <= said.get("rows", {}).keys():
        raise ValueError(f"{index}: expected the counts rows, samples and without_image; the shards stage makes it")
    counts = said["rows"]
    left_out = {"no image": counts["without_image"], **_refused(counts, captions)}
    if sum(left_out.values()) != counts["rows"] - counts["samples"]:
        raise ValueError(
            f"{index}: {counts['rows'] - counts['samples']:,} rows are no sample, but "
            f"{sum(left_out.values()):,} lack their image or were refused; expected the captions of the same run"
        )
    return Composition(
        words=pd.DataFrame(words).fillna(0).astype(int).sort_index(),
        pairs=pd.DataFrame(pairs).fillna(0).astype(int).sort_index(),
        lengths=lengths,
        rows=counts["rows"],
        left_out=dict(sorted(((name, n) for name, n in left_out.items() if n), key=lambda entry: -entry[1])),
    )


def _refused(counts: dict[str, int], captions: list[str]) -> dict[str, int]:
    """Return reason -> number of rows that were refused, whether they have an image or not."""
    if not captions:
        known = {name.removeprefix(REFUSED): n for name, n in counts.items() if name.startswith(REFUSED)}
        return {name.replace("_", "-"): n for name, n in known.items()}
    reasons = pd.concat([read_parquet(path, ["status", "reason"]) for path in captions], ignore_index=True)
    return reasons.reason[reasons.status != "negated"].fillna("unknown").value_counts().to_dict()


def _words_of(path: str, column: str) -> np.ndarray:
    """Return the number of captions of 0, 1, ... words."""
    texts = pq.read_table(path, columns=[column])[column]
    return np.bincount(pc.list_value_length(pc.utf8_split_whitespace(texts)).to_numpy())


def _sum(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    total = np.zeros(max(len(one), len(other)), int)
    total[: len(one)] += one
    total[: len(other)] += other
    return total


def data_statistics(drawn: Figure, composition: Composition) -> None:
    """Draw samples by negation word and number of pairs, texts by length, and the rows left out by reason."""
    bars = min(len(composition.left_out), BARS + 1)
    heights = [1.1, 0.9, 0.3 + BAR_IN * bars]
    upper, middle, lower = drawn.subfigures(3, 1, height_ratios=heights)
    words, pairs = upper.subplots(1, 2, width_ratios=[3, max(len(composition.pairs), 3)], sharey=True)
    _shares(words, composition.words, "negation word")
    _shares(pairs, composition.pairs, "predicate-object pairs")
    words.set_ylabel("% of the split")
    totals = composition.words.sum()
    upper.legend(
        handles=[words.containers[place] for place in range(len(totals))],
        labels=[f"{split}, n={total:,}" for split, total in totals.items()],
        loc="outside upper center", ncols=2,
    )  # fmt: skip
    _lengths(middle.add_subplot(), composition.lengths)
    _left_out(lower.add_subplot(), composition)


def _shares(axes: Axes, counts: pd.DataFrame, heading: str) -> None:
    """Draw each split's shares in percent; below each name stands the number of samples in all splits."""
    shares = 100 * counts / counts.sum().clip(lower=1)
    for number, (split, look) in enumerate(SPLIT_LOOKS.items()):
        places = np.arange(len(shares)) + (number - 0.5) * 0.4
        axes.bar(places, shares[split], 0.36, linewidth=0.8, **look)
    totals = counts.sum(axis="columns")
    last = f"{MOST_PAIRS}+" if counts.index.name == "n_pairs" else None
    names = [last if last and name == MOST_PAIRS else str(name) for name in counts.index]
    axes.set_xticks(range(len(names)), [f"{name}\n{total:,}" for name, total in zip(names, totals, strict=True)])
    axes.tick_params(axis="x", length=0, labelsize=5.5)
    axes.grid(axis="x", visible=False)
    axes.set_xlabel(heading)


def _lengths(axes: Axes, lengths: dict[str, np.ndarray]) -> None:
    for column, counts in lengths.items():
        colour, line = LENGTH_LOOKS[column]
        shares = 100 * counts / max(counts.sum(), 1)
        axes.step(
            np.arange(len(shares)), shares, where="mid", color=colour, linestyle=line, label=column.replace("_", " ")
        )
    axes.set(xlabel="words", ylabel="captions (%)", ylim=(0, None), xlim=(0, max(map(len, lengths.values())) - 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.legend(loc="upper right")


def _left_out(axes: Axes, composition: Composition) -> None:
    reasons = list(composition.left_out.items())
    if len(reasons) > BARS:
        reasons = [*reasons[:BARS], ("all others", sum(count for _, count in reasons[BARS:]))]
    names, counts = [name for name, _ in reasons], [count for _, count in reasons]
    axes.barh(range(len(names)), counts, 0.65, color="#bbbbbb")
    for place, count in enumerate(counts):
        axes.annotate(f"{count:,}", (count, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=6)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.margins(x=0.15)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel(f"rows that are no sample, of {composition.rows:,}")
