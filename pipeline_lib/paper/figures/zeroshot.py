"""Zero-shot accuracy by prompt, by gain and by dataset, and what else each method learned.

Functions take the rows from `pipeline_lib.paper.tables.layout.compared`; values are percent or points.
"""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pipeline_lib.paper.figures import style
from pipeline_lib.paper.tables.metrics import BASELINE
from pipeline_lib.paper.tables.tidy import PAPER_PROMPT

RADAR_COLUMNS, RADAR_IN = 2, 1.7  # side by side; height of a row of them
LEARNED_LINE_IN, LEARNED_FRAME_IN = 0.3, 0.9
PROMPT_MARKERS = {"plain": "o", "negated": "X"}
GAIN_NAME_IN = 1.1
GAIN_COLOURS = {"max": style.SKY, "mean": style.BLUE, "min": style.ORANGE}


def intro(rows: pd.DataFrame) -> Figure:
    """Draw mean top-1 with plain and negated prompt as bars, grouped by backbone, of CLIP and of what was trained."""
    means, colours = _numbers(rows, "negated-prompt", "top1"), style.family_colours(rows.family)
    means = means[(means.dataset == "mean") & ((means.family == BASELINE) | means.loss.notna())]
    backbones = means.backbone.unique().tolist()
    drawn, axes = style.panel()
    bars = [
        (prompt, chosen[chosen.prompt == prompt])
        for _, chosen in means.groupby("label", sort=False)
        for prompt in PROMPT_MARKERS
    ]
    for number, (prompt, chosen) in enumerate(bars):
        places = chosen.backbone.map(backbones.index) + style.side_by_side(number, len(bars), 0.84)
        look = _bar(colours[chosen.family.iloc[0]], prompt)
        style.bars(axes, places, chosen, 0.9 * 0.84 / len(bars), "{:.0f}", linewidth=0.8, **look)
    axes.set(ylim=(0, 100), ylabel="mean zero-shot top-1 (%)")
    style.name_groups(axes, backbones)
    handles = [Patch(color=colours[family], label=family) for family in means.family.unique()]
    handles += [Patch(label=f"{prompt} prompt", **_bar(style.INK, prompt)) for prompt in PROMPT_MARKERS]
    style.legend_above(drawn, handles)
    return drawn


def _bar(colour: str, prompt: str) -> dict:
    hatched = {"facecolor": "white", "edgecolor": colour, "hatch": style.HATCH}
    return {"color": colour} if prompt == "plain" else hatched


def zeroshot_gain(rows: pd.DataFrame) -> Figure:
    """Draw the largest, mean and smallest gain over the datasets as bars, grouped by backbone."""
    gains = _numbers(rows, "zeroshot", "gain", PAPER_PROMPT)
    gains = gains[gains.loss.notna()]  # trained here; the dot plot has the others
    if gains.empty:
        return style.note("No model of this run was fine-tuned.")
    of_sets, means = gains[gains.dataset != "mean"], gains[gains.dataset == "mean"]
    by_model = of_sets.groupby(["backbone", "label"], sort=False).value
    bars = {"max": of_sets.loc[by_model.idxmax()], "mean": means, "min": of_sets.loc[by_model.idxmin()]}
    drawn, axes = style.panel()
    for number, (name, chosen) in enumerate(bars.items()):
        places = np.arange(len(chosen)) + style.side_by_side(number, len(bars), 0.81)
        style.bars(axes, places, chosen, 0.25, "{:+.1f}", color=GAIN_COLOURS[name], label=name)
    axes.axhline(0, color=style.INK, linewidth=0.7)
    axes.margins(y=0.15)
    axes.set_ylabel("gain in top-1 over CLIP (points)")
    ambiguous = means.backbone.duplicated().any()
    if ambiguous:  # whose names are long
        drawn.set_figwidth(GAIN_NAME_IN * (1 + len(means)))
    style.name_groups(axes, (means.backbone + "\n" + means.label if ambiguous else means.backbone).tolist())
    style.legend_above(drawn, axes.get_legend_handles_labels()[0])
    return drawn


def negated_prompt(rows: pd.DataFrame) -> Figure:
    """Draw top-1 per dataset under a plain and under a negated prompt, joined by a line, one panel per backbone."""
    top1 = _numbers(rows, "negated-prompt", "top1")
    drawn, panels = style.panels(top1.backbone, _height(top1), 0.8)
    colours = style.family_colours(top1.family)
    for axes, family, chosen in _line_per_dataset(panels, top1):
        both = chosen.pivot(index="place", columns="prompt", values="value")
        line = {"color": colours[family], "linewidth": 0.8, "alpha": 0.5, "zorder": 1}
        axes.hlines(both.index, both.plain, both.negated, **line)
        for prompt, marker in PROMPT_MARKERS.items():
            points = chosen[chosen.prompt == prompt]
            axes.hlines(points.place, points.low, points.high, zorder=2, **style.INTERVAL)
            style.dots(axes, points.value, points.place, family, colours[family], 11, marker=marker, linewidths=0.7)
    drawn.supxlabel("zero-shot top-1 (%)", fontsize=7)
    handles = style.family_markers(colours, top1.family.unique())
    handles += style.markers({f"{prompt} prompt": marker for prompt, marker in PROMPT_MARKERS.items()})
    style.legend_above(drawn, handles)
    return drawn


def zeroshot_dots(rows: pd.DataFrame) -> Figure:
    """Draw top-1 per dataset as dots, one panel per backbone and one line per dataset and family."""
    top1 = _top1_by_dataset(rows)
    drawn, panels = style.panels(top1.backbone, _height(top1), 0.8)
    lowest = 10 * (top1[["low", "value"]].min(axis=None) // 10)
    return _dots(drawn, panels, top1, "zero-shot top-1 (%)", lowest)


def learned(cells: dict[str, pd.DataFrame]) -> Figure:
    """Draw the cells of `pipeline_lib.paper.tables.overview.learned_cells`: a panel per backbone, a line per column."""
    parts = [part.assign(dataset=heading.removesuffix(" ↑")) for heading, part in cells.items()]
    rows = pd.concat(parts, ignore_index=True)
    if rows.empty:
        return style.note("No model of this run has any of these numbers.")
    drawn, panels = style.panels(rows.backbone, LEARNED_LINE_IN * rows.dataset.nunique(), LEARNED_FRAME_IN)
    drawn.set_figwidth(2 * style.WIDTH_IN)  # the names of the lines are as wide as a panel
    return _dots(drawn, panels, rows, "percent")


def _height(rows: pd.DataFrame) -> float:
    """Return the inches of a panel with a line per dataset and family."""
    return rows.dataset.nunique() * (0.06 + 0.06 * rows.family.nunique())


def _dots(drawn: Figure, panels: dict[str, Axes], rows: pd.DataFrame, label: str, lowest: float = 0) -> Figure:
    """Draw numbers as dots, one line per dataset and family."""
    colours = style.family_colours(rows.family)
    for axes, family, chosen in _line_per_dataset(panels, rows, lowest):
        axes.hlines(chosen.place, chosen.low, chosen.high, color=colours[family], linewidth=0.7, zorder=2)
        style.dots(axes, chosen.value, chosen.place, family, colours[family], 9)
    drawn.supxlabel(label, fontsize=7)
    style.legend_above(drawn, style.family_markers(colours, rows.family.unique()))
    return drawn


def _line_per_dataset(
    panels: dict[str, Axes], rows: pd.DataFrame, lowest: float = 0
) -> Iterator[tuple[Axes, str, pd.DataFrame]]:
    """Yield the panel, the family and the rows, with their `place`, of each model: one panel per backbone."""
    families, datasets = rows.family.unique().tolist(), rows.dataset.unique().tolist()
    for backbone, axes in panels.items():
        for (family, _), chosen in rows[rows.backbone == backbone].groupby(["family", "model"], sort=False):
            shift = style.side_by_side(families.index(family), len(families), 0.72)
            yield axes, family, chosen.assign(place=chosen.dataset.map(datasets.index) + shift)
        axes.set(xlim=(lowest, 100), ylim=(len(datasets) - 0.5, -0.5))
        axes.set_yticks(range(len(datasets)), datasets)


def zeroshot_radar(rows: pd.DataFrame) -> Figure:
    """Draw top-1 per dataset on a radar, one panel per backbone."""
    top1 = _top1_by_dataset(rows)
    backbones, datasets = top1.backbone.unique(), top1.dataset.unique()
    colours = style.family_colours(top1.family)
    angles = np.linspace(0, 2 * math.pi, len(datasets), endpoint=False)
    columns = min(RADAR_COLUMNS, len(backbones))
    radar_rows = math.ceil(len(backbones) / columns)
    drawn = style.figure(0.3 + RADAR_IN * radar_rows)
    for number, backbone in enumerate(backbones, 1):
        axes = drawn.add_subplot(radar_rows, columns, number, projection="polar")
        for (family, label), chosen in top1[top1.backbone == backbone].groupby(["family", "label"], sort=False):
            values = chosen.set_index("dataset").value.reindex(datasets).to_numpy()
            closed = np.append(angles, angles[0]), np.append(values, values[0])
            axes.plot(*closed, color=colours[family], linestyle=_line(family), label=label, clip_on=False)
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
    handles = [Line2D([], [], color=colours[name], linestyle=_line(name), label=name) for name in top1.family.unique()]
    style.legend_above(drawn, handles)
    return drawn


def _line(family: str) -> str:
    return "--" if family == BASELINE else "-"


def _numbers(rows: pd.DataFrame, table: str, metric: str, prompt: str | None = None) -> pd.DataFrame:
    """Return a metric of a table per dataset and of their mean, under one prompt or all, without variants."""
    rows = rows[(rows.table == table) & (rows.metric == metric) & ~rows.variant]
    return rows if prompt is None else rows[rows.prompt == prompt]


def _top1_by_dataset(rows: pd.DataFrame) -> pd.DataFrame:
    top1 = _numbers(rows, "zeroshot", "top1", PAPER_PROMPT)
    return top1[top1.dataset != "mean"]
