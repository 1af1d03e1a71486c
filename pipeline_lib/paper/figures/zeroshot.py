"""Draw zero-shot accuracy: by prompt, by gain, by dataset.

Every function takes an empty figure (see `pipeline_lib.paper.figures.style`) and the rows from
`pipeline_lib.paper.tables.layout.compared`; values are percent or points.
"""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pipeline_lib.paper.figures import style
from pipeline_lib.paper.tables.metrics import BASELINE
from pipeline_lib.paper.tables.tidy import PAPER_PROMPT

RADAR_COLUMNS = 2
RADAR_IN = 1.7  # height of a line of radars
NEGATED_PROMPT_MARKERS = {"plain": "o", "negated": "X"}


def intro(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw mean top-1 with plain and negated prompt as bars, grouped by backbone, of CLIP and what was trained here."""
    means = _top1_by_prompt(rows)
    means = means[(means.dataset == "mean") & ((means.family == BASELINE) | means.loss.notna())]
    axes = drawn.add_subplot()
    backbones, labels = means.backbone.unique().tolist(), means.label.unique()
    colours = style.family_colours(means.family)
    bars = [(label, prompt) for label in labels for prompt in ("plain", "negated")]
    width = 0.84 / len(bars)
    for number, (label, prompt) in enumerate(bars):
        chosen = means[(means.label == label) & (means.prompt == prompt)]
        places = [backbones.index(name) + (number - (len(bars) - 1) / 2) * width for name in chosen.backbone]
        colour = colours[chosen.family.iloc[0]]
        look = {"color": colour} if prompt == "plain" else {"facecolor": "white", "edgecolor": colour, "hatch": "/////"}
        axes.bar(places, chosen.value, width * 0.9, linewidth=0.8, **look)
        axes.vlines(places, chosen.low, chosen.high, **style.WHISKER)
        style.above(axes, places, chosen.high, chosen.value.map("{:.0f}".format), [False] * len(chosen))
    axes.set(ylim=(0, 100), ylabel="mean zero-shot top-1 (%)")
    _name_groups(axes, backbones)
    handles = [Patch(color=colours[family], label=family) for family in means.family.unique()]
    handles += [
        Patch(color=style.INK, label="plain prompt"),
        Patch(facecolor="white", edgecolor=style.INK, hatch="/////", label="negated prompt"),
    ]
    style.legend_above(drawn, handles, columns=4)


def negated_prompt(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw top-1 per dataset under a plain and under a negated prompt, joined by a line, one panel per backbone."""
    top1 = _top1_by_prompt(rows)
    families, datasets = top1.family.unique().tolist(), top1.dataset.unique().tolist()
    colours = style.family_colours(families)
    for backbone, axes in style.panels(drawn, top1.backbone.unique().tolist()).items():
        for (family, _), chosen in top1[top1.backbone == backbone].groupby(["family", "label"], sort=False):
            shift = _shift(family, families)
            both = chosen.pivot(index="dataset", columns="prompt", values="value").reindex(datasets)
            look = {"color": colours[family], "linewidth": 0.8, "alpha": 0.5, "zorder": 1}
            axes.hlines(np.arange(len(datasets)) + shift, both.plain, both.negated, **look)
            for prompt, marker in NEGATED_PROMPT_MARKERS.items():
                dots = chosen[chosen.prompt == prompt]
                places = [datasets.index(name) + shift for name in dots.dataset]
                axes.hlines(places, dots.low, dots.high, zorder=2, **style.WHISKER)
                axes.scatter(
                    dots.value, places, s=11, marker=marker, linewidths=0.7, edgecolors=colours[family], zorder=3,
                    facecolors=style.face(family, colours[family]), clip_on=False,
                )  # fmt: skip
        axes.set(xlim=(0, 100), ylim=(len(datasets) - 0.5, -0.5))
        axes.set_yticks(range(len(datasets)), datasets)
    drawn.supxlabel("zero-shot top-1 (%)", fontsize=7)
    handles = style.family_handles(colours, families)
    handles += [
        Line2D([], [], linestyle="", marker=marker, color=style.INK, label=f"{prompt} prompt")
        for prompt, marker in NEGATED_PROMPT_MARKERS.items()
    ]
    style.legend_above(drawn, handles, columns=4)


def zeroshot_gain(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw the largest, mean and smallest gain over the datasets as bars, grouped by backbone."""
    gains = _under_the_papers_prompt(rows, "gain")
    gains = gains[gains.loss.notna()]  # trained here; the dot plot has the others
    if gains.empty:
        style.say_nothing_to_show(drawn, "No model of this run was fine-tuned.")
        return
    groups = list(gains.groupby(["backbone", "label"], sort=False))
    axes = drawn.add_subplot()
    for number, (name, colour) in enumerate(style.GAIN_COLOURS.items()):
        bars = pd.DataFrame([_gain(chosen, name) for _, chosen in groups])
        places = np.arange(len(groups)) + (number - 1) * 0.27
        axes.bar(places, bars.value, 0.25, color=colour, label=name)
        axes.vlines(places, bars.low, bars.high, **style.WHISKER)
        down = bars.value < 0
        style.above(axes, places, bars.low.where(down, bars.high), bars.value.map(_signed), down)
    axes.axhline(0, color=style.INK, linewidth=0.7)
    axes.margins(y=0.15)
    axes.set_ylabel("gain in top-1 over CLIP (points)")
    names = pd.MultiIndex.from_tuples([name for name, _ in groups])
    ambiguous = names.get_level_values(0).has_duplicates
    _name_groups(axes, [f"{backbone}\n{label}" if ambiguous else backbone for backbone, label in names])
    style.legend_above(drawn, axes.get_legend_handles_labels()[0], columns=3)


def zeroshot_radar(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw top-1 per dataset on a radar, one panel per backbone."""
    top1 = _of_datasets(_under_the_papers_prompt(rows, "top1"))
    backbones, datasets = top1.backbone.unique(), top1.dataset.unique()
    colours = style.family_colours(top1.family)
    angles = np.linspace(0, 2 * math.pi, len(datasets), endpoint=False)
    columns = min(RADAR_COLUMNS, len(backbones))
    for number, backbone in enumerate(backbones, 1):
        axes = drawn.add_subplot(math.ceil(len(backbones) / columns), columns, number, projection="polar")
        for label, chosen in top1[top1.backbone == backbone].groupby("label", sort=False):
            values = chosen.set_index("dataset").value.reindex(datasets).to_numpy()
            family = chosen.family.iloc[0]
            closed = np.append(angles, angles[0]), np.append(values, values[0])
            line = style.family_line(family)
            axes.plot(*closed, color=colours[family], linestyle=line, label=label, clip_on=False)
            axes.fill(angles, values, color=colours[family], alpha=0.12, linewidth=0)
        axes.set(ylim=(0, 100), yticks=[25, 50, 75, 100], theta_zero_location="N", theta_direction=-1)
        axes.set_yticklabels(["", "50", "", "100"], fontsize=5, color=style.INK)
        axes.set_xticks(angles, [name.replace("-", "-\n", 1) if len(name) > 9 else name for name in datasets])
        axes.tick_params(axis="x", labelsize=5.5, pad=-3)
        for angle, name in zip(angles, axes.get_xticklabels(), strict=True):
            side = round(math.sin(angle), 9)  # of the circle: right if positive
            name.set_horizontalalignment("left" if side > 0 else "right" if side < 0 else "center")
        axes.spines["polar"].set_visible(False)
        axes.set_title(backbone, pad=8)
    handles = [
        Line2D([], [], color=colours[name], linestyle=style.family_line(name), label=name)
        for name in top1.family.unique()
    ]
    style.legend_above(drawn, handles, columns=4)


def zeroshot_dots(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw top-1 per dataset as dots, one panel per backbone and one line per dataset and family."""
    top1 = _of_datasets(_under_the_papers_prompt(rows, "top1"))
    families, datasets = top1.family.unique().tolist(), top1.dataset.unique().tolist()
    colours = style.family_colours(families)
    lowest = 10 * (top1[["low", "value"]].min(axis=None) // 10)
    for backbone, axes in style.panels(drawn, top1.backbone.unique().tolist()).items():
        for (family, _), dots in top1[top1.backbone == backbone].groupby(["family", "label"], sort=False):
            places = np.array([datasets.index(name) for name in dots.dataset]) + _shift(family, families)
            axes.hlines(places, dots.low, dots.high, color=colours[family], linewidth=0.7, zorder=2)
            axes.scatter(
                dots.value, places, s=9, facecolors=style.face(family, colours[family]), edgecolors=colours[family],
                linewidths=0.8, zorder=3, clip_on=False,
            )  # fmt: skip
        axes.set(xlim=(lowest, 100), ylim=(len(datasets) - 0.5, -0.5))
        axes.set_yticks(range(len(datasets)), datasets)
    drawn.supxlabel("zero-shot top-1 (%)", fontsize=7)
    style.legend_above(drawn, style.family_handles(colours, families), columns=4)


def _top1_by_prompt(rows: pd.DataFrame) -> pd.DataFrame:
    """Return top-1 under the plain and the negated prompt, per dataset and of their mean."""
    return rows[(rows.table == "negated-prompt") & ~rows.variant & (rows.metric == "top1")]


def _under_the_papers_prompt(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return a zero-shot metric per dataset and of their mean, under the prompt that the paper's figures have."""
    rows = rows[(rows.table == "zeroshot") & (rows.prompt == PAPER_PROMPT) & (rows.metric == metric)]
    return rows[~rows.variant]


def _of_datasets(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows.dataset != "mean"]


def _gain(gains: pd.DataFrame, which: str) -> pd.Series:
    """Return the row of a model's largest, mean or smallest gain."""
    if which == "mean":
        return gains[gains.dataset == "mean"].iloc[0]
    values = _of_datasets(gains).value
    return gains.loc[values.idxmax() if which == "max" else values.idxmin()]


def _shift(family: str, families: list[str]) -> float:
    """Return how far below the middle of its dataset's line a family is drawn, so that none hides another."""
    return (families.index(family) - (len(families) - 1) / 2) * 0.72 / len(families)


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")


def _name_groups(axes: Axes, names: list[str]) -> None:
    axes.set_xticks(range(len(names)), names)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x", visible=False)
