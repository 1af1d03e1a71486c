"""How far apart a model's text embeddings of CC-Neg lie: do the negated captions collapse?

A model could tell all negated captions from all captions by one direction, and lose what they say. With n embeddings
x_i of length 1, their mean μ and their covariance C = (1/n) sum_i (x_i - μ)(x_i - μ)ᵀ, of the captions and of the
negated captions each::

    cosine     = mean over i ≠ j of x_i · x_j = (|sum_i x_i|² - n) / (n (n - 1))
    dimensions = (tr C)² / tr C²                      (the participation ratio)

and with the negation x'_i of caption x_i, ``own-negation`` is the mean over i of x_i · x'_i. Collapsed embeddings have
a cosine near 1. `dimensions` is the number of directions of equal variance that would give the same ratio, from 1 (all
on a line) to d, and does not depend on the mean: embeddings in a narrow cone may still differ in many ways. Both sides
have captions of the same images, so the one is the other's yardstick; equal texts have cosine 1 on either side.
"""

from torch import Tensor

from pipeline_lib.evaluate.result import metric

NO_VARIANCE = 1e-12  # of embeddings of length 1, beyond rounding


def mean_pairwise_cosine(embeddings: Tensor) -> float:
    """Return the mean cosine of two different rows.

    Parameters
    ----------
    embeddings : Tensor of shape (n, d)
        L2-normalised.

    Raises
    ------
    ValueError
        If there are fewer than two rows.
    """
    n = len(embeddings)
    if n < 2:
        raise ValueError(f"expected at least two captions, of which a cosine can be computed, found {n}")
    embeddings = embeddings.double()
    lengths = embeddings.square().sum()  # n but for rounding, which the difference would magnify
    return ((embeddings.sum(dim=0).square().sum() - lengths) / (n * (n - 1))).item()


def dimensions(embeddings: Tensor) -> float:
    """Return the participation ratio of the rows' covariance; 0 where all rows are the same.

    Parameters
    ----------
    embeddings : Tensor of shape (n, d)
        Of any length.
    """
    centred = embeddings.double() - embeddings.double().mean(dim=0)
    covariance = centred.T @ centred / len(embeddings)  # (d, d)
    variance = covariance.trace()
    return (variance.square() / covariance.square().sum()).item() if variance > NO_VARIANCE else 0.0


def spread_metrics(captions: Tensor, negated: Tensor) -> list[dict]:
    """Return the spread of captions and of negated captions, and how near each caption is to its own negation.

    Parameters
    ----------
    captions, negated : Tensor of shape (n, d)
        L2-normalised embeddings; row i of one is the negation of row i of the other.
    """
    n, sides = len(captions), {"captions": captions, "negated": negated}
    own = (captions.double() * negated.double()).sum(dim=1).mean().item()
    return [
        *(metric(f"cc-neg/{side}", mean_pairwise_cosine(rows), n, "cosine") for side, rows in sides.items()),
        metric("cc-neg/own-negation", own, n, "cosine"),
        *(metric(f"cc-neg/{side}", dimensions(rows), n, "dimensions") for side, rows in sides.items()),
    ]
