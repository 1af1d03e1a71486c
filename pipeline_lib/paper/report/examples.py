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

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline_lib.formats.images import Sample, read_tars
from pipeline_lib.formats.pixels import encoded
from pipeline_lib.jobs.files import read_parquet
from pipeline_lib.paper.tables.layout import displayed
from pipeline_lib.paper.tables.metrics import BASELINE
from pipeline_lib.paper.tables.tidy import MAIN

GROUPS = {
    "wins": "CLIP is wrong, CoN-CLIP right",
    "losses": "CLIP is right, CoN-CLIP wrong",
    "both wrong": "CLIP is wrong, CoN-CLIP too",
    "both right": "CLIP is right, CoN-CLIP too",
    "most changed": "where the difference of the two captions' scores changed most",
    "random": "drawn from all items",
}
THUMBNAIL_PX = 192  # longest side; a page of the paper's five backbones stays at a few megabytes
JPEG_QUALITY = 82


class Example(NamedTuple):
    """An item to show; `image` is a JPEG."""

    key: str
    image: bytes
    caption: str
    negated_caption: str
    scores: list[tuple[str, pd.Series]]  # label of a model, and its score_true, score_negated and correct


class Group(NamedTuple):
    """Items of one kind: how many there are, of how many, and some of them."""

    name: str
    meaning: str
    size: int
    items: int
    examples: list[Example]


class Models(NamedTuple):
    """The models of a backbone: its CLIP, its CoN-CLIP, and model -> label of all, one seed of each."""

    clip: str
    conclip: str
    labels: dict[str, str]


def compared_models(tables: pd.DataFrame) -> dict[str, Models]:
    """Return the backbones of the tidy table that have a CLIP and a CoN-CLIP, with their models."""
    rows = tables[(tables.table == "ccneg") & (tables.seeds == 1)]
    first = displayed(rows.drop_duplicates(["backbone", "family", "loss", "negatives"]))
    found = {}
    for backbone, models in first.groupby("backbone", sort=False):
        clip = models.model[models.family == BASELINE].tolist()
        conclip = models.model[(models.loss == MAIN[0]) & (models.negatives == MAIN[1])].tolist()
        if clip and conclip:
            found[backbone] = Models(clip[0], conclip[0], dict(zip(models.model, models.label, strict=True)))
    return found


def choose(clip: pd.DataFrame, tuned: pd.DataFrame, seed: int, count: int) -> dict[str, tuple[int, list[str]]]:
    """Return for each of `GROUPS` how many items belong to it, and the keys of at most `count` of them.

    `clip` and `tuned` are the scores of two models: columns score_true, score_negated and correct, by key. ValueError
    if they are not of the same items.
    """
    if not clip.index.equals(tuned.index):
        raise ValueError(
            f"expected the scores of two models on the same items, found {len(clip):,} and {len(tuned):,} with "
            f"{len(clip.index.symmetric_difference(tuned.index)):,} in one of them alone; evaluate both again"
        )
    before, after = clip.correct.to_numpy(bool), tuned.correct.to_numpy(bool)
    moved = ((tuned.score_true - tuned.score_negated) - (clip.score_true - clip.score_negated)).abs().to_numpy()
    members = {"wins": ~before & after, "losses": before & ~after, "both wrong": ~(before | after)}
    members |= {"both right": before & after, "random": np.ones(len(moved), bool)}
    chosen = {}
    for number, name in enumerate(GROUPS):
        rng = np.random.default_rng([seed, number])
        if name == "most changed":
            size, rows = len(moved), np.argsort(-moved, kind="stable")[:count]
        else:
            places = np.flatnonzero(members[name])
            size, rows = len(places), np.sort(rng.choice(places, min(count, len(places)), replace=False))
        chosen[name] = size, clip.index[rows].tolist()
    return chosen


def read_examples(
    tables: pd.DataFrame, scores: Iterable[str], triplets: str, tars: Iterable[str], seed: int, count: int
) -> dict[str, list[Group]]:
    """Return the groups of items of each backbone of `compared_models`.

    `tables` is the tidy table, `scores` are ``.../MODEL/ccneg.parquet`` of every model; `triplets` (Parquet with key,
    caption and negated_caption) and `tars` are of the evaluation split; `seed` and `count` as for `choose`.
    """
    backbones = compared_models(tables)
    if not backbones:
        return {}
    columns = ["key", "score_true", "score_negated", "correct"]
    scored = {Path(path).parent.name: read_parquet(path, columns).set_index("key").sort_index() for path in scores}
    for name in (name for models in backbones.values() for name in models.labels):
        if name not in scored:
            raise ValueError(f"expected the scores of {name} on CC-Neg, found those of {', '.join(scored)} alone")
    chosen = {
        backbone: choose(scored[models.clip], scored[models.conclip], seed, count)
        for backbone, models in backbones.items()
    }
    wanted = {key for groups in chosen.values() for _, keys in groups.values() for key in keys}
    texts = read_parquet(triplets, ["key", "caption", "negated_caption"]).set_index("key")
    images = {sample.key: thumbnail(sample) for sample in read_tars(tars) if sample.key in wanted}
    for place, there in ((triplets, texts.index), ("the shards of the evaluation split", images)):
        if lacking := sorted(wanted - set(there)):
            raise ValueError(f"{place}: expected the item {lacking[0]}, which models were scored on; evaluate again")

    def example(key: str, labels: dict[str, str]) -> Example:
        own = [(label, scored[model].loc[key]) for model, label in labels.items()]
        return Example(key, images[key], *texts.loc[key], own)

    return {
        backbone: [
            Group(name, GROUPS[name], size, len(scored[models.clip]), [example(key, models.labels) for key in keys])
            for name, (size, keys) in chosen[backbone].items()
        ]
        for backbone, models in backbones.items()
    }


def thumbnail(sample: Sample) -> bytes:
    """Return an image as a JPEG of at most `THUMBNAIL_PX` pixels a side."""
    image = sample.decode(sample.read())
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    return encoded(image, "JPEG", quality=JPEG_QUALITY)
