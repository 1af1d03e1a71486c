"""A model that sees no image: how far do words alone tell the right captions from the wrong ones?

The evaluation puts it beside the models of every benchmark that offers captions, and fine-tuning may ask it about
training captions: what it gets right can be learned without looking at an image. Imports nothing of ours. It is a bag
of words with pairs, logistic regression on which words and neighbouring words a text has::

    score(text) = b + sum of w_g over the distinct g of the text's words and pairs of neighbouring words
    w, b minimise   sum_i log(1 + exp(-s_i score(text_i))) + (|w|^2 + b^2) / 2,   s_i = 1 if text_i is right, else -1

Texts of a set without a training split are scored by models that have not seen them: `FOLDS` parts, each scored by a
model of the others, and all texts of a group (such as an image) in one part. scikit-learn does both; a fit of 20,000
captions takes a second.
"""

import re
from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline

FOLDS = 5
TOLERANCE = 1e-6  # at 1e-4 accuracies differ by up to 0.04
DIGITS = 6  # of scores: what another number of threads adds in another order lies far below

_WORD = re.compile(r"\w+(?:['’]\w+)?|[^\w\s]")


def words(text: str) -> list[str]:
    """Return the words and punctuation marks of a text, in lower case."""
    return _WORD.findall(text.lower())


def _grams(text: str) -> list[str]:
    found = words(text)
    return [*found, *map(" ".join, pairwise(found))]


def _bag() -> Pipeline:
    features = CountVectorizer(analyzer=_grams, binary=True, dtype=float)
    return make_pipeline(features, LogisticRegression(solver="liblinear", tol=TOLERANCE))


def fit(texts: Iterable[str], right: Sequence[bool]) -> Pipeline:
    """Return the model that tells right texts from the others."""
    return _bag().fit(list(texts), list(right))


def scores(model: Pipeline, texts: Iterable[str]) -> np.ndarray:
    """Return the score of each text, shape (n,); what was not seen in training adds nothing."""
    return model.decision_function(list(texts)).round(DIGITS)


def held_out_scores(texts: Sequence[str], right: Sequence[bool], groups: Sequence[Hashable]) -> np.ndarray:
    """Return the score of each text by a model that has seen no text of its group, shape (n,).

    Compare scores within a group alone: those of two groups may be of different models.
    """
    if (found := len(set(groups))) < FOLDS:
        raise ValueError(f"the bag of words: expected captions of at least {FOLDS} images, found {found}")
    folds = {"groups": list(groups), "cv": GroupKFold(FOLDS)}
    return cross_val_predict(_bag(), list(texts), list(right), method="decision_function", **folds).round(DIGITS)


def blind_accuracy(right: Sequence[str], wrong: Sequence[str], groups: Sequence[Hashable]) -> float:
    """Return in percent how often a right text scores above the wrong one beside it, held out; a tie counts half.

    Chance is 50. A little less, where each text is right as often as wrong, is no knowledge: what a held-out part has
    more of, the others have less of.

    Parameters
    ----------
    right, wrong : sequence of str
        The two texts of each of n pairs.
    groups : sequence
        What each pair is about, such as the key of its image: pairs of one group are held out together.
    """
    n = len(groups)
    found = held_out_scores([*right, *wrong], [True] * n + [False] * n, [*groups, *groups])
    return 50 * float(np.mean(1 + np.sign(found[:n] - found[n:])))
