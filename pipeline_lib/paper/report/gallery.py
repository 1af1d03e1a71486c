"""Choose CC-Neg items to look at: what fine-tuning won and lost, where nothing changed, and some at random.

For each backbone that has a CLIP and a CoN-CLIP (L_conclip on CC-Neg, the first seed), with m the margin
``100 * (cos(image, caption) - cos(image, negated caption))``::

    wins          CLIP wrong, CoN-CLIP right
    losses        CLIP right, CoN-CLIP wrong
    both wrong, both right
    most changed  the largest |m of CoN-CLIP - m of CLIP|
    random        any item

Which items of a group are shown depends on the seed and the items' keys alone; but for the most changed they are drawn
at random, so that nobody picks the telling ones. Beside an item stand the two scores of every model of the backbone.
"""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline_lib.formats.images import Sample, read_tars
from pipeline_lib.jobs.files import read_parquet
from pipeline_lib.paper.report.page import data_uri
from pipeline_lib.paper.tables.layout import loss_label
from pipeline_lib.paper.tables.metrics import BASELINE
from pipeline_lib.paper.tables.tidy import MAIN, is_ablation

GROUPS = {
    "wins": "CLIP is wrong, CoN-CLIP right",
    "losses": "CLIP is right, CoN-CLIP wrong",
    "both wrong": "nothing gained",
    "both right": "nothing lost",
    "most changed": "the margin between the two captions moved farthest",
    "random": "drawn from all",
}
THUMBNAIL_PX = 192  # longest side; a page of the paper's five backbones stays at a few megabytes
JPEG_QUALITY = 82


class Score(NamedTuple):
    """What a model makes of an item: 100 x cosine of the image with each caption, and whether that is right."""

    label: str
    caption: float
    negated: float
    correct: bool


class Example(NamedTuple):
    """An item to show; `image` is a data URI."""

    key: str
    image: str
    caption: str
    negated_caption: str
    scores: list[Score]


class Group(NamedTuple):
    """Items of one kind: how many there are, of how many, and some of them."""

    name: str
    meaning: str
    size: int
    items: int
    examples: list[Example]


def read_scores(paths: Iterable[str | Path]) -> dict[str, pd.DataFrame]:
    """Read CC-Neg's scores of several models.

    Parameters
    ----------
    paths : iterable of str or Path
        ``.../MODEL/ccneg.parquet``.

    Returns
    -------
    dict of str to DataFrame
        Model -> ``score_true``, ``score_negated``, ``correct``, indexed by ``key`` in sorted order.

    Raises
    ------
    FileNotFoundError, ValueError
        If a file is not there or not such a table; the message names it.
    """
    columns = ["key", "score_true", "score_negated", "correct"]
    return {Path(path).parent.name: read_parquet(path, columns).set_index("key").sort_index() for path in paths}


def compared_models(tables: pd.DataFrame) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Return the backbones that have a CLIP and a CoN-CLIP.

    Parameters
    ----------
    tables : DataFrame
        The tidy table.

    Returns
    -------
    dict of str to (str, str, dict of str to str)
        Backbone -> its CLIP, its CoN-CLIP, and model -> label for all models of it, one seed of each.
    """
    rows = tables[(tables.table == "ccneg") & (tables.seeds == 1)]
    found = {}
    for backbone, models in rows.groupby("backbone", sort=False):
        first = models.drop_duplicates(["family", "loss", "negatives"])
        main = first[(first.loss == MAIN[0]) & (first.negatives == MAIN[1])]
        clip = first[first.family == BASELINE]
        if len(main) and len(clip):
            labels = {
                row.model: loss_label(row) if is_ablation(row.loss, row.negatives) else row.family
                for row in first.itertuples(index=False)
            }
            found[backbone] = clip.model.iloc[0], main.model.iloc[0], labels
    return found


def choose(clip: pd.DataFrame, tuned: pd.DataFrame, seed: int, count: int) -> dict[str, tuple[int, list[str]]]:
    """Choose the items of each group.

    Parameters
    ----------
    clip, tuned : DataFrame
        From `read_scores`: n items each, the same ones.
    seed : int
        Of the random choices.
    count : int
        How many items of a group, at most.

    Returns
    -------
    dict of str to (int, list of str)
        For each of `GROUPS`: how many items belong to it, and the keys of some.

    Raises
    ------
    ValueError
        If the models have not the same items.
    """
    if not clip.index.equals(tuned.index):
        raise ValueError(
            f"expected the scores of two models on the same items, found {len(clip):,} and {len(tuned):,} with "
            f"{len(clip.index.symmetric_difference(tuned.index)):,} in one of them alone; evaluate both again"
        )
    before, after = clip.correct.to_numpy(bool), tuned.correct.to_numpy(bool)
    moved = ((tuned.score_true - tuned.score_negated) - (clip.score_true - clip.score_negated)).abs().to_numpy()
    members = {
        "wins": ~before & after,
        "losses": before & ~after,
        "both wrong": ~before & ~after,
        "both right": before & after,
    }
    chosen = {}
    for number, name in enumerate(GROUPS):
        rng = np.random.default_rng([seed, number])
        if name == "most changed":
            size, rows = len(moved), np.argsort(-moved, kind="stable")[:count]
        else:
            places = np.flatnonzero(members.get(name, np.ones(len(moved), bool)))
            size, rows = len(places), np.sort(rng.choice(places, min(count, len(places)), replace=False))
        chosen[name] = size, clip.index[rows].tolist()
    return chosen


def read_galleries(
    tables: pd.DataFrame,
    scores: Iterable[str | Path],
    triplets: str | Path,
    tars: Iterable[str | Path],
    seed: int,
    count: int,
) -> dict[str, list[Group]]:
    """Return the gallery of each backbone of `compared_models`.

    Parameters
    ----------
    tables : DataFrame
        The tidy table.
    scores : iterable of str or Path
        As `read_scores`.
    triplets : str or Path
        Parquet with ``key``, ``caption`` and ``negated_caption`` of the evaluation split.
    tars : iterable of str or Path
        Its shards.
    seed, count : int
        As `choose`.

    Raises
    ------
    FileNotFoundError, ValueError
        If a file is missing or damaged, a model has no scores, or an item no caption or no image; the message names it.
    """
    models = compared_models(tables)
    if not models:
        return {}
    scored = read_scores(scores)
    for name in (name for _, _, labels in models.values() for name in labels):
        if name not in scored:
            raise ValueError(f"expected the scores of {name} on CC-Neg, found those of {', '.join(scored)} alone")
    chosen = {
        backbone: choose(scored[clip], scored[tuned], seed, count) for backbone, (clip, tuned, _) in models.items()
    }
    wanted = {key for groups in chosen.values() for _, keys in groups.values() for key in keys}
    texts = read_parquet(triplets, ["key", "caption", "negated_caption"]).set_index("key")
    images = {sample.key: thumbnail(sample) for sample in read_tars(tars) if sample.key in wanted}
    for place, there in ((triplets, texts.index), ("the shards of the evaluation split", images)):
        if lacking := sorted(wanted - set(there)):
            raise ValueError(f"{place}: expected the item {lacking[0]}, which models were scored on; evaluate again")
    return {
        backbone: [
            Group(name, GROUPS[name], size, len(scored[models[backbone][0]]),
                  [_example(key, images[key], texts.loc[key], models[backbone][2], scored) for key in keys])
            for name, (size, keys) in groups.items()
        ]
        for backbone, groups in chosen.items()
    }  # fmt: skip


def _example(
    key: str, image: str, texts: pd.Series, labels: dict[str, str], scored: dict[str, pd.DataFrame]
) -> Example:
    scores = []
    for model, label in labels.items():
        item = scored[model].loc[key]
        scores.append(Score(label, 100 * item.score_true, 100 * item.score_negated, bool(item.correct)))
    return Example(key, image, texts.caption, texts.negated_caption, scores)


def thumbnail(sample: Sample) -> str:
    """Return an image as the data URI of a JPEG of at most `THUMBNAIL_PX` pixels a side."""
    image = sample.decode(sample.read())
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=JPEG_QUALITY)
    return data_uri(content.getvalue(), "image/jpeg")
