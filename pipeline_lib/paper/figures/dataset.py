"""What CC-Neg is made of: samples by split, negation word, number of pairs and length; rows left out; failed links.

A row of the captions file, or of the release, that is no sample lacks its image or was refused. Reasons are counted in
the negation tables where the captions were negated here, and in the index of the shards stage where the set was
released. Why links have no image is counted by `pipeline_lib.fetch.summary`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline_lib.evaluate.kinds import MOST_PAIRS
from pipeline_lib.jobs.files import read_json, read_parquet
from pipeline_lib.paper.figures import style

BAR_IN = 0.15
REASONS_SHOWN = 8  # why rows are left out; the rest is one more
SPLIT_LOOKS = {
    "train": {"color": style.BLUE},
    "eval": {"facecolor": "white", "edgecolor": style.BLUE, "hatch": style.HATCH},
}
LENGTH_LOOKS = {"caption": (style.GREY, "--"), "negated_caption": (style.BLUE, "-")}
REFUSED = "refused_"  # before a reason in the index of a released set
FAILURES_SHOWN = 12  # the table of the report has them all
# Of the hosts with most failures; the others are one colour.
HOST_LOOKS = ((style.BLUE, ""), (style.ORANGE, "////"), (style.GREEN, "...."), (style.PURPLE, "xxxx"))


@dataclass(frozen=True)
class Composition:
    """What CC-Neg is made of."""

    words: pd.DataFrame  # number of samples by negation word and split
    pairs: pd.DataFrame  # the same by number of predicate-object pairs
    lengths: dict[str, np.ndarray]  # column of the captions -> number of captions of 0, 1, ... words
    rows: int  # of the captions file or of the release
    left_out: dict[str, int]  # why a row is no sample -> number of rows, the largest first


def read_composition(splits: dict[str, str], index: str, captions: list[str]) -> Composition:
    """Count CC-Neg.

    `splits` are the tables of training and evaluation split (Parquet), `index` is the ``index.json`` of the shards
    stage, `captions` are the parts of the negation table: none where the set was released.
    """
    columns = ["negation_word", "n_pairs", *LENGTH_LOOKS]
    samples = pd.concat([read_parquet(path, columns).assign(split=split) for split, path in splits.items()])
    words, pairs = (
        pd.crosstab(part, samples["split"]).reindex(columns=list(splits), fill_value=0)
        for part in (samples["negation_word"], samples["n_pairs"].clip(upper=MOST_PAIRS))
    )
    content = read_json(index)
    if not isinstance(content, dict) or not {"rows", "samples", "without_image"} <= content.get("rows", {}).keys():
        raise ValueError(f"{index}: expected the counts rows, samples and without_image; the shards stage makes it")
    counts = content["rows"]
    left_out = pd.Series({"no image": counts["without_image"], **_refused(counts, captions)})
    if left_out.sum() != counts["rows"] - counts["samples"]:
        raise ValueError(
            f"{index}: {counts['rows'] - counts['samples']:,} rows are no sample, but "
            f"{left_out.sum():,} lack their image or were refused; expected the captions of the same run"
        )
    return Composition(
        words=words,
        pairs=pairs,
        lengths={column: np.bincount(samples[column].str.count(r"\S+")) for column in LENGTH_LOOKS},
        rows=counts["rows"],
        left_out=left_out[left_out > 0].sort_values(ascending=False, kind="stable").to_dict(),
    )


def _refused(counts: dict[str, int], captions: list[str]) -> dict[str, int]:
    """Return reason -> number of rows that were refused, whether they have an image or not."""
    if not captions:
        known = {name.removeprefix(REFUSED): n for name, n in counts.items() if name.startswith(REFUSED)}
        return {name.replace("_", "-"): n for name, n in known.items()}
    reasons = pd.concat([read_parquet(path, ["status", "reason"]) for path in captions], ignore_index=True)
    return reasons.reason[reasons.status != "negated"].fillna("unknown").value_counts().to_dict()


def data_statistics(composition: Composition) -> Figure:
    """Draw samples by negation word and number of pairs, captions by length, and the rows left out by reason."""
    bars = BAR_IN * min(len(composition.left_out), REASONS_SHOWN + 1)
    drawn = style.figure(3.4 + bars)
    upper, middle, lower = drawn.subfigures(3, 1, height_ratios=[1.1, 0.9, 0.3 + bars])
    words, pairs = upper.subplots(1, 2, width_ratios=[3, max(len(composition.pairs), 3)], sharey=True)
    _split_shares(words, composition.words, "negation word")
    _split_shares(pairs, composition.pairs, "predicate-object pairs")
    words.set_ylabel("% of the split")
    labels = [f"{split}, n={total:,}" for split, total in composition.words.sum().items()]
    upper.legend(handles=words.containers, labels=labels, loc="outside upper center", ncols=2)
    _caption_lengths(middle.add_subplot(), composition.lengths)
    _left_out(lower.add_subplot(), composition)
    return drawn


def _split_shares(axes: Axes, counts: pd.DataFrame, heading: str) -> None:
    """Draw each split's shares in percent; below each name stands the number of samples in all splits."""
    shares = 100 * counts / counts.sum().clip(lower=1)
    for number, (split, look) in enumerate(SPLIT_LOOKS.items()):
        places = np.arange(len(shares)) + style.side_by_side(number, len(SPLIT_LOOKS), 0.8)
        axes.bar(places, shares[split], 0.36, linewidth=0.8, **look)
    names = counts.index.map(str)
    if counts.index.name == "n_pairs":
        names = names.str.replace(str(MOST_PAIRS), f"{MOST_PAIRS}+")
    totals = counts.sum(axis="columns")
    style.name_groups(axes, [f"{name}\n{total:,}" for name, total in zip(names, totals, strict=True)])
    axes.tick_params(axis="x", labelsize=5.5)
    axes.set_xlabel(heading)


def _caption_lengths(axes: Axes, lengths: dict[str, np.ndarray]) -> None:
    for column, counts in lengths.items():
        colour, line = LENGTH_LOOKS[column]
        shares = 100 * counts / max(counts.sum(), 1)
        name = column.replace("_", " ")
        axes.step(np.arange(len(shares)), shares, where="mid", color=colour, linestyle=line, label=name)
    axes.set(
        xlabel="words in a caption",
        ylabel="captions (%)",
        ylim=(0, None),
        xlim=(0, max(map(len, lengths.values())) - 0.5),
    )
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.legend(loc="upper right")


def _left_out(axes: Axes, composition: Composition) -> None:
    counts = pd.Series(composition.left_out, dtype=int)
    if len(counts) > REASONS_SHOWN:
        others = pd.Series({"all others": counts[REASONS_SHOWN:].sum()})
        counts = pd.concat([counts[:REASONS_SHOWN], others])
    axes.barh(range(len(counts)), counts, 0.65, color=style.LIGHT_GREY)
    _write_counts(axes, counts)
    axes.set_yticks(range(len(counts)), counts.index)
    axes.set_ylim(max(len(counts), 1) - 0.4, -0.6)
    axes.margins(x=0.15)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel(f"rows left out, of {composition.rows:,}")


def _write_counts(axes: Axes, counts: pd.Series) -> None:
    """Write the counts at the ends of horizontal bars, whose names need no grid line."""
    for place, count in enumerate(counts):
        style.write_at(axes, f"{count:,}", (count, place), (3, 0), va="center")
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def read_fetch_summary(path: str) -> dict:
    """Read what `pipeline_lib.fetch.summary` wrote."""
    content = read_json(path)
    needed = {"captions", "rows", "successes", "failures", "hosts", "duplicates"}
    if not isinstance(content, dict) or not needed <= content.keys():
        expected = f"a summary with {', '.join(sorted(needed))}"
        raise ValueError(f"{path}: expected {expected}; pipeline_lib.fetch.summary makes it")
    return content


def fetch_failures(summary: dict | None) -> Figure:
    """Draw failed rows by class as horizontal bars, stacked by host: those with most of them, and all others.

    Without a summary there is nothing to draw: the images came with the released CC-Neg.
    """
    if summary is None:
        return style.note("This run fetched no images.")
    if not summary["failures"]:
        return style.note("Every row has an image.")
    totals = pd.DataFrame(summary["failures"]).groupby("label", sort=False)["rows"].sum()
    totals = totals.sort_values(ascending=False, kind="stable")[:FAILURES_SHOWN]
    drawn, axes = style.panel()
    left = pd.Series(0, totals.index)
    for host, (colour, hatch) in zip(summary["hosts"], HOST_LOOKS, strict=False):
        widths = pd.Series(host["failures"], dtype=int).reindex(totals.index, fill_value=0)
        look = {"color": colour, "hatch": hatch, "edgecolor": "white"}
        axes.barh(totals.index, widths, 0.7, left, label=host["host"], linewidth=0, **look)
        left += widths
    axes.barh(totals.index, totals - left, 0.7, left, color=style.LIGHT_GREY, label="all others", linewidth=0)
    _write_counts(axes, totals)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(f"rows without an image, of {summary['rows']:,}")
    axes.legend(loc="lower right")
    return drawn
