"""Zero-shot accuracy: by prompt, by gain, by dataset.

Every function takes the rows from `pipeline_lib.paper.tables.layout.compared`; values are percent or points.
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
PROMPT_MARKERS = {"plain": "o", "negated": "X"}
GAIN_COLOURS = {"max": style.SKY, "mean": style.BLUE, "min": style.ORANGE}


def intro(rows: pd.DataFrame) -> Figure:
    """Draw mean top-1 with plain and negated prompt as bars, grouped by backbone, of CLIP and of what was trained."""
    means, colours = _top1_by_prompt(rows), style.family_colours(rows.family)
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
        axes.bar(
            places, chosen.value, 0.9 * 0.84 / len(bars), linewidth=0.8, **_bar(colours[chosen.family.iloc[0]], prompt)
        )
        axes.vlines(places, chosen.low, chosen.high, **style.INTERVAL)
        style.write_above(axes, places, chosen.high, chosen.value.map("{:.0f}".format), [False] * len(chosen))
    axes.set(ylim=(0, 100), ylabel="mean zero-shot top-1 (%)")
    style.name_groups(axes, backbones)
    handles = [Patch(color=colours[family], label=family) for family in means.family.unique()]
    handles += [Patch(label=f"{prompt} prompt", **_bar(style.INK, prompt)) for prompt in PROMPT_MARKERS]
    style.legend_above(drawn, handles, columns=4)
    return drawn


def _bar(colour: str, prompt: str) -> dict:
    hatched = {"facecolor": "white", "edgecolor": colour, "hatch": style.HATCH}
    return {"color": colour} if prompt == "plain" else hatched


def negated_prompt(rows: pd.DataFrame) -> Figure:
    """Draw top-1 per dataset under a plain and under a negated prompt, joined by a line, one panel per backbone."""
    top1 = _top1_by_prompt(rows)
    drawn, panels = style.panels(top1.backbone, top1.dataset.nunique() * (0.06 + 0.06 * top1.family.nunique()), 1.0)
    colours = style.family_colours(top1.family)
    for axes, family, chosen in _by_dataset(panels, top1, 0):
        both = chosen.pivot(index="place", columns="prompt", values="value")
        line = {"color": colours[family], "linewidth": 0.8, "alpha": 0.5, "zorder": 1}
        axes.hlines(both.index, both.plain, both.negated, **line)
        for prompt, marker in PROMPT_MARKERS.items():
            points = chosen[chosen.prompt == prompt]
            axes.hlines(points.place, points.low, points.high, zorder=2, **style.INTERVAL)
            style.dots(axes, points.value, points.place, family, colours[family], 11, marker=marker, linewidths=0.7)
    handles = style.family_markers(colours, top1.family.unique())
    handles += style.markers({f"{prompt} prompt": marker for prompt, marker in PROMPT_MARKERS.items()})
    style.legend_above(drawn, handles, columns=4)
    return drawn


def zeroshot_dots(rows: pd.DataFrame) -> Figure:
    """Draw top-1 per dataset as dots, one panel per backbone and one line per dataset and family."""
    top1 = _top1_by_dataset(rows)
    drawn, panels = style.panels(top1.backbone)
    colours = style.family_colours(top1.family)
    lowest = 10 * (top1[["low", "value"]].min(axis=None) // 10)
    for axes, family, chosen in _by_dataset(panels, top1, lowest):
        axes.hlines(chosen.place, chosen.low, chosen.high, color=colours[family], linewidth=0.7, zorder=2)
        style.dots(axes, chosen.value, chosen.place, family, colours[family], 9)
    style.legend_above(drawn, style.family_markers(colours, top1.family.unique()), columns=4)
    return drawn


def _by_dataset(panels: dict[str, Axes], rows: pd.DataFrame, lowest: float) -> Iterator[tuple[Axes, str, pd.DataFrame]]:
    """Yield the panel, the family and the rows, with their `place`, of each model: one panel per backbone."""
    families, datasets = rows.family.unique().tolist(), rows.dataset.unique().tolist()
    for backbone, axes in panels.items():
        for (family, _), chosen in rows[rows.backbone == backbone].groupby(["family", "label"], sort=False):
            shift = style.side_by_side(families.index(family), len(families), 0.72)
            yield axes, family, chosen.assign(place=chosen.dataset.map(datasets.index) + shift)
        axes.set(xlim=(lowest, 100), ylim=(len(datasets) - 0.5, -0.5))
        axes.set_yticks(range(len(datasets)), datasets)
    axes.figure.supxlabel("zero-shot top-1 (%)", fontsize=7)


def zeroshot_gain(rows: pd.DataFrame) -> Figure:
    """Draw the largest, mean and smallest gain over the datasets as bars, grouped by backbone."""
    gains = _under_the_papers_prompt(rows, "gain")
    gains = gains[gains.loss.notna()]  # trained here; the dot plot has the others
    if gains.empty:
        return style.note("No model of this run was fine-tuned.")
    of_sets, means = gains[gains.dataset != "mean"], gains[gains.dataset == "mean"]
    by_model = of_sets.groupby(["backbone", "label"], sort=False).value
    bars = {"max": of_sets.loc[by_model.idxmax()], "mean": means, "min": of_sets.loc[by_model.idxmin()]}
    drawn, axes = style.panel()
    for number, (name, chosen) in enumerate(bars.items()):
        places = np.arange(len(chosen)) + style.side_by_side(number, len(bars), 0.81)
        axes.bar(places, chosen.value, 0.25, color=GAIN_COLOURS[name], label=name)
        axes.vlines(places, chosen.low, chosen.high, **style.INTERVAL)
        below = chosen.value < 0
        texts = chosen.value.map("{:+.1f}".format).str.replace("-", "\N{MINUS SIGN}")
        style.write_above(axes, places, chosen.low.where(below, chosen.high), texts, below)
    axes.axhline(0, color=style.INK, linewidth=0.7)
    axes.margins(y=0.15)
    axes.set_ylabel("gain in top-1 over CLIP (points)")
    ambiguous = means.backbone.duplicated().any()
    style.name_groups(axes, (means.backbone + "\n" + means.label if ambiguous else means.backbone).tolist())
    style.legend_above(drawn, axes.get_legend_handles_labels()[0], columns=3)
    return drawn


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
    style.legend_above(drawn, handles, columns=4)
    return drawn


def _line(family: str) -> str:
    return "--" if family == BASELINE else "-"


def _top1_by_prompt(rows: pd.DataFrame) -> pd.DataFrame:
    """Return top-1 under the plain and the negated prompt, per dataset and of their mean."""
    return rows[(rows.table == "negated-prompt") & ~rows.variant & (rows.metric == "top1")]


def _under_the_papers_prompt(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return a zero-shot metric per dataset and of their mean, under the prompt that the paper's figures have."""
    rows = rows[(rows.table == "zeroshot") & (rows.prompt == PAPER_PROMPT) & (rows.metric == metric)]
    return rows[~rows.variant]


def _top1_by_dataset(rows: pd.DataFrame) -> pd.DataFrame:
    top1 = _under_the_papers_prompt(rows, "top1")
    return top1[top1.dataset != "mean"]
