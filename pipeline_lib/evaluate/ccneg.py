"""Evaluate a model on CC-Neg: does an image score higher with its caption than with the negated caption?

::

    python -m pipeline_lib.evaluate.ccneg --weights model.pt --record run.json --triplets eval.parquet \\
        --features ccneg-eval/00000.safetensors ccneg-eval/00001.safetensors --threads 1 \\
        --scores ccneg.parquet --metrics ccneg.json --embeddings embeddings.json

Items: ``key``, ``negation_word``, ``n_pairs``, ``score_true``, ``score_negated`` (cosines), ``correct``. Metrics:
accuracy over all items, by negation word (``cc-neg/word=not``) and by number of predicate-object pairs
(``cc-neg/pairs=2``; paper, figure 4). Of the same text embeddings: their spread (`pipeline_lib.evaluate.spread`).
"""

from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.evaluate.kinds import MOST_PAIRS
from pipeline_lib.evaluate.metrics import accuracy, prefers_caption
from pipeline_lib.evaluate.result import (
    evaluation_parser,
    load_model,
    metric,
    read_model,
    write_metrics,
    write_result,
)
from pipeline_lib.evaluate.spread import spread_metrics
from pipeline_lib.features.store import load_features, tower_id
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet


def ccneg_items(triplets: pd.DataFrame, score_true: np.ndarray, score_negated: np.ndarray) -> pd.DataFrame:
    """Return the items of the benchmark, whatever the scores are.

    Parameters
    ----------
    triplets : DataFrame
        n rows with ``key``, ``negation_word``, ``n_pairs``.
    score_true, score_negated : ndarray of shape (n,)
        How well each caption and each negated caption fits its image; higher is better.
    """
    items = triplets[["key", "negation_word", "n_pairs"]].reset_index(drop=True)
    return items.assign(
        score_true=score_true, score_negated=score_negated, correct=prefers_caption(score_true, score_negated)
    )


def score_items(triplets: pd.DataFrame, images: Tensor, captions: Tensor, negated: Tensor) -> pd.DataFrame:
    """Return the items of the benchmark, scored by cosine.

    Parameters
    ----------
    triplets : DataFrame
        As `ccneg_items` takes it.
    images, captions, negated : Tensor of shape (n, d)
        Normalised features, row i of each for row i of `triplets`.
    """
    return ccneg_items(triplets, *((images * side).sum(dim=1).numpy() for side in (captions, negated)))


def ccneg_metrics(items: pd.DataFrame) -> list[dict]:
    """Return accuracy over all items and over each subset of the paper's figure 4."""
    metrics = [metric("cc-neg", accuracy(items["correct"]), len(items))]
    for word, group in items.groupby("negation_word"):
        metrics.append(metric(f"cc-neg/word={word}", accuracy(group["correct"]), len(group)))
    for pairs, group in items.groupby(items["n_pairs"].clip(upper=MOST_PAIRS)):
        metrics.append(metric(f"cc-neg/pairs={pairs}", accuracy(group["correct"]), len(group)))
    return metrics


def main() -> None:
    """Evaluate the model that the command line names."""
    parser = evaluation_parser(__doc__)
    parser.add_argument("--triplets", type=Path, required=True)
    parser.add_argument("--features", type=Path, nargs="+", required=True)
    parser.add_argument("--embeddings", type=Path, required=True, help="output: metrics of the text embeddings")
    args = parser.parse_args()
    model = load_model(args)
    triplets = read_parquet(args.triplets)
    images = load_features(args.features, tower_id(model)).rows(triplets["key"].tolist(), str(args.triplets))
    captions, negated = encode_captions(model, [*triplets["caption"], *triplets["negated_caption"]]).chunk(2)
    items = score_items(triplets, images, captions, negated)
    write_result(args, "ccneg", items, ccneg_metrics(items))
    write_metrics(args.embeddings, read_model(args.record), "embeddings", spread_metrics(captions, negated))


if __name__ == "__main__":
    run(main)
