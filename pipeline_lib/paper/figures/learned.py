"""What each method learned: its own benchmark, what CLIP could before, and benchmarks of negation, as dots."""

import pandas as pd
from matplotlib.figure import Figure

from pipeline_lib.paper.figures import style

LINE_IN, FRAME_IN = 0.3, 0.9


def learned(cells: dict[str, pd.DataFrame]) -> Figure:
    """Draw the cells of `pipeline_lib.paper.tables.overview.learned_cells`: a panel per backbone, a line per column."""
    rows = pd.concat([part.assign(line=place) for place, part in enumerate(cells.values())], ignore_index=True)
    if rows.empty:
        return style.note("No model of this run has any of these numbers.")
    names = [heading.removesuffix(" ↑") for heading in cells]
    drawn, panels = style.panels(rows.backbone, LINE_IN * len(names), FRAME_IN)
    families, colours = rows.family.unique().tolist(), style.family_colours(rows.family)
    for backbone, axes in panels.items():
        for (family, _), chosen in rows[rows.backbone == backbone].groupby(["family", "model"], sort=False):
            places = chosen.line + style.side_by_side(families.index(family), len(families), 0.72)
            axes.hlines(places, chosen.low, chosen.high, color=colours[family], linewidth=0.7, zorder=2)
            style.dots(axes, chosen.value, places, family, colours[family], 9)
        axes.set(xlim=(0, 100), ylim=(len(names) - 0.5, -0.5))
        axes.set_yticks(range(len(names)), names)
    drawn.supxlabel("percent", fontsize=7)
    style.legend_above(drawn, style.family_markers(colours, families), columns=4)
    return drawn
