"""Draw what the training loss does: the ablation, the spread of the text embeddings, the training curves."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline_lib.paper.figures import style
from pipeline_lib.paper.figures.ccneg import CHANCE
from pipeline_lib.paper.tables.metrics import BASELINE
from pipeline_lib.paper.tables.tidy import CATEGORIES

CHANCE_LINE = {"color": style.INK, "linewidth": 0.7, "linestyle": (0, (4, 3))}
# Part of CC-Neg's captions -> marker and name, in the order in which they are drawn.
SPREADS = {
    "cc-neg/own-negation": ("x", "caption and its negation"),
    "cc-neg/captions": ("o", "captions"),
    "cc-neg/negated": ("s", "negated captions"),
}


def model_lines(rows: pd.DataFrame) -> pd.Series:
    """Return for each row the name of its model's line: its label, with the backbone where there are several."""
    return rows.label + (", " + rows.backbone if rows.backbone.nunique() > 1 else "")


def _panels(drawn: Figure, rows: pd.DataFrame, widths: list[float]) -> tuple[Sequence[Axes], pd.Series]:
    """Return panels side by side that share a line per model, and for each row the place of its line."""
    names = model_lines(rows)
    lines = names.unique().tolist()
    panels = drawn.subplots(1, len(widths), sharey=True, width_ratios=widths)
    panels[0].set_yticks(range(len(lines)), lines)
    panels[0].set_ylim(len(lines) - 0.4, -0.6)
    return panels, names.map(lines.index)


def _colour(family: str) -> str:
    return style.GREY if family == BASELINE else style.BLUE


def ablation(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw CC-Neg, SugarCREPE and mean zero-shot top-1 as dots, a line per training loss.

    Parameters
    ----------
    drawn : Figure
        Where to draw.
    rows : DataFrame
        From `pipeline_lib.paper.tables.layout.compared`.
    """
    rows = rows[rows.table == "ablation"]
    if rows.empty:
        style.say_nothing_to_show(drawn, "No model of this run was trained with another loss.")
        return
    panels, places = _panels(drawn, rows, [1, 1.25, 1])
    markers = dict(zip(CATEGORIES, "s^v", strict=True))
    heights = dict(zip(CATEGORIES, (-0.25, 0, 0.25), strict=True))  # replace and add often coincide
    for axes, title, datasets in (
        (panels[0], "CC-Neg", ("cc-neg",)),
        (panels[1], "SugarCREPE", CATEGORIES),
        (panels[2], "zero-shot", ("zero-shot/mean",)),
    ):
        lowest = 0 if title == "zero-shot" else min(40, rows.value.min() - 5)
        axes.set(title=title, xlim=(lowest, 103), xlabel="%")
        for dataset in datasets:
            chosen = rows[rows.dataset == dataset]
            if len(datasets) == 1:
                _write_values(axes, chosen, places[chosen.index], lowest)
            at = places[chosen.index] + heights.get(dataset, 0)
            size, marker = (7, markers[dataset]) if dataset in markers else (14, "o")
            for family, dots in chosen.groupby("family", sort=False):
                colour = _colour(family)
                fill = style.face(family, colour)
                axes.hlines(at[dots.index], dots.low, dots.high, zorder=2, **style.WHISKER)
                axes.scatter(
                    dots.value, at[dots.index], s=size, marker=marker, facecolors=fill, edgecolors=colour,
                    linewidths=0.8, zorder=3, clip_on=False,
                )  # fmt: skip
        if title != "zero-shot":
            axes.axvline(CHANCE, zorder=1, **CHANCE_LINE)
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=style.INK, label=dataset.removeprefix("sugarcrepe/"))
        for dataset, marker in markers.items()
    ]
    handles.append(Line2D([], [], label="chance", **CHANCE_LINE))
    style.legend_above(drawn, handles, columns=4)


def _write_values(axes: Axes, rows: pd.DataFrame, places: pd.Series, lowest: float) -> None:
    for row, place in zip(rows.itertuples(), places, strict=True):
        left = row.value > 0.42 * lowest + 58  # where there would be no room on the right
        # Beyond the dot, and beyond the interval where that reaches further.
        end = row.value if pd.isna(row.low) else (row.low if left else row.high)
        axes.annotate(
            f"{row.value:.1f}", (end, place), xytext=(-4 if left else 4, 0), textcoords="offset points",
            ha="right" if left else "left", va="center", fontsize=6,
        )  # fmt: skip


def embeddings(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw mean cosines and dimensions of CC-Neg's captions and negated captions, a line per model.

    Parameters
    ----------
    drawn : Figure
        Where to draw.
    rows : DataFrame
        From `pipeline_lib.paper.tables.layout.compared`.
    """
    rows = rows[rows.table == "embeddings"]
    if rows.empty:
        style.say_nothing_to_show(drawn, "No model of this run was evaluated on CC-Neg.")
        return
    panels, places = _panels(drawn, rows, [1.4, 1])
    for axes, metric, heading in ((panels[0], "cosine", "mean cosine"), (panels[1], "dimensions", "dimensions")):
        for dataset, (marker, _) in SPREADS.items():
            chosen = rows[(rows.dataset == dataset) & (rows.metric == metric)]
            for family, dots in chosen.groupby("family", sort=False):
                colour = _colour(family)
                # Hollow is the caption, filled its negation: two dots of one model often coincide.
                look = {"color": colour} if marker != "o" else {"facecolors": "none", "edgecolors": colour}
                axes.scatter(
                    dots.value, places[dots.index], s=14, marker=marker, linewidths=0.9, zorder=3, clip_on=False, **look
                )
        axes.set_xlabel(heading)
    lowest = rows.value[rows.metric == "cosine"].min()
    panels[0].set_xlim(min(0, lowest), 1)
    panels[1].set_xlim(0, 1.06 * rows.value[rows.metric == "dimensions"].max())
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=style.INK, label=label,
               markerfacecolor="none" if marker == "o" else None)
        for marker, label in SPREADS.values()
    ]  # fmt: skip
    style.legend_above(drawn, handles, columns=3)


def training_curves(drawn: Figure, histories: pd.DataFrame) -> None:
    """Draw training loss by step, one panel per backbone, one colour per loss; several seeds are several lines.

    Parameters
    ----------
    drawn : Figure
        Where to draw.
    histories : DataFrame
        Columns model, backbone, label, step, loss_value.
    """
    if histories.empty:
        style.say_nothing_to_show(drawn, "No model of this run was fine-tuned.")
        return
    labels = histories.label.unique()
    looks = {label: style.LOSS_LOOKS.get(label, (style.GREY, "-")) for label in labels}
    for backbone, axes in style.panels(drawn, histories.backbone.unique().tolist()).items():
        for (_, label), curve in histories[histories.backbone == backbone].groupby(["model", "label"], sort=False):
            colour, line = looks[label]
            axes.plot(curve.step, curve.loss_value, color=colour, linestyle=line, linewidth=0.7, alpha=0.8)
        axes.set_ylim(0, None)
    drawn.supylabel("training loss", fontsize=7)
    drawn.supxlabel("optimiser step", fontsize=7)
    handles = [Line2D([], [], color=looks[name][0], linestyle=looks[name][1], label=name) for name in labels]
    style.legend_above(drawn, handles, columns=3)
