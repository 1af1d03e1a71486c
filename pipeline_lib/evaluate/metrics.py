"""Metrics as pure functions of arrays, in percent.

Axes: n items, c classes.
"""

import numpy as np


def accuracy(correct: np.ndarray) -> float:
    """Return the share of true values in a boolean array of shape (n,), in percent.

    Raises
    ------
    ValueError
        If there is no item: the share of nothing is not a number.
    """
    if len(correct) == 0:
        raise ValueError("expected at least one item to score, found none")
    return 100.0 * float(np.mean(correct))


def mean_per_class(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean over classes of the share of a class's items that are predicted as it, in percent.

    Parameters
    ----------
    labels, predicted : ndarray of shape (n,)
        Class numbers. Classes without an item do not count.
    """
    return float(np.mean([accuracy(predicted[labels == label] == label) for label in np.unique(labels)]))


def prefers_caption(score_true: np.ndarray, score_negated: np.ndarray) -> np.ndarray:
    """Return where the true caption scores at least as high as the negated one: on CC-Neg a tie counts as correct.

    Parameters
    ----------
    score_true, score_negated : ndarray of shape (n,)
        Similarities of each image with its caption and with the negated caption (paper, section 5).
    """
    return score_true >= score_negated


def strictly_prefers_caption(score_positive: np.ndarray, score_negative: np.ndarray) -> np.ndarray:
    """Return where the positive caption scores strictly higher: on SugarCREPE a tie counts as wrong.

    Parameters
    ----------
    score_positive, score_negative : ndarray of shape (n,)
        Similarities of each image with its caption and with the hard negative.
    """
    return score_positive > score_negative
