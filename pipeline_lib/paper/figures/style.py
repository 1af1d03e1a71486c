"""The one look of all figures, and how they are saved.

Column width of a two-column paper, text of 7 points, colours of Okabe and Ito (told apart with any colour vision), and
never colour alone: backbones have markers, prompts have hatches, CLIP is hollow. Thin lines are 95 % intervals. The
same numbers give the same bytes.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.typing import ColorType
from numpy.typing import ArrayLike

from pipeline_lib.jobs.files import atomic
from pipeline_lib.paper.outputs import FIGURE_FORMATS
from pipeline_lib.paper.tables.metrics import BASELINE

WIDTH_IN = 3.4
COLUMNS = 3  # of panels side by side, one per backbone, that stay readable at that width

GREY, BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = (
    "#7a7a7a",
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#e69f00",
    "#cc79a7",
    "#56b4e9",
)
FAMILY_COLOURS = {"CLIP": GREY, "CoN-CLIP": BLUE}
OTHER_FAMILY_COLOURS = (VERMILION, GREEN, ORANGE, PURPLE)
LOSS_LOOKS = {  # colour, line
    "L_conclip": (BLUE, "-"),
    "L1": (VERMILION, (0, (4, 1))),
    "L2": (GREEN, (0, (1, 1))),
    "L1+L2": (ORANGE, (0, (4, 1, 1, 1))),
    "L1 on CREPE-Negate": (PURPLE, (0, (6, 2))),
}
GAIN_COLOURS = {"max": SKY, "mean": BLUE, "min": ORANGE}
MARKERS = "os^Dv<>"
INK = "#444444"
HALO = [withStroke(linewidth=1.2, foreground="white")]  # keeps small text readable across lines and bars
WHISKER = {"colors": "#222222", "linewidth": 0.6}

_RC = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "lines.markersize": 4,
    "hatch.linewidth": 0.6,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 300,
    "svg.hashsalt": "paper",
    "pdf.fonttype": 42,
}
# Without these, files would name the moment and the version of their making.
_METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}


@contextmanager
def figure(height_in: float) -> Iterator[Figure]:
    """Yield an empty figure of column width in the house style, and close it afterwards."""
    with plt.rc_context(_RC):
        drawn = plt.figure(figsize=(WIDTH_IN, height_in))
        try:
            yield drawn
        finally:
            plt.close(drawn)


def save(drawn: Figure, folder: str | Path, name: str) -> None:
    """Write ``folder/name`` in every format of `FIGURE_FORMATS`."""
    drawn.draw_without_rendering()
    drawn.set_layout_engine("none")  # laid out once, not for each format
    for suffix in FIGURE_FORMATS:
        with atomic(Path(folder) / f"{name}.{suffix}") as aside:
            drawn.savefig(aside, metadata=_METADATA[suffix])


def family_colours(families: Iterable[str]) -> dict[str, str]:
    """Return a colour for each family, the same in every figure of a run."""
    others = sorted(set(families) - set(FAMILY_COLOURS))
    spare = {family: OTHER_FAMILY_COLOURS[number % len(OTHER_FAMILY_COLOURS)] for number, family in enumerate(others)}
    return FAMILY_COLOURS | spare


def face(family: str, colour: ColorType) -> ColorType:
    """Return what fills a family's markers: CLIP's are hollow, so that they show in grey and where both coincide."""
    return "white" if family == BASELINE else colour


def family_line(family: str) -> str:
    """Return a family's line style: CLIP's is broken."""
    return "--" if family == BASELINE else "-"


def family_handles(colours: dict[str, str], families: Iterable[str], marker: str = "o") -> list[Line2D]:
    """Return a marker of each family, for the legend."""
    return [
        Line2D([], [], linestyle="", marker=marker, color=colours[name], markerfacecolor=face(name, colours[name]),
               label=name)
        for name in families
    ]  # fmt: skip


def chance_line(axes: Axes, value: float, label: str = "chance") -> None:
    """Draw a horizontal line at chance level and name it at its right end."""
    axes.axhline(value, color=INK, linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        label, (1, value), xycoords=("axes fraction", "data"), xytext=(-1, 2), textcoords="offset points",
        ha="right", va="bottom", fontsize=6, color=INK,
    )  # fmt: skip


def legend_above(drawn: Figure, handles: list, columns: int) -> None:
    """Put one legend for all panels above them, in up to so many columns as there is room for."""
    for number in range(columns, 0, -1):
        legend = drawn.legend(
            handles=handles, loc="outside upper center", ncols=number, handlelength=1.4, columnspacing=1.2
        )
        if number == 1 or legend.get_window_extent().width <= drawn.bbox.width:
            return
        legend.remove()


def panel_lines(count: int) -> int:
    """Return how many lines of panels `panels` makes for so many."""
    return math.ceil(count / COLUMNS)


def panels(drawn: Figure, names: list[str]) -> dict[str, Axes]:
    """Return axes that share their scales, a panel with a title for each name, up to `COLUMNS` side by side."""
    columns = min(COLUMNS, len(names))
    grid = drawn.subplots(panel_lines(len(names)), columns, sharex=True, sharey=True, squeeze=False)
    spare = grid.ravel()[len(names) :]
    for axes in spare:
        axes.remove()
    for axes in grid[-2, columns - len(spare) :] if len(spare) else []:
        axes.tick_params(labelbottom=True)  # has nothing below it
    found = dict(zip(names, grid.ravel(), strict=False))
    for name, axes in found.items():
        axes.set_title(name)
    return found


def above(axes: Axes, places: ArrayLike, ends: ArrayLike, texts: Iterable[str], down: ArrayLike) -> None:
    """Write small texts above the ends of bars, or below where `down`."""
    for place, end, text, below in zip(places, ends, texts, down, strict=True):
        axes.annotate(
            text, (place, end), xytext=(0, -1.5 if below else 1.5), textcoords="offset points", fontsize=5.5,
            ha="center", va="top" if below else "bottom", path_effects=HALO,
        )  # fmt: skip


def say_nothing_to_show(drawn: Figure, reason: str) -> None:
    """Fill a figure with the reason why it is empty."""
    drawn.text(0.5, 0.5, reason, ha="center", va="center", color=INK, wrap=True)
