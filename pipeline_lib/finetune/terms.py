"""CoN-CLIP's losses (paper, section 4) and their terms. Loads no torch, so that workflow and tables may read it.

With a batch of b image features I, distractor image features I', captions c and negated captions c', all normalised,
s = exp(logit_scale), [x;y] the rows of x above those of y, and CE the cross-entropy with targets 0 .. b-1:

    L1 = CE(s I [c;c']^T)      an image belongs to its caption, not to any other or to any negated one
    L2 = CE(s c [I;I']^T)      a caption belongs to its image, not to any other or to any distractor
    L3 = CE(s I' [c';c]^T)     a distractor belongs to its negated caption, not to the caption
    C2I = CE(s c I^T)          a caption belongs to its image, not to any other: L2 without distractors, as in CLIP

    L_conclip = (L1 + L2 + L3) / 3

The paper does not have C2I, the authors' code does: their loss without distractors is (L1 + C2I) / 2, and an earlier
version's with distractors (L1 + L2 + C2I) / 3.

A new term is an entry of `TERMS`, a new loss one of `LOSSES`: its name is then a value of the column ``loss`` in the
sheet of experiments. Training reads and encodes what the terms of its loss need, and nothing else.

Axes: b batch, d embedding.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

# What a term may need: Tensors of shape (b, d), normalised; row i of each belongs to sample i.
IMAGES = ("image", "distractor")  # by the frozen image tower
TEXTS = {"caption": "caption", "negated": "negated_caption", "exclusion": "exclusion_caption"}  # trained; their columns
FROZEN = {f"frozen_{text}": text for text in TEXTS}  # the same texts by the backbone's text tower, before training


def contrast(queries: "Tensor", *answers: "Tensor", scale: "Tensor") -> "Tensor":
    """Return CE(s q [m;o]^T): row i of the queries belongs to row i of the first answers, and to no other of all."""
    import torch

    logits = scale * queries @ torch.cat(answers).T  # (b, b for each of the answers)
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(queries), device=logits.device))


class Term(NamedTuple):
    """The tensors that a term needs, keys of `IMAGES`, `TEXTS`, `FROZEN`, and ``compute(*needs, scale=)`` -> scalar."""

    needs: tuple[str, ...]
    compute: Callable[..., "Tensor"] = contrast


class Loss(NamedTuple):
    """The mean of `terms`, keys of `TERMS`; tables and figures show `label`."""

    label: str
    terms: tuple[str, ...]


TERMS = {  # query, right answers, further wrong answers
    "l1": Term(("image", "caption", "negated")),
    "l2": Term(("caption", "image", "distractor")),
    "l3": Term(("distractor", "negated", "caption")),
    "c2i": Term(("caption", "image")),
}
LOSSES = {
    "l1": Loss("L1", ("l1",)),
    "l1+c2i": Loss("L1+C2I", ("l1", "c2i")),
    "l2": Loss("L2", ("l2",)),
    "l1+l2": Loss("L1+L2", ("l1", "l2")),
    "l1+l2+c2i": Loss("L1+L2+C2I", ("l1", "l2", "c2i")),
    "conclip": Loss("L_conclip", ("l1", "l2", "l3")),
}
LOSS_LABELS = {name: loss.label for name, loss in LOSSES.items()}


def needs(loss: str) -> set[str]:
    """Return what the terms of a loss need."""
    found = {name for term in LOSSES[loss].terms for name in TERMS[term].needs}
    if unknown := found - {*IMAGES, *TEXTS, *FROZEN}:
        known = ", ".join((*IMAGES, *TEXTS, *FROZEN))
        raise ValueError(f"a term of the loss {loss} needs {', '.join(sorted(unknown))}; expected some of {known}")
    return found


def needs_distractors(loss: str) -> bool:
    """Return whether a loss uses distractor images."""
    return "distractor" in needs(loss)


def loss_value(loss: str, tensors: Mapping[str, "Tensor"], scale: "Tensor") -> "Tensor":
    """Return the loss of a batch, a scalar, lower is better: the mean of its terms, computed from what they need."""
    import torch

    terms = [TERMS[name] for name in LOSSES[loss].terms]
    return torch.stack([term.compute(*(tensors[name] for name in term.needs), scale=scale) for term in terms]).mean()
