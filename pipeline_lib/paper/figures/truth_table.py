"""The truth table of each model, beside what a model with and without understanding would show.

A panel has the mean scores of an image that shows a thing and of one that does not, with a caption that affirms it and
one that denies it: four means, less their mean, drawn from the three effects of `pipeline_lib.evaluate.presence`. Each
panel has a scale of its own, since cosines of two models are not comparable; its shape says what there is to say.
"""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline_lib.paper.figures import style

EFFECTS = ["text_effect", "image_effect", "interaction"]
COLUMNS, ROW_IN, FRAME_IN = 3, 1.1, 0.4
#: What a panel would look like: title -> the three effects.
EXAMPLES = {
    "understands": (0.0, 0.0, 1.0),
    "ignores “no”": (0.0, 1.0, 0.0),
    "“no” means wrong": (-1.0, 0.3, 0.0),
}
IMAGES = {"image with the thing": ("-", 1), "image without": ("--", -1)}  # line, and the side of the image's effects
CAPTIONS = ["“a dog”", "“no dog”"]


def truth_table(rows: pd.DataFrame) -> Figure:
    """Draw a panel for each model of `pipeline_lib.paper.tables.layout.compared`, below three made-up ones."""
    colours = style.family_colours(rows.family)
    rows = rows[(rows.table == "truth-table") & rows.dataset.str.endswith("/trained")]
    if rows.empty:
        return style.note("No model of this run was evaluated on a truth table.")
    models = list(rows.groupby(["dataset", "backbone", "label", "family"], sort=False))
    several = rows.dataset.nunique() > 1
    height = 1 + math.ceil(len(models) / COLUMNS)
    drawn = style.figure(FRAME_IN + ROW_IN * height)
    panels = drawn.subplots(height, COLUMNS, squeeze=False).ravel()
    for axes, (title, effects) in zip(panels, EXAMPLES.items(), strict=False):
        _panel(axes, effects, style.INK)
        axes.set_title(title, style="italic")
        axes.set_facecolor("#f4f4f4")
    for axes, ((dataset, backbone, label, family), own) in zip(panels[COLUMNS:], models, strict=False):
        numbers = own.set_index("metric").value
        _panel(axes, numbers[EFFECTS], colours[family])
        names = [label, backbone, *([dataset.removesuffix("/trained")] if several else [])]
        axes.set_title("\n".join(names), fontsize=6.5)
        axes.set_xlabel(f"captions right: {numbers.caption:.0f} %", fontsize=5.5)
    for axes in panels[COLUMNS + len(models) :]:
        axes.remove()
    handles = [
        Line2D([], [], color=style.INK, marker="o", linestyle=line, markerfacecolor=_face(side, style.INK), label=name)
        for name, (line, side) in IMAGES.items()
    ]
    style.legend_above(drawn, handles, columns=2)
    drawn.supylabel("mean score (each panel has its own scale)", fontsize=7)
    return drawn


def _panel(axes: Axes, effects: tuple[float, float, float], colour: str) -> None:
    """Draw four means by a caption that affirms and one that denies, a line for each image."""
    text, image, interaction = effects
    for line, side in IMAGES.values():
        denied = np.array([-1, 1])
        means = (denied * text + side * image - side * denied * interaction) / 2
        axes.plot(
            [0, 1], means, color=colour, marker="o", linestyle=line, markerfacecolor=_face(side, colour), clip_on=False
        )
    axes.axhline(0, color=style.LIGHT_GREY, linewidth=0.5, zorder=1)
    axes.set(xlim=(-0.3, 1.3), yticks=[], xticks=[0, 1], xticklabels=CAPTIONS)
    axes.margins(y=0.12)
    axes.tick_params(axis="x", length=0)
    axes.grid(visible=False)


def _face(side: int, colour: str) -> str:
    return colour if side > 0 else "white"
