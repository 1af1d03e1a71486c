"""Evaluate a model on SugarCREPE: does an image score strictly higher with its caption than with the hard negative?

::

    python -m pipeline_lib.evaluate.sugarcrepe --weights model.pt --record run.json --benchmark sugarcrepe \\
        --annotations sugarcrepe/ --features coco-val2017/00000.safetensors \\
        --count replace_obj=1652,replace_att=788,replace_rel=1406,add_obj=2062,add_att=692,swap_obj=245,swap_att=666 \\
        --threads 1 --scores sugarcrepe.parquet --metrics sugarcrepe.json

Annotations: the seven files as published, each a JSON object of ``{"filename", "caption", "negative_caption"}``; an
image's key is its file name without extension. Items: ``part``, ``item``, ``key``, ``score_positive``,
``score_negative`` (cosines), ``correct``. Metrics: accuracy per part, and Replace / Add / Swap as plain means of their
parts (paper, section 5).
"""

from pathlib import Path

import pandas as pd
from torch import Tensor

from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.evaluate.kinds import KINDS, SUGARCREPE_GROUPS
from pipeline_lib.evaluate.metrics import accuracy, strictly_prefers_caption
from pipeline_lib.evaluate.result import benchmark_parser, load_model, load_pool, metric, write_result
from pipeline_lib.formats.annotations import check_count, image_key, read_object, texts
from pipeline_lib.jobs.cli import run


def read_sugarcrepe(folder: str | Path, counts: dict[str, int] | None = None) -> pd.DataFrame:
    """Return the items of the seven files.

    Parameters
    ----------
    folder : str or Path
        Holds ``add_obj.json`` and its six siblings.
    counts : dict of str to int, optional
        How many items each part must have.

    Returns
    -------
    DataFrame
        Columns ``part``, ``item`` (the number in the file), ``key``, ``caption``, ``negative_caption``.

    Raises
    ------
    FileNotFoundError
        If one of the files is missing.
    ValueError
        If an item lacks a field, or a part has another number of items; the message names file and item.
    """
    rows = []
    for part in KINDS["sugarcrepe"]:
        path = Path(folder) / f"{part}.json"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: SugarCREPE has seven files, this one is missing")
        items = read_object(path)
        check_count(path, len(items), counts and counts[part])
        for number, item in items.items():
            where = f"{path}, item {number}"
            image, caption, negative = texts(item, ("filename", "caption", "negative_caption"), where)
            rows.append((part, number, image_key(image, where), caption, negative))
    return pd.DataFrame(rows, columns=["part", "item", "key", "caption", "negative_caption"])


def score_items(rows: pd.DataFrame, images: Tensor, positive: Tensor, negative: Tensor) -> pd.DataFrame:
    """Return the items of the benchmark.

    Parameters
    ----------
    rows : DataFrame
        n rows as `read_sugarcrepe` returns them.
    images, positive, negative : Tensor of shape (n, d)
        Normalised features of images, captions and hard negatives.
    """
    items = rows[["part", "item", "key"]].copy()
    items["score_positive"] = (images * positive).sum(dim=1).numpy()
    items["score_negative"] = (images * negative).sum(dim=1).numpy()
    items["correct"] = strictly_prefers_caption(items["score_positive"].to_numpy(), items["score_negative"].to_numpy())
    return items


def sugarcrepe_metrics(items: pd.DataFrame, benchmark: str) -> list[dict]:
    """Return accuracy per part and the plain means of the groups."""
    by_part = {part: (accuracy(group["correct"]), len(group)) for part, group in items.groupby("part")}
    metrics = []
    for group, parts in SUGARCREPE_GROUPS.items():
        metrics += [metric(f"{benchmark}/{part}", *by_part[part]) for part in parts]
        mean = sum(by_part[part][0] for part in parts) / len(parts)
        metrics.append(metric(f"{benchmark}/{group}", mean, sum(by_part[part][1] for part in parts)))
    return metrics


def main() -> None:
    """Evaluate the model that the command line names."""
    args = benchmark_parser(__doc__).parse_args()
    rows = read_sugarcrepe(args.annotations, args.count)
    model = load_model(args)
    images = load_pool(args, model).rows(rows["key"].tolist(), str(args.annotations))
    positive, negative = encode_captions(model, [*rows["caption"], *rows["negative_caption"]]).chunk(2)
    items = score_items(rows, images, positive, negative)
    write_result(args, args.benchmark, items, sugarcrepe_metrics(items, args.benchmark))


if __name__ == "__main__":
    run(main)
