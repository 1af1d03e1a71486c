"""Draw each figure from the tidy table: one function per figure, tidy rows -> a matplotlib Figure.

Every function takes an empty figure (see `pipeline_lib.paper.style`) and the rows from
`pipeline_lib.paper.layout.displayed`; values are percent or points.
"""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pipeline_lib.paper import style
from pipeline_lib.paper.layout import COLUMN_LABELS
from pipeline_lib.paper.metrics import BASELINE
from pipeline_lib.paper.tidy import CATEGORIES, PAPER_PROMPT

CHANCE = 50.0
RADAR_COLUMNS = 2


def intro(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw mean top-1 with plain and negated prompt as bars, grouped by backbone."""
    means = rows[(rows.table == "negated-prompt") & ~rows.variant & (rows.dataset == "mean") & (rows.metric == "top1")]
    axes = drawn.add_subplot()
    backbones, labels = _unique(means.backbone), _unique(means.label)
    colours = style.family_colours(means.family)
    bars = [(label, prompt) for label in labels for prompt in ("plain", "negated")]
    width = 0.84 / len(bars)
    for number, (label, prompt) in enumerate(bars):
        chosen = means[(means.label == label) & (means.prompt == prompt)]
        places = [backbones.index(name) + (number - (len(bars) - 1) / 2) * width for name in chosen.backbone]
        colour = colours[chosen.family.iloc[0]]
        look = {"color": colour} if prompt == "plain" else {"facecolor": "white", "edgecolor": colour, "hatch": "/////"}
        drawn_bars = axes.bar(places, chosen.value, width * 0.9, linewidth=0.8, **look)
        axes.bar_label(drawn_bars, fmt="%.0f", fontsize=6, padding=1)
    axes.set(ylim=(0, 100), ylabel="mean zero-shot top-1 (%)")
    _name_backbones(axes, backbones)
    handles = [Patch(color=colours[family], label=family) for family in _unique(means.family)]
    handles += [
        Patch(color="#444444", label="plain prompt"),
        Patch(facecolor="white", edgecolor="#444444", hatch="/////", label="negated prompt"),
    ]
    _legend_above(drawn, handles, columns=4)


def zeroshot_gain(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw the largest, mean and smallest gain over the datasets as bars, grouped by backbone."""
    gains = _by_dataset(rows, "gain")
    if gains.empty:
        style.say_nothing_to_show(drawn, "No model of this run was fine-tuned.")
        return
    groups = gains.groupby(["backbone", "label"], sort=False).value.agg(["max", "mean", "min"])
    axes = drawn.add_subplot()
    for number, (name, colour) in enumerate(style.GAIN_COLOURS.items()):
        places = np.arange(len(groups)) + (number - 1) * 0.27
        bars = axes.bar(places, groups[name], 0.25, color=colour, label=name)
        axes.bar_label(bars, fmt=_signed, fontsize=6, padding=1)
    axes.axhline(0, color="#444444", linewidth=0.7)
    axes.margins(y=0.15)
    axes.set_ylabel("gain in top-1 over CLIP (points)")
    ambiguous = groups.index.get_level_values("backbone").has_duplicates
    _name_backbones(axes, [f"{backbone}\n{label}" if ambiguous else backbone for backbone, label in groups.index])
    _legend_above(drawn, axes.get_legend_handles_labels()[0], columns=3)


def zeroshot_radar(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw top-1 per dataset on a radar, one panel per backbone."""
    top1 = _by_dataset(rows, "top1")
    backbones, datasets = _unique(top1.backbone), _unique(top1.dataset)
    colours = style.family_colours(top1.family)
    angles = np.linspace(0, 2 * math.pi, len(datasets), endpoint=False)
    columns = min(RADAR_COLUMNS, len(backbones))
    for number, backbone in enumerate(backbones, 1):
        axes = drawn.add_subplot(math.ceil(len(backbones) / columns), columns, number, projection="polar")
        for label, chosen in top1[top1.backbone == backbone].groupby("label", sort=False):
            values = chosen.set_index("dataset").value.reindex(datasets).to_numpy()
            colour = colours[chosen.family.iloc[0]]
            closed = np.append(angles, angles[0]), np.append(values, values[0])
            axes.plot(*closed, color=colour, label=label, clip_on=False)
            axes.fill(angles, values, color=colour, alpha=0.12, linewidth=0)
        axes.set(ylim=(0, 100), yticks=[25, 50, 75, 100], theta_zero_location="N", theta_direction=-1)
        axes.set_yticklabels(["", "50", "", "100"], fontsize=5, color="#444444")
        axes.set_xticks(angles, [name.replace("-", "-\n", 1) if len(name) > 9 else name for name in datasets])
        axes.tick_params(axis="x", labelsize=5.5, pad=-3)
        for angle, name in zip(angles, axes.get_xticklabels(), strict=True):
            side = round(math.sin(angle), 9)  # of the circle: right if positive
            name.set_horizontalalignment("left" if side > 0 else "right" if side < 0 else "center")
        axes.spines["polar"].set_visible(False)
        axes.set_title(backbone, pad=8)
    _legend_above(drawn, [Line2D([], [], color=colours[name], label=name) for name in _unique(top1.family)], columns=4)


def zeroshot_dots(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw top-1 per dataset as dots on a line, one panel per backbone."""
    top1 = _by_dataset(rows, "top1")
    backbones, datasets = _unique(top1.backbone), _unique(top1.dataset)
    colours = style.family_colours(top1.family)
    panels = drawn.subplots(1, len(backbones), sharex=True, sharey=True, squeeze=False)[0]
    for axes, backbone in zip(panels, backbones, strict=True):
        chosen = top1[top1.backbone == backbone]
        ends = chosen.groupby("dataset", sort=False).value.agg(["min", "max"]).reindex(datasets)
        axes.hlines(
            range(len(datasets)), ends["min"], ends["max"], color="#bbbbbb", linewidth=1.5, zorder=1, clip_on=False
        )
        for family, dots in chosen.groupby("family", sort=False):
            places = [datasets.index(name) for name in dots.dataset]
            # CLIP is an open ring, so that it shows where both coincide.
            face = "none" if family == BASELINE else colours[family]
            axes.scatter(dots.value, places, s=16, facecolors=face, edgecolors=colours[family], zorder=2, clip_on=False)
        axes.set(title=backbone, yticks=range(len(datasets)), xlim=(0, 100))
        axes.set_yticklabels(datasets)
    panels[0].invert_yaxis()
    drawn.supxlabel("zero-shot top-1 (%)", fontsize=7)
    handles = [
        Line2D([], [], linestyle="", marker="o", markerfacecolor="none" if name == BASELINE else colours[name],
               markeredgecolor=colours[name], label=name)
        for name in _unique(top1.family)
    ]  # fmt: skip
    _legend_above(drawn, handles, columns=4)


def ccneg_by_word(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw CC-Neg accuracy by negation word."""
    _parts_of_ccneg(drawn, rows, "ccneg-by-word", "negation word", joined=False)


def ccneg_by_pairs(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw CC-Neg accuracy by number of predicate-object pairs."""
    _parts_of_ccneg(drawn, rows, "ccneg-by-pairs", "predicate-object pairs in the caption", joined=True)


def _parts_of_ccneg(drawn: Figure, rows: pd.DataFrame, table: str, heading: str, joined: bool) -> None:
    rows = rows[(rows.table == table) & ~rows.variant]
    if rows.empty:
        style.say_nothing_to_show(drawn, f"This run has no CC-Neg accuracy by {heading}.")
        return
    datasets, backbones = _unique(rows.dataset), _unique(rows.backbone)
    colours = style.family_colours(rows.family)
    counts = rows.drop_duplicates("dataset").set_index("dataset").n
    axes = drawn.add_subplot()
    for (family, backbone, _), chosen in rows.groupby(["family", "backbone", "label"], sort=False):
        number = backbones.index(backbone)
        # Side by side by backbone, so that CLIP and the model made from it stand above each other.
        shift = (number - (len(backbones) - 1) / 2) * 0.4 / len(backbones)
        places = [datasets.index(name) + shift for name in chosen.dataset]
        marker = style.MARKERS[number % len(style.MARKERS)]
        line = "-" if joined else ""
        axes.plot(places, chosen.value, marker=marker, linestyle=line, color=colours[family], clip_on=False)
    style.chance_line(axes, CHANCE)
    axes.set(ylim=(min(45, rows.value.min() - 5), 101), ylabel="CC-Neg accuracy (%)", xlabel=heading)
    name = COLUMN_LABELS[table]
    axes.set_xticks(range(len(datasets)), [f"{name(dataset)}\nn={counts[dataset]:,}" for dataset in datasets])
    axes.set_xlim(-0.5, len(datasets) - 0.5)
    axes.grid(axis="x", visible=False)
    handles = [Patch(color=colours[family], label=family) for family in _unique(rows.family)]
    handles += [
        Line2D([], [], linestyle="", marker=style.MARKERS[number % len(style.MARKERS)], color="#444444", label=backbone)
        for number, backbone in enumerate(backbones)
    ]
    _legend_above(drawn, handles, columns=5)


def ablation(drawn: Figure, rows: pd.DataFrame) -> None:
    """Draw CC-Neg, SugarCREPE and mean zero-shot top-1 as dots, a line per training loss."""
    rows = rows[rows.table == "ablation"]
    if rows.empty:
        style.say_nothing_to_show(drawn, "No model of this run was trained with another loss.")
        return
    several = rows.backbone.nunique() > 1
    names = rows.label + (", " + rows.backbone if several else "")
    lines = _unique(names)
    places = names.map(lines.index)
    panels = drawn.subplots(1, 3, sharey=True, width_ratios=[1, 1.25, 1])
    markers = dict(zip(CATEGORIES, "s^v", strict=True))
    heights = dict(zip(CATEGORIES, (-0.2, 0, 0.2), strict=True))  # replace and add often coincide
    for axes, title, datasets in (
        (panels[0], "CC-Neg", ("cc-neg",)),
        (panels[1], "SugarCREPE", CATEGORIES),
        (panels[2], "zero-shot", ("zero-shot/mean",)),
    ):
        for dataset in datasets:
            chosen = rows.dataset == dataset
            colours = np.where(rows.family[chosen] == BASELINE, style.GREY, style.BLUE)
            size, height = (9, heights[dataset]) if dataset in heights else (16, 0)
            marker = markers.get(dataset, "o")
            axes.scatter(rows.value[chosen], places[chosen] + height, s=size, marker=marker, c=colours, clip_on=False)
            if len(datasets) == 1:
                _write_values(axes, rows.value[chosen], places[chosen])
        lowest = 0 if title == "zero-shot" else min(40, rows.value.min() - 5)
        axes.set(title=title, xlim=(lowest, 103), xlabel="%")
        axes.set_yticks(range(len(lines)), lines)
        if title != "zero-shot":
            axes.axvline(CHANCE, color="#444444", linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
    panels[0].invert_yaxis()
    panels[0].margins(y=0.12)
    handles = [
        Line2D([], [], linestyle="", marker=marker, color="#444444", label=dataset.removeprefix("sugarcrepe/"))
        for dataset, marker in markers.items()
    ]
    handles.append(Line2D([], [], color="#444444", linewidth=0.7, linestyle=(0, (4, 3)), label="chance"))
    _legend_above(drawn, handles, columns=4)


def _write_values(axes: Axes, values: pd.Series, places: pd.Series) -> None:
    for value, place in zip(values, places, strict=True):
        left = value > 80
        axes.annotate(
            f"{value:.1f}", (value, place), xytext=(-4 if left else 4, 0), textcoords="offset points",
            ha="right" if left else "left", va="center", fontsize=6,
        )  # fmt: skip


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
    backbones, labels = _unique(histories.backbone), _unique(histories.label)
    colours = {label: style.LOSS_COLOURS.get(label, style.GREY) for label in labels}
    panels = drawn.subplots(1, len(backbones), sharey=True, squeeze=False)[0]
    for axes, backbone in zip(panels, backbones, strict=True):
        for _, curve in histories[histories.backbone == backbone].groupby("model", sort=False):
            colour = colours[curve.label.iloc[0]]
            axes.plot(curve.step, curve.loss_value, color=colour, linewidth=0.7, alpha=0.7)
        axes.set(title=backbone, ylim=(0, None))
    panels[0].set_ylabel("training loss")
    drawn.supxlabel("optimiser step", fontsize=7)
    _legend_above(drawn, [Line2D([], [], color=colours[name], label=name) for name in labels], columns=3)


def _by_dataset(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return a zero-shot metric per dataset, under the prompt that the paper's figures have."""
    rows = rows[(rows.table == "zeroshot") & (rows.prompt == PAPER_PROMPT) & (rows.metric == metric)]
    return rows[(rows.dataset != "mean") & ~rows.variant]


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")


def _unique(names: pd.Series) -> list[str]:
    return list(dict.fromkeys(names))


def _name_backbones(axes: Axes, names: list[str]) -> None:
    axes.set_xticks(range(len(names)), names)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x", visible=False)


def _legend_above(drawn: Figure, handles: list, columns: int) -> None:
    drawn.legend(handles=handles, loc="outside upper center", ncols=columns, handlelength=1.4, columnspacing=1.2)
