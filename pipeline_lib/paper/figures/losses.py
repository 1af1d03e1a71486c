"""What the training loss does: the ablation, the spread of the text embeddings, the training curves."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline_lib.jobs.remedy import remedy
from pipeline_lib.paper.figures import style
from pipeline_lib.paper.tables.metrics import BASELINE
from pipeline_lib.paper.tables.tidy import CATEGORIES, loss_label

FRAME_IN, LINE_IN = 1.0, 0.2  # height of all that is not lines of models, and of such a line
CHANCE = 50.0
RUNNING_MEAN = 20  # steps of a training curve: alone they hide each other
# Part of SugarCREPE -> marker, and how far from its line it is drawn: replace and add often coincide.
PARTS = dict(zip(CATEGORIES, (("s", -0.25), ("^", 0), ("v", 0.25)), strict=True))
# Texts of CC-Neg -> marker and name, in the order in which they are drawn.
SPREADS = {
    "cc-neg/own-negation": ("x", "caption and its negation"),
    "cc-neg/captions": ("o", "captions"),
    "cc-neg/negated": ("s", "negated captions"),
}
LOSS_LOOKS = {  # colour, line
    "L_conclip": (style.BLUE, "-"),
    "L_conclip+": (style.INK, "-"),
    "L_conclip+ (control)": (style.GREY, "-"),
    "L1": (style.VERMILION, (0, (4, 1))),
    "L2": (style.GREEN, (0, (1, 1))),
    "L1+L2": (style.ORANGE, (0, (4, 1, 1, 1))),
    "L1 on CREPE-Negate": (style.PURPLE, (0, (6, 2))),
    "L1+C2I on CREPE-Negate": (style.PURPLE, (0, (3, 1))),
}


def _line_per_model(rows: pd.DataFrame, widths: list[float]) -> tuple[Figure, Sequence[Axes], pd.DataFrame]:
    """Return a figure, its panels side by side that share a line per model, and the rows with the `place` of theirs."""
    names = rows.label + (", " + rows.backbone if rows.backbone.nunique() > 1 else "")
    lines = names.unique().tolist()
    drawn = style.figure(FRAME_IN + LINE_IN * max(len(lines), 4))
    panels = drawn.subplots(1, len(widths), sharey=True, width_ratios=widths)
    panels[0].set_yticks(range(len(lines)), lines)
    panels[0].set_ylim(len(lines) - 0.4, -0.6)
    return drawn, panels, rows.assign(place=names.map(lines.index))


def _colour(family: str) -> str:
    return style.GREY if family == BASELINE else style.BLUE


def ablation(rows: pd.DataFrame) -> Figure:
    """Draw CC-Neg, SugarCREPE and mean zero-shot top-1 as dots, a line per training loss; `rows` from `compared`."""
    rows = rows[rows.table == "ablation"]
    if rows.empty:
        return style.note("No model of this run was trained with another loss.")
    drawn, panels, rows = _line_per_model(rows, [1, 1.25, 1])
    parts = {"CC-Neg": ("cc-neg",), "SugarCREPE": CATEGORIES, "zero-shot": ("zero-shot/mean",)}
    for axes, (title, datasets) in zip(panels, parts.items(), strict=True):
        lowest = 0 if title == "zero-shot" else min(40, rows.value.min() - 5)
        axes.set(title=title, xlim=(lowest, 103), xlabel="%")
        for dataset in datasets:
            chosen = rows[rows.dataset == dataset]
            if len(datasets) == 1:
                _write_values(axes, chosen, lowest)
            marker, shift = PARTS.get(dataset, ("o", 0))
            for family, points in chosen.groupby("family", sort=False):
                axes.hlines(points.place + shift, points.low, points.high, zorder=2, **style.INTERVAL)
                size = 7 if dataset in PARTS else 14
                style.dots(axes, points.value, points.place + shift, family, _colour(family), size, marker=marker)
        if title != "zero-shot":
            axes.axvline(CHANCE, **style.CHANCE)
    handles = style.markers({part.removeprefix("sugarcrepe/"): marker for part, (marker, _) in PARTS.items()})
    style.legend_above(drawn, [*handles, Line2D([], [], label="chance", **style.CHANCE)])
    return drawn


def _write_values(axes: Axes, rows: pd.DataFrame, lowest: float) -> None:
    for row in rows.itertuples():
        left = row.value > 0.42 * lowest + 58  # where there would be no room on the right
        # Beyond the dot, and beyond the interval where that reaches further.
        end = row.value if pd.isna(row.low) else (row.low if left else row.high)
        side = {"ha": "right" if left else "left", "va": "center"}
        style.write_at(axes, f"{row.value:.1f}", (end, row.place), (-4 if left else 4, 0), **side)


def embeddings(rows: pd.DataFrame) -> Figure:
    """Draw mean cosines and dimensions of CC-Neg's captions and negated captions, a line per model of `compared`."""
    rows = rows[rows.table == "embeddings"]
    if rows.empty:
        return style.note("No model of this run was evaluated on CC-Neg.")
    drawn, panels, rows = _line_per_model(rows, [1.4, 1])
    for axes, metric in zip(panels, ("cosine", "dimensions"), strict=True):
        for dataset, (marker, _) in SPREADS.items():
            chosen = rows[(rows.dataset == dataset) & (rows.metric == metric)]
            colours = chosen.family.map(_colour)  # of hollow markers, since those of one model often coincide
            look = {"color": colours} if marker == "x" else {"facecolors": "none", "edgecolors": colours}
            axes.scatter(chosen.value, chosen.place, 16, marker=marker, linewidths=0.9, zorder=3, clip_on=False, **look)
    panels[0].set(xlabel="mean cosine", xlim=(min(0, rows.value[rows.metric == "cosine"].min()), 1))
    panels[1].set(xlabel="dimensions", xlim=(0, 1.06 * rows.value[rows.metric == "dimensions"].max()))
    handles = style.markers({label: marker for marker, label in SPREADS.values()})
    for handle in handles:
        handle.set_fillstyle("none")
    style.legend_above(drawn, handles, columns=3)
    return drawn


def read_histories(paths: list[str], tables: pd.DataFrame) -> pd.DataFrame:
    """Read ``.../MODEL/history.jsonl``: a JSON object per line with at least the numbers ``step`` and ``loss``.

    Returns columns model, backbone, label, step, loss_value, in the order of the models in the tidy table `tables`.
    """
    models = tables.drop_duplicates("model").set_index("model")
    rows = []
    for path in map(Path, paths):
        model = path.parent.name
        if model not in models.index:
            raise ValueError(f"{path}: expected a folder named like a model of the tables, found {model!r}")
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such history; the finetune stage makes it")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                content = json.loads(line)
                step, loss = int(content["step"]), float(content["loss"])
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(
                    f"{path}, line {number}: expected JSON with numbers step and loss ({error!r}); {remedy(path)}"
                ) from error
            if not math.isfinite(loss):
                raise ValueError(f"{path}, line {number}: expected a finite loss, found {loss}")
            label = loss_label(models.loss[model], models.negatives[model])
            rows.append((model, models.backbone[model], label, step, loss))
    frame = pd.DataFrame(rows, columns=["model", "backbone", "label", "step", "loss_value"])
    return frame.sort_values("model", key=lambda names: names.map(models.index.get_loc), kind="stable")


def training_curves(histories: pd.DataFrame) -> Figure:
    """Draw training loss by step, one panel per backbone, one look per loss; several seeds are several lines."""
    if histories.empty:
        return style.note("No model of this run was fine-tuned.")
    drawn, panels = style.panels(histories.backbone)
    looks = {label: LOSS_LOOKS.get(label, (style.GREY, "-")) for label in histories.label.unique()}
    for backbone, axes in panels.items():
        for (_, label), curve in histories[histories.backbone == backbone].groupby(["model", "label"], sort=False):
            colour, line = looks[label]
            means = curve.loss_value.rolling(RUNNING_MEAN, min_periods=1).mean()
            axes.plot(curve.step, means, color=colour, linestyle=line, linewidth=0.8)
        axes.set_ylim(0, None)
    drawn.supylabel("training loss", fontsize=7)
    drawn.supxlabel("optimiser step", fontsize=7)
    handles = [Line2D([], [], color=colour, linestyle=line, label=name) for name, (colour, line) in looks.items()]
    style.legend_above(drawn, handles, columns=3)
    return drawn
