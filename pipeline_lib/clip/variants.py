"""The same weights, computed in another way, to measure what that changes; and features in the precision of a model.

====================  ==================================================================================================
``fp16``              as ``clip.load`` gives a CLIP on a GPU: weights and activations in half precision, embeddings and
                      layer norms in fp32. Published scripts evaluate OpenAI's CLIPs so, checkpoints after ``.float()``
``other-activation``  GELU in the place of QuickGELU, or the other way round: what a loader that gets it wrong computes
====================  ==================================================================================================

In fp16 a score is one of few numbers (near 0.3 they are 0.00024 apart), so captions tie, and what a tie counts as moves
accuracy. That is why features stay in half precision here (`unit_rows`) and scores are rounded to it (`cosines`).
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.clip.load import ACTIVATIONS, CLIP, activation_of, clip, set_activation

VARIANTS = ("fp16", "other-activation")


def vary(model: CLIP, variant: str) -> CLIP:
    """Turn a model, in place, into one of its `VARIANTS`, and return it."""
    if variant == "fp16":
        clip.model.convert_weights(model)
        return model
    (other,) = ACTIVATIONS.keys() - {activation_of(model)}
    return set_activation(model, other)


def unit_rows(model: CLIP, features: Tensor) -> Tensor:
    """Return a model's features (m, d) with rows of length 1, in fp32, or of its variant ``fp16`` in fp16."""
    if model.dtype == torch.float16:
        return features / features.norm(dim=-1, keepdim=True)
    return functional.normalize(features.float(), dim=-1)


def cosines(one: Tensor, other: Tensor) -> Tensor:
    """Return the product of each row of `one` (m, d) with that row of `other`, fp32, rounded to their precision."""
    return (one.float() * other.float()).sum(dim=1).to(one.dtype).float()


def products(blocks: Iterable[Tensor], targets: Tensor) -> Iterator[Tensor]:
    """Yield the product of each block (b, d) with all targets (n, d), in which equal targets have equal columns (b, n).

    A matrix product alone does not promise that: rounding would decide which of equal targets comes first.
    """
    distinct, which = targets.unique(dim=0, return_inverse=True)
    for block in blocks:
        yield (block @ distinct.T)[:, which]
