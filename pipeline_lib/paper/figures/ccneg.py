"""CC-Neg: accuracy by negation word and by number of pairs, and by how much models prefer a caption to its negation.

The margin of an item is score(image, caption) - score(image, negated caption), in 100 × cosine: CC-Neg accuracy is the
share of margins that are not negative. The examples are drawn at random, by a hash of their key, from the images of the
evaluation's first shard: they are no choice of good ones.
"""

import hashlib
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from pipeline_lib.formats.images import read_tars
from pipeline_lib.jobs.files import read_parquet
from pipeline_lib.paper.figures import style
from pipeline_lib.paper.figures.losses import CHANCE
from pipeline_lib.paper.tables.layout import column_label
from pipeline_lib.paper.tables.metrics import BASELINE
from pipeline_lib.paper.tables.tidy import stem

PART_HEADINGS = {"ccneg-by-word": "negation word", "ccneg-by-pairs": "predicate-object pairs in the caption"}
SCORES = ["score_true", "score_negated"]
COSINE_SCALE = 100
EXAMPLES = 4
EXAMPLE_IN, ROW_IN, EXAMPLES_FRAME_IN = 0.55, 0.12, 0.55  # height of an example, of a model's row in it, of all around
EXAMPLE_PX = 160  # what 0.55 inches hold at 300 dpi
LINE_LENGTH, CAPTION_LINES = 33, 3  # characters of an example's text, and how many lines a caption has at most
CAPTION_MARKERS = {"caption": "o", "negated caption": "X"}
HISTOGRAM_IN, HISTOGRAMS_FRAME_IN = 0.23, 0.6
BINS = 100


def accuracy_by_part(rows: pd.DataFrame, table: str) -> Figure:
    """Draw CC-Neg accuracy by the parts of a table; `rows` from `pipeline_lib.paper.tables.layout.compared`."""
    heading = PART_HEADINGS[table]
    rows = rows[(rows.table == table) & ~rows.variant]
    if rows.empty:
        return style.note(f"This run has no CC-Neg accuracy by {heading}.")
    parts, backbones = rows.dataset.unique().tolist(), rows.backbone.unique()
    colours = style.family_colours(rows.family)
    markers = {name: style.MARKERS[number % len(style.MARKERS)] for number, name in enumerate(backbones)}
    drawn, axes = style.panel()
    models = list(rows.groupby(["backbone", "family", "label"], sort=False))
    for number, ((backbone, family, _), chosen) in enumerate(models):
        places = chosen.dataset.map(parts.index) + style.side_by_side(number, len(models), 0.8)
        axes.vlines(places, chosen.low, chosen.high, color=colours[family], linewidth=0.8, zorder=2)
        style.dots(axes, places, chosen.value, family, colours[family], 12, marker=markers[backbone])
    axes.axhline(CHANCE, **style.CHANCE)
    look = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom", "color": style.INK}
    style.write_at(axes, "chance", (1, CHANCE), (-1, 2), **look)
    axes.set(ylim=(min(45, rows.low.min() - 2), 101), ylabel="CC-Neg accuracy (%)", xlabel=heading)
    counts = rows.drop_duplicates("dataset").n
    labels = [f"{column_label(table, part)}\nn={count:,}" for part, count in zip(parts, counts, strict=True)]
    axes.set_xticks(range(len(parts)), labels)
    axes.set_xlim(-0.5, len(parts) - 0.5)
    axes.grid(axis="x", visible=False)
    style.legend_above(drawn, style.family_markers(colours, rows.family.unique()) + style.markers(markers))
    return drawn


@dataclass(frozen=True)
class Example:
    """An item of CC-Neg, with the scores of the models of one backbone."""

    captions: tuple[str, str]  # the caption and its negation
    image: np.ndarray  # uint8, (height, width, 3)
    scores: pd.DataFrame  # 100 times the cosine: score_true and score_negated by family


@dataclass(frozen=True)
class Scores:
    """The scores of the models that the figures compare; examples have those of the first backbone fine-tuned."""

    models: pd.DataFrame  # backbone, label, family, margins: of all items, in an ndarray; of all seeds
    examples: list[Example]


def read_scores(paths: list[str], images: str, tables: pd.DataFrame, rows: pd.DataFrame) -> Scores:
    """Read the items' scores by the models that the figures compare, ``.../MODEL/ccneg.parquet``.

    `images` is a tar of CC-Neg's evaluation split, from which the examples are drawn; `tables` is the tidy table, which
    knows the models, `rows` what `pipeline_lib.paper.tables.layout.compared` returns of it.
    """
    shown = rows[~rows.variant & (rows.table == "ccneg")].drop_duplicates("model").set_index("model")
    seeds = dict(zip(tables.model, tables.seed, strict=True))
    files: dict[str, list[str]] = {}  # a file per seed
    for path in paths:
        model = Path(path).parent.name
        if model not in seeds:
            raise ValueError(f"{path}: expected a folder named like a model of the tables, found {model!r}")
        files.setdefault(model if model in shown.index else stem(model, seeds[model]), []).append(path)
    shown = shown[shown.index.isin(files)]
    trained = shown.backbone[shown.loss.notna()]
    found = shown[["backbone", "label", "family"]].assign(margins=[_margins(files[name]) for name in shown.index])
    if trained.empty:
        return Scores(found, [])
    # CLIP, and what was fine-tuned from it: others that were released may be too many for the room.
    beside = shown[(shown.backbone == trained.iloc[0]) & ((shown.family == BASELINE) | shown.loss.notna())]
    return Scores(found, _examples(images, {row.family: files[name] for name, row in beside.iterrows()}))


def _margins(paths: list[str]) -> np.ndarray:
    scores = pd.concat([read_parquet(path, SCORES) for path in paths]) * COSINE_SCALE
    return (scores.score_true - scores.score_negated).to_numpy()


def _examples(images: str, files: dict[str, list[str]]) -> list[Example]:
    """Return items of the tar with the scores, of several seeds their mean, that each family gives them."""
    samples = sorted(read_tars([images]), key=lambda sample: hashlib.blake2b(sample.key.encode()).digest())[:EXAMPLES]
    keys = [sample.key for sample in samples]
    scores = {}
    for family, seeds in files.items():
        read = [read_parquet(path, ["key", *SCORES]).set_index("key").reindex(keys) for path in seeds]
        scores[family] = COSINE_SCALE * sum(read) / len(read)
        lacking = scores[family].index[scores[family].isna().any(axis="columns")]
        if len(lacking):
            raise ValueError(f"{images}: expected a score of each sample, found none of {lacking[0]} in {seeds[0]}")
    found = []
    for sample in samples:
        image = sample.decode(sample.read())
        image.thumbnail((EXAMPLE_PX, EXAMPLE_PX))
        captions = sample.said["caption"], sample.said["negated_caption"]
        by_family = pd.DataFrame({family: items.loc[sample.key] for family, items in scores.items()}).T
        found.append(Example(captions, np.asarray(image), by_family))
    return found


def score_examples(scores: Scores) -> Figure:
    """Draw examples with their scores, and below them the distribution of the margins of each model over all items."""
    models, examples = scores.models, scores.examples
    if models.empty:
        return style.note("No model of this run was evaluated on CC-Neg.")
    colours = style.family_colours(models.family)
    above = EXAMPLES_FRAME_IN + sum(max(EXAMPLE_IN, ROW_IN * len(one.scores)) for one in examples) if examples else 0
    below = HISTOGRAMS_FRAME_IN + HISTOGRAM_IN * max(len(models), 2)
    drawn = style.figure(above + below)
    if not examples:
        _histograms(drawn.add_subplot(), models, colours)
        return drawn
    # Apart, so that the names of the models below do not take room from the texts above.
    upper, lower = drawn.subfigures(2, 1, height_ratios=[drawn.get_figheight() - below, below])
    _histograms(lower.add_subplot(), models, colours)
    grid = GridSpec(len(examples), 3, upper, width_ratios=[0.5, 1.65, 0.85])
    dots = None
    for number, example in enumerate(examples):
        picture, words = (upper.add_subplot(grid[number, column]) for column in (0, 1))
        dots = upper.add_subplot(grid[number, 2], sharex=dots)
        picture.imshow(example.image)
        picture.set_axis_off()
        _captions(words, example.captions)
        _scores(dots, example.scores, colours)
        dots.tick_params(axis="x", labelbottom=number == len(examples) - 1)
    dots.set_xlabel("100 × cosine")
    upper.legend(handles=style.markers(CAPTION_MARKERS), loc="outside upper center", ncols=2)
    return drawn


def _captions(axes: Axes, captions: tuple[str, str]) -> None:
    axes.set_axis_off()
    for height, text, marker in zip((0.75, 0.25), captions, CAPTION_MARKERS.values(), strict=True):
        lines = textwrap.fill(text, LINE_LENGTH, max_lines=CAPTION_LINES, placeholder=" …")
        axes.plot(0.02, height, marker, color=style.INK, markersize=3.5, clip_on=False)
        axes.text(0.07, height, lines, fontsize=5.5, va="center", linespacing=1.1).set_in_layout(False)
    axes.set(xlim=(0, 1), ylim=(0, 1))


def _scores(axes: Axes, scores: pd.DataFrame, colours: dict[str, str]) -> None:
    """Draw the scores of an item's two captions, joined by a line, a line per family."""
    for place, (family, *of_captions) in enumerate(scores.itertuples()):
        axes.hlines(place, *of_captions, color=colours[family], linewidth=0.8, alpha=0.6)
        for value, marker in zip(of_captions, CAPTION_MARKERS.values(), strict=True):
            style.dots(axes, value, place, family, colours[family], 13, marker=marker)
    axes.set_yticks(range(len(scores)), scores.index, fontsize=5.5)
    axes.set_ylim(len(scores) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.tick_params(axis="y", length=0)


def _histograms(axes: Axes, models: pd.DataFrame, colours: dict[str, str]) -> None:
    """Draw a histogram of each model's margins, each as high as the others; what is left of 0 is wrong."""
    everything = np.concatenate(models.margins.tolist())
    lowest, highest = everything.min(), everything.max()
    width = max(highest - lowest, 1e-3) / BINS
    edges = width * np.arange(min(lowest // width, 0), max(highest // width, 0) + 2)  # one of them is 0
    for place, row in enumerate(models.itertuples()):
        counts, _ = np.histogram(row.margins, edges)
        steps, tops = np.repeat(edges, 2)[1:-1], np.repeat(place - 0.85 * counts / counts.max(), 2)
        axes.fill_between(steps, place, tops, color=colours[row.family], alpha=0.35, linewidth=0, zorder=2)
        axes.plot(steps, tops, color=colours[row.family], linewidth=0.8, zorder=3)
        accuracy = f"{100 * (row.margins >= 0).mean():.1f} %"
        style.write_at(axes, accuracy, (1, place), (-1, 2), xycoords=("axes fraction", "data"), ha="right")
    axes.axvline(0, color=style.INK, linewidth=0.7, zorder=4)
    axes.set_yticks(range(len(models)), models.label + ", " + models.backbone, va="bottom")
    axes.set_ylim(len(models) - 0.9, -1.05)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(edges[0], edges[-1] + 0.14 * (edges[-1] - edges[0]))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("difference of scores (100 × cosine)")
    axes.set_title("all items, and the share of those at 0 or above", fontsize=7, loc="right")
