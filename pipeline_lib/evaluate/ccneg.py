"""Evaluate a model on CC-Neg: does an image score higher with its caption than with the negated caption?

::

    python -m pipeline_lib.evaluate.ccneg --weights model.pt --record run.json --triplets eval.parquet \\
        --features ccneg-eval/00000.safetensors ccneg-eval/00001.safetensors --threads 1 \\
        --scores ccneg.parquet --metrics ccneg.json --embeddings embeddings.json

Items: ``key``, ``negation_word``, ``n_pairs``, ``score_true``, ``score_negated`` (cosines), ``correct``. Metrics:
accuracy over all items, by negation word (``cc-neg/word=not``) and by number of predicate-object pairs
(``cc-neg/pairs=2``; paper, figure 4).

**Embeddings**: do the negated captions collapse? A model could tell all negated captions from all captions by one
direction, and lose what they say. With n text embeddings x_i of length 1, their mean μ and their covariance
C = (1/n) sum_i (x_i - μ)(x_i - μ)ᵀ, of the captions and of the negated captions each::

    cosine     = mean over i ≠ j of x_i · x_j = (|sum_i x_i|² - n) / (n (n - 1))
    dimensions = (tr C)² / tr C²                      (the participation ratio)

and with the negation x'_i of caption x_i, ``own-negation`` is the mean over i of x_i · x'_i. Collapsed embeddings have
a cosine near 1. `dimensions` is the number of directions of equal variance that would give the same ratio, from 1 (all
on a line) to d, and does not depend on the mean: embeddings in a narrow cone may still differ in many ways. Both sides
have captions of the same images, so compare the two; equal texts have cosine 1 on either side.
"""

from pathlib import Path

import torch
from torch import Tensor

from pipeline_lib.clip.load import CLIP
from pipeline_lib.clip.variants import cosines
from pipeline_lib.evaluate.kinds import CCNEG, EMBEDDINGS, ccneg_items
from pipeline_lib.evaluate.result import (
    entry,
    evaluation_parser,
    load_model,
    measure,
    precision_option,
    read_model,
    read_triplets,
    write_metrics,
    write_result,
)
from pipeline_lib.evaluate.subtract import encode
from pipeline_lib.features.store import load_features, tower_id
from pipeline_lib.jobs.cli import run

NO_VARIANCE = 1e-12  # of embeddings of length 1, beyond rounding


def mean_pairwise_cosine(embeddings: Tensor) -> float:
    """Return the mean cosine of two different rows of `embeddings` (n × d, L2-normalised, n at least 2)."""
    n = len(embeddings)
    if n < 2:
        raise ValueError(f"expected at least two captions, of which a cosine can be computed, found {n}")
    embeddings = embeddings.double()
    lengths = embeddings.square().sum()  # n but for rounding, which the difference would magnify
    return ((embeddings.sum(dim=0).square().sum() - lengths) / (n * (n - 1))).item()


def dimensions(embeddings: Tensor) -> float:
    """Return the participation ratio of the covariance of `embeddings` (n × d); 0 where all rows are the same."""
    centred = embeddings.double() - embeddings.double().mean(dim=0)
    covariance = centred.T @ centred / len(embeddings)  # (d, d)
    variance = covariance.trace()
    return (variance.square() / covariance.square().sum()).item() if variance > NO_VARIANCE else 0.0


def embedding_metrics(captions: Tensor, negated: Tensor) -> list[dict]:
    """Return the metrics of text embeddings (n × d each, L2-normalised; row i of one negates row i of the other)."""
    values = {("cc-neg/own-negation", "cosine"): (captions.double() * negated.double()).sum(dim=1).mean().item()}
    for side, rows in (("captions", captions), ("negated", negated)):
        values[f"cc-neg/{side}", "cosine"] = mean_pairwise_cosine(rows)
        values[f"cc-neg/{side}", "dimensions"] = dimensions(rows)
    named = [(metric, metric.dataset) for metric in EMBEDDINGS.metrics]
    return [entry(metric, dataset, values[dataset, metric.name], len(captions)) for metric, dataset in named]


def caption_scores(model: CLIP, images: Tensor, captions: Tensor) -> Tensor:
    """Return the cosine of each image with its caption, fp32, from features (n × d each) in the model's precision.

    In fp16 images are multiplied by the logarithm of the logit scale before, as the published code does: that decides
    which scores are rounded to one number.
    """
    images = images.to(captions.dtype)
    if captions.dtype == torch.float32:
        return cosines(images, captions)
    scale = model.logit_scale.detach().to("cpu", captions.dtype)
    return cosines(scale * images, captions) / scale.float()


def main() -> None:
    """Evaluate the model that the command line names."""
    parser = evaluation_parser(__doc__)
    parser.add_argument("--triplets", type=Path, required=True, help="CC-Neg's evaluation split, Parquet")
    parser.add_argument("--features", type=Path, nargs="+", required=True, help="features of its images, all parts")
    precision_option(parser)
    parser.add_argument(
        "--embeddings", type=Path, required=True, help="output: cosines and dimensions of the text embeddings, JSON"
    )
    args = parser.parse_args()
    model = load_model(args, args.precision)
    triplets = read_triplets(args.triplets)
    images = load_features(args.features, tower_id(model)).rows(triplets["key"].tolist(), str(args.triplets))
    captions, negated = encode(model, [*triplets["caption"], *triplets["negated_caption"]], args.subtract).chunk(2)
    items = ccneg_items(triplets, *(caption_scores(model, images, side).numpy() for side in (captions, negated)))
    described = read_model(args.record, args.subtract)
    write_result(args, described, "ccneg", items, measure(CCNEG, items))
    write_metrics(args.embeddings, described, "embeddings", embedding_metrics(captions, negated))


if __name__ == "__main__":
    run(main)
