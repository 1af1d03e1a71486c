"""Evaluate a model on NegBench's retrieval: is a caption's image among the first that the caption finds?

::

    python -m pipeline_lib.evaluate.retrieval --weights model.pt --record run.json --benchmark negbench-retrieval \\
        --annotations COCO_val_retrieval.csv --features coco-val2017/00000.safetensors --count 5000 \\
        --threads 1 --scores negbench-retrieval.parquet --metrics negbench-retrieval.json

Annotations: CSV as published, a row per image, with ``filepath`` (of which the file name without extension is the key)
and ``captions``, a list of texts as a Python literal, which is parsed and never evaluated. One file has affirmative
captions, another the same with a negation; each is a benchmark. The images searched are those of the file.

Items, by ``direction``: ``text-to-image``, a row per caption, and ``image-to-text``, a row per image; with ``key`` (the
image), ``caption`` (its number in the list; -1 for an image), ``score`` (cosine with the right image, or with the
image's best caption), ``rank``, ``correct`` (rank 1). Metrics: ``recall@1`` and ``recall@5`` in percent from text to
image, which NegBench reports, and under ``NAME/image-to-text`` from image to text, where an image's rank is that of its
best caption.

A rank is 1 and the number of others that score at least as high: a tie counts against the model (torch's ``topk`` in
the published code leaves open which of equal scores it keeps). Captions that are too long for CLIP are cut, as there.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.evaluate.metrics import accuracy
from pipeline_lib.evaluate.result import benchmark_parser, load_model, load_pool, metric, write_result
from pipeline_lib.formats.annotations import check_count, image_key, read_rows, string_list
from pipeline_lib.jobs.cli import run

CUTOFFS = (1, 5)
ROWS_PER_BLOCK = 256  # of the similarity matrix, which is never held whole: 25,000 captions and 5,000 images


def read_retrieval(path: str | Path, count: int | None = None) -> pd.DataFrame:
    """Return the captions of a file.

    Parameters
    ----------
    path : str or Path
        The CSV.
    count : int, optional
        How many images it must have.

    Returns
    -------
    DataFrame
        A row per caption, those of an image together: ``key``, ``caption`` (number in the image's list), ``text``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a cell is not what the column says, an image has two rows, or the number of images is another; the message
        names file and line.
    """
    rows, lines = [], {}
    for where, row in read_rows(path, ["filepath", "captions"]):
        key = image_key(row["filepath"], where)
        if key in lines:
            raise ValueError(f"{where}: the image {key} has a row already: {lines[key]}")
        lines[key] = where
        rows += [(key, number, text) for number, text in enumerate(string_list(row["captions"], where))]
    check_count(path, len(lines), count, "images")
    return pd.DataFrame(rows, columns=["key", "caption", "text"])


def rank_images(captions: Tensor, images: Tensor, image_of: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the score of each caption's image, and its rank among all images.

    Parameters
    ----------
    captions : Tensor of shape (m, d)
    images : Tensor of shape (n, d)
        Normalised features.
    image_of : Tensor of shape (m,)
        Row of `images` that each caption describes.

    Returns
    -------
    scores, ranks : ndarray of shape (m,)
    """
    scores, ranks = [], []
    for block, wanted in zip(captions.split(ROWS_PER_BLOCK), image_of.split(ROWS_PER_BLOCK), strict=True):
        similarity = block @ images.T  # (b, n)
        own = similarity.gather(1, wanted[:, None])  # (b, 1)
        scores.append(own.squeeze(1))
        ranks.append((similarity >= own).sum(dim=1))
    return torch.cat(scores).numpy(), torch.cat(ranks).numpy()


def rank_captions(captions: Tensor, images: Tensor, image_of: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the score of each image's best caption, and its rank among the captions of all other images.

    Parameters
    ----------
    captions, images, image_of
        As `rank_images` takes them; each image has a caption.

    Returns
    -------
    scores, ranks : ndarray of shape (n,)
    """
    scores, ranks = [], []
    for first, block in enumerate(images.split(ROWS_PER_BLOCK)):
        similarity = block @ captions.T  # (b, m)
        here = torch.arange(len(block))[:, None] + first * ROWS_PER_BLOCK
        mine = image_of[None, :] == here  # (b, m)
        best = similarity.masked_fill(~mine, -torch.inf).max(dim=1, keepdim=True).values
        scores.append(best.squeeze(1))
        ranks.append(1 + ((similarity >= best) & ~mine).sum(dim=1))
    return torch.cat(scores).numpy(), torch.cat(ranks).numpy()


def score_items(rows: pd.DataFrame, images: Tensor, captions: Tensor) -> pd.DataFrame:
    """Return the items of the benchmark.

    Parameters
    ----------
    rows : DataFrame
        m captions of n images as `read_retrieval` returns them.
    images : Tensor of shape (n, d)
        Normalised features, in the order in which the images first occur in `rows`.
    captions : Tensor of shape (m, d)
        Normalised features.
    """
    numbers, keys = pd.factorize(rows["key"])
    image_of = torch.from_numpy(numbers)
    to_image = rows[["key", "caption"]].assign(direction="text-to-image")
    to_image["score"], to_image["rank"] = rank_images(captions, images, image_of)
    to_text = pd.DataFrame({"key": keys, "caption": -1, "direction": "image-to-text"})
    to_text["score"], to_text["rank"] = rank_captions(captions, images, image_of)
    items = pd.concat([to_image, to_text], ignore_index=True)
    return items.assign(correct=items["rank"] == 1)


def retrieval_metrics(items: pd.DataFrame, benchmark: str) -> list[dict]:
    """Return the recalls of each direction."""
    return [
        metric(dataset, accuracy(group["rank"] <= cutoff), len(group), f"recall@{cutoff}")
        for dataset, direction in ((benchmark, "text-to-image"), (f"{benchmark}/image-to-text", "image-to-text"))
        for group in (items[items["direction"] == direction],)
        for cutoff in CUTOFFS
    ]


def main() -> None:
    """Evaluate the model that the command line names."""
    args = benchmark_parser(__doc__).parse_args()
    rows = read_retrieval(args.annotations, args.count)
    model = load_model(args)
    images = load_pool(args, model).rows(rows["key"].unique().tolist(), str(args.annotations))
    items = score_items(rows, images, encode_captions(model, rows["text"].tolist(), cut=True))
    write_result(args, args.benchmark, items, retrieval_metrics(items, args.benchmark))


if __name__ == "__main__":
    run(main)
