"""A bag of words with pairs: logistic regression on which words and neighbouring words a text has.

::

    score(text) = b + sum of w_g over the distinct g of the text's words and pairs of neighbouring words
    w, b minimise   sum_i log(1 + exp(-s_i score(text_i))) + (|w|^2 + b^2) / 2,   s_i = 1 if text_i is right, else -1

Texts of a set without a training split are scored by models that have not seen them: `FOLDS` parts, each scored by a
model of the others, and all texts of a group (such as an image) in one part.

A fit of 20,000 captions takes a second. The numbers are the same on any number of threads.
"""

import math
import re
from array import array
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from scipy import sparse
from scipy.special import expit

FOLDS = 5
TOLERANCE = 1e-6  # of the gradient, against its first length: at 1e-4 accuracies differ by up to 0.04
MOST_STEPS = 100  # a fit takes about ten

_WORD = re.compile(r"\w+(?:['’]\w+)?|[^\w\s]")
_EVERY = ""  # in every text: its weight is b


def words(text: str) -> list[str]:
    """Return the words and punctuation marks of a text, in lower case."""
    return _WORD.findall(text.lower())


def _grams(text: str) -> dict[str, None]:
    """Return what has a weight: the words and pairs of neighbours, each once, in order (of a set it is random)."""
    found = words(text)
    return dict.fromkeys([_EVERY, *found, *map(" ".join, pairwise(found))])


def fit(texts: Iterable[str], right: Sequence[bool]) -> dict[str, float]:
    """Return the weights of words and pairs by which right texts differ from the others."""
    numbers: dict[str, int] = {}
    columns, ends = array("i"), array("q", [0])
    for text in texts:
        columns.extend(numbers.setdefault(gram, len(numbers)) for gram in _grams(text))
        ends.append(len(columns))
    has = sparse.csr_array((np.ones(len(columns)), columns, ends), shape=(len(ends) - 1, len(numbers)))
    return dict(zip(numbers, logistic_regression(has, np.asarray(right, dtype=float)).tolist(), strict=True))


def scores(weights: dict[str, float], texts: Iterable[str]) -> np.ndarray:
    """Return the score of each text, shape (n,); what was not seen in training adds nothing."""
    # fsum, so that the order of the words does not matter: texts of the same words and pairs tie exactly.
    return np.array([math.fsum(weights.get(gram, 0.0) for gram in _grams(text)) for text in texts])


def held_out_scores(texts: Sequence[str], right: Sequence[bool], groups: Sequence[Hashable]) -> np.ndarray:
    """Return the score of each text by a model that has seen no text of its group, shape (n,).

    Compare scores within a group alone: those of two groups may be of different models. `groups` can be sorted; a
    group's part is its place among them, modulo `FOLDS`.
    """
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < FOLDS:
        raise ValueError(f"expected captions of at least {FOLDS} images, found {len(names)}")
    part, right, found = group % FOLDS, np.asarray(right), np.empty(len(texts))
    for fold in range(FOLDS):
        seen, held = np.flatnonzero(part != fold), np.flatnonzero(part == fold)
        found[held] = scores(fit([texts[row] for row in seen], right[seen]), [texts[row] for row in held])
    return found


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


def logistic_regression(x: sparse.csr_array, y: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """Return the w, of shape (f,), that minimises the sum over rows of -log p(y | x w), plus |w|² / 2.

    Newton's method: each step by conjugate gradients, and halved until the loss falls. All sums are numpy's and
    scipy.sparse's own. BLAS, which scipy's optimisers call, adds in another order on another number of threads.

    Parameters
    ----------
    x, y : of shape (n, f), (n,)
        Features, and for each row 1 or 0.
    """
    transposed, signs = x.T.tocsr(), 2 * y - 1

    def loss(w: np.ndarray) -> float:
        return np.logaddexp(0, -signs * (x @ w)).sum() + _dot(w, w) / 2

    w, first = np.zeros(x.shape[1]), None
    for _ in range(MOST_STEPS):
        p = expit(x @ w)
        gradient, spread = w + transposed @ (p - y), p * (1 - p)
        length = math.sqrt(_dot(gradient, gradient))
        first = length if first is None else first
        if length <= tolerance * first:
            break
        step = _solve(lambda v, spread=spread: v + transposed @ (spread * (x @ v)), 1 + transposed @ spread, -gradient)
        size, now, slope = 1.0, loss(w), _dot(gradient, step)
        while loss(w + size * step) > now + 1e-4 * size * slope:
            size /= 2
        w += size * step
    return w


def _solve(matrix: Callable[[np.ndarray], np.ndarray], diagonal: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return v with matrix(v) = b but for a tenth of b's length, by conjugate gradients, preconditioned by a diagonal.

    `diagonal` is that of the matrix where a column of x is 0 or 1.
    """
    v, rest = np.zeros_like(b), b.copy()
    direction = scaled = rest / diagonal
    product, enough = _dot(rest, scaled), 0.01 * _dot(b, b)
    while _dot(rest, rest) > enough:
        image = matrix(direction)
        far = product / _dot(direction, image)
        v, rest = v + far * direction, rest - far * image
        scaled = rest / diagonal
        product, before = _dot(rest, scaled), product
        direction = scaled + product / before * direction
    return v


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum())
