"""Draw CC-Neg accuracy by negation word and by number of pairs.

Every function takes an empty figure (see `pipeline_lib.paper.figures.style`) and the rows from
`pipeline_lib.paper.tables.layout.compared`; values are percent.
"""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline_lib.paper.figures import style
from pipeline_lib.paper.tables.layout import COLUMN_LABELS

CHANCE = 50.0


def ccneg_by_word(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw CC-Neg accuracy by negation word."""
    _parts_of_ccneg(drawn, rows, "ccneg-by-word", "negation word")


def ccneg_by_pairs(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw CC-Neg accuracy by number of predicate-object pairs."""
    _parts_of_ccneg(drawn, rows, "ccneg-by-pairs", "predicate-object pairs in the caption")


def _parts_of_ccneg(drawn: Figure, rows: pd.DataFrame, table: str, heading: str) -> None:
    rows = rows[(rows.table == table) & ~rows.variant]
    if rows.empty:
        style.say_nothing_to_show(drawn, f"This run has no CC-Neg accuracy by {heading}.")
        return
    datasets, backbones = rows.dataset.unique().tolist(), rows.backbone.unique().tolist()
    colours = style.family_colours(rows.family)
    markers = {name: style.MARKERS[number % len(style.MARKERS)] for number, name in enumerate(backbones)}
    counts = rows.drop_duplicates("dataset").set_index("dataset").n
    axes = drawn.add_subplot()
    series = list(rows.groupby(["backbone", "family", "label"], sort=False))
    for number, ((backbone, family, _), chosen) in enumerate(series):
        shift = (number - (len(series) - 1) / 2) * 0.8 / len(series)  # side by side, so that none hides another
        places = [datasets.index(name) + shift for name in chosen.dataset]
        axes.vlines(places, chosen.low, chosen.high, color=colours[family], linewidth=0.8, zorder=2)
        axes.plot(
            places, chosen.value, marker=markers[backbone], color=colours[family], clip_on=False,
            linestyle="", markersize=3.5, markerfacecolor=style.face(family, colours[family]), markeredgewidth=0.8,
            zorder=3,
        )  # fmt: skip
    style.chance_line(axes, CHANCE)
    axes.set(ylim=(min(45, rows.low.min() - 2), 101), ylabel="CC-Neg accuracy (%)", xlabel=heading)
    name = COLUMN_LABELS[table]
    axes.set_xticks(range(len(datasets)), [f"{name(dataset)}\nn={counts[dataset]:,}" for dataset in datasets])
    axes.set_xlim(-0.5, len(datasets) - 0.5)
    axes.grid(axis="x", visible=False)
    handles = style.family_handles(colours, rows.family.unique())
    handles += [
        Line2D([], [], linestyle="", marker=marker, color=style.INK, label=backbone)
        for backbone, marker in markers.items()
    ]
    style.legend_above(drawn, handles, columns=4)
