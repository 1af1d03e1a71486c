"""CoN-CLIP's losses (paper, section 4).

With a batch of b image features I, distractor image features I', captions c and negated captions c', all normalised,
s = exp(logit_scale), [x;y] the rows of x above those of y, and CE the cross-entropy with targets 0 .. b-1:

    L1 = CE(s I [c;c']^T)      an image belongs to its caption, not to any other or to any negated one
    L2 = CE(s c [I;I']^T)      a caption belongs to its image, not to any other or to any distractor
    L3 = CE(s I' [c';c]^T)     a distractor belongs to its negated caption, not to the caption

    L_conclip = (L1 + L2 + L3) / 3

Axes: b batch, d embedding.
"""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.finetune.terms import LOSSES


def _cross_entropy(queries: Tensor, matches: Tensor, others: Tensor, scale: Tensor) -> Tensor:
    logits = scale * queries @ torch.cat([matches, others]).T  # (b, 2b)
    return functional.cross_entropy(logits, torch.arange(len(queries), device=logits.device))


def loss_value(
    loss: str, image: Tensor, caption: Tensor, negated: Tensor, distractor: Tensor | None, scale: Tensor
) -> Tensor:
    """Return the loss of a batch: the mean of its terms.

    Parameters
    ----------
    loss : str
        A key of `LOSSES`.
    image, caption, negated : Tensor of shape (b, d)
        Normalised features; row i of each belongs to sample i.
    distractor : Tensor of shape (b, d) or None
        Normalised features of the distractor images; None only for a loss without them.
    scale : Tensor, scalar
        s = exp(logit_scale).

    Returns
    -------
    Tensor, scalar
        Lower is better; differentiable in the text features and the scale.
    """
    terms = []
    for term in LOSSES[loss]:
        if term == "l1":
            terms.append(_cross_entropy(image, caption, negated, scale))
        elif term == "l2":
            terms.append(_cross_entropy(caption, image, distractor, scale))
        elif term == "l3":
            terms.append(_cross_entropy(distractor, negated, caption, scale))
        else:
            raise ValueError(f"the term {term!r} of loss {loss!r} is not computed in pipeline_lib/finetune/loss.py")
    return torch.stack(terms).mean()
