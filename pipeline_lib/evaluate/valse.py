"""Evaluate a model on VALSE, such as its existence part: does an image score strictly higher with caption than foil?

::

    python -m pipeline_lib.evaluate.valse --weights model.pt --record run.json --benchmark valse-existence \\
        --annotations existence.json --features visual7w/00000.safetensors --count 505 \\
        --threads 1 --scores valse-existence.parquet --metrics valse-existence.json

Annotations: a JSON object as published, ``{ID: {"image_file", "caption", "foil", "mturk": {"caption"}, ...}}``. An item
counts only if at least two of three annotators took the caption, and not the foil, for the true one
(``mturk.caption``): 505 of existence's 534. Items: ``item`` (the ID), ``key`` (``image_file`` without extension),
``score_caption``, ``score_foil`` (cosines), ``correct``. Metric: the pairwise accuracy acc_r of VALSE's own
evaluation, in which a tie is wrong.
"""

from pathlib import Path

import pandas as pd
from torch import Tensor

from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.evaluate.metrics import accuracy, strictly_prefers_caption
from pipeline_lib.evaluate.result import benchmark_parser, load_model, load_pool, metric, write_result
from pipeline_lib.formats.annotations import check_count, image_key, read_object, texts
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.quoted import quoted

VOTES = 2  # of three annotators, for an item to count


def read_valse(path: str | Path, count: int | None = None) -> pd.DataFrame:
    """Return the valid items of a file.

    Parameters
    ----------
    path : str or Path
        The JSON file.
    count : int, optional
        How many valid items it must have.

    Returns
    -------
    DataFrame
        Columns ``item``, ``key``, ``caption``, ``foil``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If an item lacks a field, or the number of valid items is another; the message names file and item.
    """
    rows = []
    for name, item in read_object(path).items():
        where = f"{path}, item {name}"
        image, caption, foil = texts(item, ("image_file", "caption", "foil"), where)
        votes = item["mturk"].get("caption") if isinstance(item.get("mturk"), dict) else None
        if type(votes) is not int:
            raise ValueError(f"{where}: expected the number of votes mturk.caption, found {quoted(votes)}")
        if votes >= VOTES:
            rows.append((name, image_key(image, where), caption, foil))
    check_count(path, len(rows), count, "valid items")
    return pd.DataFrame(rows, columns=["item", "key", "caption", "foil"])


def score_items(rows: pd.DataFrame, images: Tensor, captions: Tensor, foils: Tensor) -> pd.DataFrame:
    """Return the items of the benchmark.

    Parameters
    ----------
    rows : DataFrame
        n rows as `read_valse` returns them.
    images, captions, foils : Tensor of shape (n, d)
        Normalised features.
    """
    items = rows[["item", "key"]].copy()
    items["score_caption"] = (images * captions).sum(dim=1).numpy()
    items["score_foil"] = (images * foils).sum(dim=1).numpy()
    items["correct"] = strictly_prefers_caption(items["score_caption"].to_numpy(), items["score_foil"].to_numpy())
    return items


def main() -> None:
    """Evaluate the model that the command line names."""
    args = benchmark_parser(__doc__).parse_args()
    rows = read_valse(args.annotations, args.count)
    model = load_model(args)
    images = load_pool(args, model).rows(rows["key"].tolist(), str(args.annotations))
    captions, foils = encode_captions(model, [*rows["caption"], *rows["foil"]]).chunk(2)
    items = score_items(rows, images, captions, foils)
    write_result(args, args.benchmark, items, [metric(args.benchmark, accuracy(items["correct"]), len(items))])


if __name__ == "__main__":
    run(main)
