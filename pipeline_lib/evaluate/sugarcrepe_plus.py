"""Evaluate a model on SugarCrepe++: do two captions that say the same both beat a third that does not?

::

    python -m pipeline_lib.evaluate.sugarcrepe_plus --weights model.pt --record run.json --benchmark sugarcrepe-plus \\
        --annotations sugarcrepe-plus/ --features coco-val2017/00000.safetensors \\
        --count replace_obj=1652,replace_att=788,replace_rel=1406,swap_obj=245,swap_att=666 \\
        --threads 1 --scores sugarcrepe-plus.parquet --metrics sugarcrepe-plus.json

With image I, the captions P1 and P2 and the negative N, in cosines::

    image and text: cos(I, P1) > cos(I, N) and cos(I, P2) > cos(I, N)
    text only:      cos(P1, P2) > cos(P1, N) and cos(P1, P2) > cos(P2, N)

Annotations: the five files as published, each a JSON list of ``{"filename", "caption", "caption2",
"negative_caption"}``. Items: ``part``, ``item`` (its number in the file), ``key``, ``score_caption``,
``score_caption2``, ``score_negative`` (with the image), ``correct``, and ``text_captions``, ``text_caption``,
``text_caption2`` (P1 with P2, P1 with N, P2 with N), ``correct_text``. Metrics: accuracy per part
(``NAME/swap_obj``) and its plain mean over the parts; the same under ``NAME/text-only``.
"""

from pathlib import Path

import pandas as pd
from torch import Tensor

from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.evaluate.kinds import KINDS
from pipeline_lib.evaluate.metrics import accuracy, strictly_prefers_caption
from pipeline_lib.evaluate.result import benchmark_parser, load_model, load_pool, metric, write_result
from pipeline_lib.formats.annotations import check_count, image_key, read_list, texts
from pipeline_lib.jobs.cli import run

PARTS = KINDS["sugarcrepe-plus"]
CAPTIONS = ("caption", "caption2", "negative_caption")


def read_sugarcrepe_plus(folder: str | Path, counts: dict[str, int] | None = None) -> pd.DataFrame:
    """Return the items of the five files.

    Parameters
    ----------
    folder : str or Path
        Holds ``replace_obj.json`` and its four siblings.
    counts : dict of str to int, optional
        How many items each part must have.

    Returns
    -------
    DataFrame
        Columns ``part``, ``item``, ``key`` and `CAPTIONS`.

    Raises
    ------
    FileNotFoundError
        If one of the files is missing.
    ValueError
        If an item lacks a field, or a part has another number of items; the message names file and item.
    """
    rows = []
    for part in PARTS:
        path = Path(folder) / f"{part}.json"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: SugarCrepe++ has five files, this one is missing")
        items = read_list(path)
        check_count(path, len(items), counts and counts[part])
        for number, item in enumerate(items):
            where = f"{path}, item {number}"
            image, *captions = texts(item, ("filename", *CAPTIONS), where)
            rows.append((part, number, image_key(image, where), *captions))
    return pd.DataFrame(rows, columns=["part", "item", "key", *CAPTIONS])


def score_items(rows: pd.DataFrame, images: Tensor, first: Tensor, second: Tensor, negative: Tensor) -> pd.DataFrame:
    """Return the items of the benchmark.

    Parameters
    ----------
    rows : DataFrame
        n rows as `read_sugarcrepe_plus` returns them.
    images, first, second, negative : Tensor of shape (n, d)
        Normalised features of images, both captions and the negative.
    """
    items = rows[["part", "item", "key"]].copy()
    pairs = {
        "score_caption": (images, first),
        "score_caption2": (images, second),
        "score_negative": (images, negative),
        "text_captions": (first, second),
        "text_caption": (first, negative),
        "text_caption2": (second, negative),
    }
    for column, (one, other) in pairs.items():
        items[column] = (one * other).sum(dim=1).numpy()
    worse = items[["score_caption", "score_caption2"]].min(axis=1)
    items["correct"] = strictly_prefers_caption(worse, items["score_negative"])
    better = items[["text_caption", "text_caption2"]].max(axis=1)
    items["correct_text"] = strictly_prefers_caption(items["text_captions"], better)
    return items


def sugarcrepe_plus_metrics(items: pd.DataFrame, benchmark: str) -> list[dict]:
    """Return, with and without the image, accuracy per part and its plain mean over the parts."""
    metrics = []
    for dataset, column in ((benchmark, "correct"), (f"{benchmark}/text-only", "correct_text")):
        values = {part: accuracy(group[column]) for part, group in items.groupby("part", sort=False)}
        metrics.append(metric(dataset, sum(values.values()) / len(values), len(items)))
        metrics += [
            metric(f"{dataset}/{part}", value, int((items["part"] == part).sum())) for part, value in values.items()
        ]
    return metrics


def main() -> None:
    """Evaluate the model that the command line names."""
    args = benchmark_parser(__doc__).parse_args()
    rows = read_sugarcrepe_plus(args.annotations, args.count)
    model = load_model(args)
    images = load_pool(args, model).rows(rows["key"].tolist(), str(args.annotations))
    captions = encode_captions(model, [text for column in CAPTIONS for text in rows[column]])
    items = score_items(rows, images, *captions.chunk(len(CAPTIONS)))
    write_result(args, args.benchmark, items, sugarcrepe_plus_metrics(items, args.benchmark))


if __name__ == "__main__":
    run(main)
