"""The one look of all figures, and how they are saved.

Column width of a two-column paper, text of 7 points, colours of Okabe and Ito (told apart with any colour vision), and
never colour alone: backbones have markers, prompts have hatches. The same numbers give the same bytes.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_lib.files import atomic
from pipeline_lib.paper.outputs import FIGURE_FORMATS

WIDTH_IN = 3.4

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
LOSS_COLOURS = {"L_conclip": BLUE, "L1": VERMILION, "L2": GREEN, "L1+L2": ORANGE, "L1 on CREPE-Negate": PURPLE}
GAIN_COLOURS = {"max": SKY, "mean": BLUE, "min": "#003a5c"}
MARKERS = "os^Dv<>"

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
    for suffix in FIGURE_FORMATS:
        with atomic(Path(folder) / f"{name}.{suffix}") as aside:
            drawn.savefig(aside, metadata=_METADATA[suffix])


def family_colours(families: Iterable[str]) -> dict[str, str]:
    """Return a colour for each family, the same in every figure of a run."""
    others = sorted(set(families) - set(FAMILY_COLOURS))
    spare = {family: OTHER_FAMILY_COLOURS[number % len(OTHER_FAMILY_COLOURS)] for number, family in enumerate(others)}
    return FAMILY_COLOURS | spare


def chance_line(axes: Axes, value: float, label: str = "chance") -> None:
    """Draw a horizontal line at chance level and name it at its right end."""
    axes.axhline(value, color="#444444", linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        label, (1, value), xycoords=("axes fraction", "data"), xytext=(-1, 2), textcoords="offset points",
        ha="right", va="bottom", fontsize=6, color="#444444",
    )  # fmt: skip


def say_nothing_to_show(drawn: Figure, reason: str) -> None:
    """Fill a figure with the reason why it is empty."""
    drawn.text(0.5, 0.5, reason, ha="center", va="center", color="#444444", wrap=True)
