"""By how much do the models prefer a caption to its negation? The scores of CC-Neg's items, a few of them in full.

The margin of an item is score(image, caption) - score(image, negated caption), in 100 × cosine: CC-Neg accuracy is the
share of margins that are not negative. The examples are drawn at random, by a hash of their key, from the images of the
evaluation's first shard: they are no choice of good ones.
"""

import hashlib
import textwrap
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D

from pipeline_lib.formats.images import read_tars
from pipeline_lib.jobs.files import read_parquet
from pipeline_lib.paper.figures import style
from pipeline_lib.paper.tables.metrics import BASELINE
from pipeline_lib.paper.tables.tidy import stem

SCORES = ["score_true", "score_negated"]
EXAMPLES = 4
COSINE_SCALE = 100
BINS = 100
LETTERS = 36  # in a line of an example's text
MOST_LINES = 2  # of one caption
THUMBNAIL = 160  # pixels: what 0.5 inches hold at 300 dpi
MARKERS = {"caption": "o", "negated caption": "X"}
EXAMPLE_IN, EXAMPLES_FRAME_IN = 0.5, 0.55
RIDGE_IN, RIDGES_FRAME_IN = 0.23, 0.6


class Example(NamedTuple):
    """An item of CC-Neg.

    Attributes
    ----------
    caption, negated_caption : str
    image : ndarray of uint8 of shape (height, width, 3)
    scores : DataFrame
        Columns family, score_true, score_negated: of each model of one backbone, in 100 × cosine.
    """

    caption: str
    negated_caption: str
    image: np.ndarray
    scores: pd.DataFrame


class Margins(NamedTuple):
    """What the figure shows.

    Attributes
    ----------
    models : list of (str, str, str, ndarray of shape (n,))
        Backbone, label, family and the margins of all items; of several seeds, the margins of all.
    examples : list of Example
        With the scores of the first backbone that was fine-tuned; none where no model was.
    """

    models: list[tuple[str, str, str, np.ndarray]]
    examples: list[Example]

    @property
    def height_in(self) -> float:
        """Return the height that the figure needs."""
        above = EXAMPLES_FRAME_IN + EXAMPLE_IN * len(self.examples) if self.examples else 0
        return above + RIDGES_FRAME_IN + RIDGE_IN * max(len(self.models), 2)


def read_margins(paths: list[str], images: str, tables: pd.DataFrame, rows: pd.DataFrame) -> Margins:
    """Read the items of the models that the figures compare.

    Parameters
    ----------
    paths : list of str
        ``.../MODEL/ccneg.parquet``; models that are not compared are passed over.
    images : str
        A tar of CC-Neg's evaluation, of which the examples are drawn.
    tables : DataFrame
        The tidy table, which knows the models.
    rows : DataFrame
        Its rows from `pipeline_lib.paper.tables.layout.compared`.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If a file is broken, its folder is not named like a model, or its items lack an example.
    """
    models = tables[tables.seeds == 1].drop_duplicates("model").set_index("model")
    shown = rows[~rows.variant & (rows.table == "ccneg")].drop_duplicates("model").set_index("model")
    files: dict[str, list[str]] = {}  # a file per seed
    for path in paths:
        model = Path(path).parent.name
        if model not in models.index:
            raise ValueError(f"{path}: expected a folder named like a model of the tables, found {model!r}")
        name = stem(model, models.seed[model])
        name = name if name in shown.index else model
        if name in shown.index:
            files.setdefault(name, []).append(path)
    found = []
    for name, row in shown[shown.index.isin(files)].iterrows():
        seeds = [COSINE_SCALE * read_parquet(path, SCORES) for path in files[name]]
        margins = np.concatenate([scores.score_true - scores.score_negated for scores in seeds])
        found.append((row.backbone, row.label, row.family, margins))
    trained = shown.backbone[shown.loss.notna()]
    if trained.empty:
        return Margins(found, [])
    # CLIP, and what was fine-tuned from it: others that were released may be too many for the room.
    beside = shown[(shown.backbone == trained.iloc[0]) & ((shown.family == BASELINE) | shown.loss.notna())]
    beside = beside[beside.index.isin(files)]
    return Margins(found, _examples(images, {row.family: files[name] for name, row in beside.iterrows()}))


def _examples(path: str, files: dict[str, list[str]]) -> list[Example]:
    """Return items of the tar with the scores, of several seeds their mean, that each family gives them."""
    samples = sorted(read_tars([path]), key=lambda sample: hashlib.blake2b(sample.key.encode()).digest())[:EXAMPLES]
    keys = [sample.key for sample in samples]
    scores = {}
    for family, seeds in files.items():
        read = [read_parquet(seed, ["key", *SCORES]).set_index("key").reindex(keys) for seed in seeds]
        scores[family] = COSINE_SCALE * sum(read) / len(read)
        lacking = scores[family].index[scores[family].isna().any(axis="columns")]
        if len(lacking):
            raise ValueError(f"{path}: expected a score of each sample, found none of {lacking[0]} in {seeds[0]}")
    found = []
    for sample in samples:
        image = sample.decode(sample.read())
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        of_all = pd.DataFrame({family: of.loc[sample.key] for family, of in scores.items()}).T
        of_all = of_all.rename_axis("family").reset_index()
        found.append(Example(sample.said["caption"], sample.said["negated_caption"], np.asarray(image), of_all))
    return found


def score_examples(drawn: Figure, margins: Margins) -> None:
    """Draw examples with their scores, and below them the distribution of the margins of each model over all items."""
    if not margins.models:
        style.say_nothing_to_show(drawn, "No model of this run was evaluated on CC-Neg.")
        return
    colours = style.family_colours(family for _, _, family, _ in margins.models)
    count, ridges = len(margins.examples), len(margins.models)
    below = RIDGE_IN * max(ridges, 2) + RIDGES_FRAME_IN
    # Apart, so that the names of the models below do not take room from the texts above.
    upper, lower = drawn.subfigures(2, 1, height_ratios=[margins.height_in - below, below]) if count else (None, drawn)
    _ridges(lower.add_subplot(), margins.models, colours)
    if not count:
        return
    grid = GridSpec(count, 3, upper, width_ratios=[0.5, 1.65, 0.85])
    dots = None
    for number, example in enumerate(margins.examples):
        picture, words = (upper.add_subplot(grid[number, column]) for column in (0, 1))
        dots = upper.add_subplot(grid[number, 2], sharex=dots)
        _example(picture, words, dots, example, colours)
        dots.tick_params(axis="x", labelbottom=number == count - 1)
    dots.set_xlabel("100 × cosine")
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=style.INK, label=label) for label, marker in MARKERS.items()
    ]
    upper.legend(handles=handles, loc="outside upper center", ncols=2)


def _example(picture: Axes, words: Axes, dots: Axes, example: Example, colours: dict[str, str]) -> None:
    """Draw an item: its image, its captions, and their scores by each model on a line of its own."""
    picture.imshow(example.image)
    picture.set_axis_off()
    words.set_axis_off()
    for height, (name, marker) in zip((0.75, 0.25), MARKERS.items(), strict=True):
        text = example.caption if name == "caption" else example.negated_caption
        lines = textwrap.fill(text, LETTERS, max_lines=MOST_LINES, placeholder=" …")
        words.plot(0.02, height, marker, color=style.INK, markersize=3.5, clip_on=False)
        written = words.text(0.07, height, lines, fontsize=5.5, va="center", linespacing=1.1)
        written.set_in_layout(False)
    words.set(xlim=(0, 1), ylim=(0, 1))
    scores = example.scores
    for place, row in enumerate(scores.itertuples()):
        colour = colours[row.family]
        dots.hlines(place, row.score_true, row.score_negated, color=colour, linewidth=0.8, alpha=0.6)
        for value, marker in zip((row.score_true, row.score_negated), MARKERS.values(), strict=True):
            dots.scatter(
                value, place, s=13, marker=marker, edgecolors=colour, facecolors=style.face(row.family, colour),
                linewidths=0.8, zorder=3, clip_on=False,
            )  # fmt: skip
    dots.set_yticks(range(len(scores)), scores.family, fontsize=5.5)
    dots.set_ylim(len(scores) - 0.4, -0.6)
    dots.margins(x=0.12)
    dots.tick_params(axis="y", length=0)


def _ridges(axes: Axes, models: list[tuple[str, str, str, np.ndarray]], colours: dict[str, str]) -> None:
    """Draw a histogram of each model's margins, each as high as the others; what is left of 0 is wrong."""
    lowest = min(margins.min() for *_, margins in models)
    highest = max(margins.max() for *_, margins in models)
    width = max(highest - lowest, 1e-3) / BINS
    edges = width * np.arange(min(lowest // width, 0), max(highest // width, 0) + 2)  # one of them is 0
    for place, (_, _, family, margins) in enumerate(models):
        counts, _ = np.histogram(margins, edges)
        heights = place - 0.85 * counts / counts.max()
        steps, tops = np.repeat(edges, 2)[1:-1], np.repeat(heights, 2)
        axes.fill_between(steps, place, tops, color=colours[family], alpha=0.35, linewidth=0, zorder=2)
        axes.plot(steps, tops, color=colours[family], linewidth=0.8, zorder=3)
        axes.annotate(
            f"{100 * (margins >= 0).mean():.1f} %", (1, place), xycoords=("axes fraction", "data"), xytext=(-1, 2),
            textcoords="offset points", ha="right", fontsize=6,
        )  # fmt: skip
    axes.axvline(0, color=style.INK, linewidth=0.7, zorder=4)
    axes.set_yticks(range(len(models)), [f"{label}, {backbone}" for backbone, label, *_ in models], va="bottom")
    axes.set_ylim(len(models) - 0.9, -1.05)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(edges[0], edges[-1] + 0.14 * (edges[-1] - edges[0]))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("difference of scores (100 × cosine)")
    axes.set_title("all items, and the share of them from 0 up", fontsize=7)
