"""Evaluate a model on NegBench's multiple choice: does an image score highest with the right one of four captions?

::

    python -m pipeline_lib.evaluate.mcq --weights model.pt --record run.json --benchmark negbench-mcq-coco \\
        --annotations COCO_val_mcq_llama3.1_rephrased.csv --features coco-val2017/00000.safetensors --count 5914 \\
        --threads 1 --scores negbench-mcq-coco.parquet --metrics negbench-mcq-coco.json

Annotations: CSV as published, with ``image_path`` (of which the file name without extension is the key),
``caption_0`` to ``caption_3``, ``correct_answer`` (the number of the right one) and ``correct_answer_template``.
Items: ``item`` (the row, from 0), ``key``, ``template``, ``correct_answer``, ``score_0`` to ``score_3`` (cosines),
``correct``. Metrics: accuracy over all items, and by the right caption's template (``NAME/negative``).

The right caption must score strictly higher than each other one. The published code takes the first of equal scores,
which is always the right one in the published files: a model that cannot tell captions apart would score 100 there and
scores 0 here. Captions that are too long for CLIP are cut, as there.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.evaluate.metrics import accuracy, strictly_prefers_caption
from pipeline_lib.evaluate.result import benchmark_parser, load_model, load_pool, metric, write_result
from pipeline_lib.formats.annotations import check_count, image_key, read_rows, texts
from pipeline_lib.jobs.cli import run

CAPTIONS = ("caption_0", "caption_1", "caption_2", "caption_3")
TEMPLATES = ("positive", "negative", "hybrid")


def read_mcq(path: str | Path, count: int | None = None) -> pd.DataFrame:
    """Return the items of a file.

    Parameters
    ----------
    path : str or Path
        The CSV.
    count : int, optional
        How many items it must have.

    Returns
    -------
    DataFrame
        Columns ``item``, ``key``, ``template``, ``correct_answer`` and `CAPTIONS`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a cell is not what the column says, or the number of items is another; the message names file and line.
    """
    rows = []
    for where, row in read_rows(path, ["image_path", "correct_answer", *CAPTIONS, "correct_answer_template"]):
        answer, template = row["correct_answer"], row["correct_answer_template"]
        if answer not in ("0", "1", "2", "3"):
            raise ValueError(f"{where}, correct_answer: expected a number from 0 to 3, found {answer!r}")
        if template not in TEMPLATES:
            raise ValueError(
                f"{where}, correct_answer_template: expected one of {', '.join(TEMPLATES)}, found {template!r}"
            )
        key = image_key(row["image_path"], where)
        rows.append((len(rows), key, template, int(answer), *texts(row, CAPTIONS, where)))
    check_count(path, len(rows), count)
    return pd.DataFrame(rows, columns=["item", "key", "template", "correct_answer", *CAPTIONS])


def score_items(rows: pd.DataFrame, images: Tensor, captions: Tensor) -> pd.DataFrame:
    """Return the items of the benchmark.

    Parameters
    ----------
    rows : DataFrame
        n rows as `read_mcq` returns them.
    images : Tensor of shape (n, d)
        Normalised features.
    captions : Tensor of shape (n, 4, d)
        Normalised features of each row's four captions.
    """
    items = rows[["item", "key", "template", "correct_answer"]].copy()
    scores = (images[:, None] * captions).sum(dim=-1).numpy()  # (n, 4)
    items[[f"score_{number}" for number in range(len(CAPTIONS))]] = scores
    items["correct"] = chooses(scores, rows["correct_answer"].to_numpy())
    return items


def chooses(scores: np.ndarray, correct_answer: np.ndarray) -> np.ndarray:
    """Return where the right caption scores strictly higher than each other one.

    Parameters
    ----------
    scores : ndarray of shape (n, k)
        Similarities of each image with its k captions.
    correct_answer : ndarray of shape (n,)
        Number of the right caption.
    """
    right = np.arange(scores.shape[1]) == correct_answer[:, None]  # (n, k)
    return strictly_prefers_caption(scores[right], np.where(right, -np.inf, scores).max(axis=1))


def mcq_metrics(items: pd.DataFrame, benchmark: str) -> list[dict]:
    """Return accuracy over all items and by the right caption's template."""
    by_template = [
        metric(f"{benchmark}/{template}", accuracy(group["correct"]), len(group))
        for template, group in items.groupby("template")
    ]
    return [metric(benchmark, accuracy(items["correct"]), len(items)), *by_template]


def main() -> None:
    """Evaluate the model that the command line names."""
    args = benchmark_parser(__doc__).parse_args()
    rows = read_mcq(args.annotations, args.count)
    model = load_model(args)
    images = load_pool(args, model).rows(rows["key"].tolist(), str(args.annotations))
    captions = encode_captions(model, rows[list(CAPTIONS)].to_numpy().ravel().tolist(), cut=True)
    items = score_items(rows, images, captions.view(len(rows), len(CAPTIONS), -1))
    write_result(args, args.benchmark, items, mcq_metrics(items, args.benchmark))


if __name__ == "__main__":
    run(main)
