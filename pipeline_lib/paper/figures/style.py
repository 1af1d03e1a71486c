"""The one look of all figures, what several of them draw, and how they are saved.

Column width of a two-column paper, text of 7 points, colours of Okabe and Ito (told apart with any colour vision), and
never colour alone: backbones have markers, prompts have hatches, CLIP is hollow. Thin lines are 95 % intervals. The
same numbers give the same bytes.
"""

import math
from collections.abc import Iterable
from contextlib import AbstractContextManager
from itertools import cycle
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from pipeline_lib.jobs.files import atomic
from pipeline_lib.paper.outputs import FIGURE_FORMATS
from pipeline_lib.paper.tables.metrics import BASELINE

WIDTH_IN, PANEL_IN = 3.4, 2.1
DECIMALS = 6  # of places, as shares of the figure: a thousandth of a pixel
COLUMNS = 3  # of panels side by side, one per backbone, that stay readable at that width

GREY, BLUE, VERMILION, GREEN = "#7a7a7a", "#0072b2", "#d55e00", "#009e73"
ORANGE, PURPLE, SKY, BROWN = "#e69f00", "#cc79a7", "#56b4e9", "#7f4f24"
LIGHT_GREY, INK = "#bbbbbb", "#444444"
FAMILY_COLOURS = {"CLIP": GREY, "CoN-CLIP": BLUE}
OTHER_FAMILY_COLOURS = (VERMILION, GREEN, ORANGE, PURPLE, SKY, BROWN)
MARKERS = "os^Dv<>"
HATCH = "/////"
INTERVAL = {"colors": "#222222", "linewidth": 0.6}
CHANCE = {"color": INK, "linewidth": 0.7, "linestyle": (0, (4, 3)), "zorder": 1}

# Without these, files would name the moment and the version of their making.
_METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}


def look() -> AbstractContextManager:
    """Return the context in which figures are drawn and saved."""
    return matplotlib.rc_context(fname=Path(__file__).with_name("house.mplstyle"))


def figure(height_in: float) -> Figure:
    """Return an empty figure of column width."""
    return Figure(figsize=(WIDTH_IN, height_in))


def panel() -> tuple[Figure, Axes]:
    """Return a figure of a single panel."""
    drawn = figure(PANEL_IN)
    return drawn, drawn.add_subplot()


def note(reason: str) -> Figure:
    """Return a figure that says why there is nothing to show."""
    drawn = figure(PANEL_IN)
    drawn.text(0.5, 0.5, reason, ha="center", va="center", color=INK, wrap=True)
    return drawn


def save(drawn: Figure, folder: str | Path, name: str) -> None:
    """Write ``folder/name`` in every format of `FIGURE_FORMATS`."""
    drawn.draw_without_rendering()
    drawn.set_layout_engine("none")  # laid out once, not for each format
    # The solver of the layout adds in the order of addresses in memory, so the last bits differ from run to run.
    for part in drawn.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(DECIMALS))
    for axes in drawn.axes:
        axes.set_position([round(side, DECIMALS) for side in axes.get_position(original=True).bounds])
    for suffix in FIGURE_FORMATS:
        with atomic(Path(folder) / f"{name}.{suffix}") as aside:
            drawn.savefig(aside, metadata=_METADATA[suffix])


def family_colours(families: Iterable[str]) -> dict[str, str]:
    """Return a colour for each family: the same in every figure of a run that is given the same families."""
    others = sorted(set(families) - set(FAMILY_COLOURS))
    return FAMILY_COLOURS | dict(zip(others, cycle(OTHER_FAMILY_COLOURS), strict=False))


def face(family: str, colour: str) -> str:
    """Return what fills a family's markers: CLIP's are hollow, so that they show in grey and where both coincide."""
    return "white" if family == BASELINE else colour


def dots(axes: Axes, x: ArrayLike, y: ArrayLike, family: str, colour: str, size: float, **more: object) -> None:
    """Draw the numbers of a family as dots; `size` is an area in square points."""
    look = {"edgecolors": colour, "facecolors": face(family, colour), "linewidths": 0.8, "clip_on": False}
    axes.scatter(x, y, s=size, zorder=3, **look | more)


def markers(looks: dict[str, str]) -> list[Line2D]:
    """Return handles for the legend: label -> marker."""
    return [Line2D([], [], linestyle="", marker=marker, color=INK, label=label) for label, marker in looks.items()]


def family_markers(colours: dict[str, str], families: Iterable[str]) -> list[Line2D]:
    """Return a dot of each family for the legend."""
    return [
        Line2D([], [], linestyle="", marker="o", color=colours[name], label=name,
               markerfacecolor=face(name, colours[name]))
        for name in families
    ]  # fmt: skip


def legend_above(drawn: Figure, handles: list, columns: int = 4) -> None:
    """Put one legend for all panels above them, in up to so many columns as there is room for.

    The figure grows by all lines of the legend but one, so that they take nothing from the panels.
    """
    look = {"loc": "outside upper center", "handlelength": 1.4, "columnspacing": 1.2}
    for number in range(columns, 0, -1):
        legend = drawn.legend(handles=handles, ncols=number, **look)
        box = legend.get_window_extent()
        if number == 1 or box.width <= drawn.bbox.width:
            lines = math.ceil(len(handles) / number)
            drawn.set_figheight(drawn.get_figheight() + box.height * (1 - 1 / lines) / drawn.dpi)
            return
        legend.remove()


def side_by_side(number: int, count: int, room: float) -> float:
    """Return how far from the middle of its group the one of `count` bars or dots is drawn; `room` is for all."""
    return (number - (count - 1) / 2) * room / count


def name_groups(axes: Axes, names: list[str]) -> None:
    """Write the names of groups below them, without ticks and grid lines."""
    axes.set_xticks(range(len(names)), names)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x", visible=False)


def write_at(axes: Axes, text: str, place: tuple, offset: tuple[float, float], size: float = 6, **more: object) -> None:
    """Write a small text beside a place of the axes; `offset` is in points."""
    axes.annotate(text, place, xytext=offset, textcoords="offset points", fontsize=size, **more)


def bars(axes: Axes, places: ArrayLike, rows: pd.DataFrame, width: float, pattern: str, **look: object) -> None:
    """Draw numbers as bars with their intervals, and write them beyond the ends of these."""
    axes.bar(places, rows.value, width, **look)
    axes.vlines(places, rows.low, rows.high, **INTERVAL)
    halo = [withStroke(linewidth=1.2, foreground="white")]  # sets a number off from lines
    for place, row in zip(places, rows.itertuples(), strict=True):
        end, away, side = (row.low, -1.5, "top") if row.value < 0 else (row.high, 1.5, "bottom")
        text = pattern.format(row.value).replace("-", "\N{MINUS SIGN}")
        write_at(axes, text, (place, end), (0, away), 5.5, ha="center", va=side, path_effects=halo)


def panels(backbones: pd.Series, row_in: float = PANEL_IN, frame_in: float = 0) -> tuple[Figure, dict[str, Axes]]:
    """Return a figure and its axes, a panel for each backbone: up to `COLUMNS` side by side that share their scales.

    `row_in` is the height of a row of panels, `frame_in` that of all around them, in inches.
    """
    names = backbones.unique().tolist()
    rows, columns = math.ceil(len(names) / COLUMNS), min(COLUMNS, len(names))
    drawn = figure(frame_in + row_in * rows)
    grid = drawn.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    spare = grid.ravel()[len(names) :]
    for axes in spare:
        axes.remove()
    for axes in grid[-2, columns - len(spare) :] if len(spare) else []:
        axes.tick_params(labelbottom=True)  # has nothing below it
    found = dict(zip(names, grid.ravel(), strict=False))
    for name, axes in found.items():
        axes.set_title(name)
    return drawn, found
