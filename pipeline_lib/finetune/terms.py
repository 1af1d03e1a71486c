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

Two more terms, ours, learn from truth tables (`pipeline_lib.finetune.facts`): a table t has two statements, T_t0 and
T_t1, and y_it in {0, 1} says which of them is true of image i, one of its witnesses, where that is known. With the mean
over tables, in each over its two statements c, and for each over the images of which it is true (y_it = c),

    L4 = mean of -log e^(s I_i T_tc) / (e^(s I_i T_t0) + e^(s I_i T_t1))           which statement, given an image
    L5 = mean of -log e^(s I_i T_tc) / (e^(s I_i T_tc) + sum over images j with y_jt = 1 - c of e^(s I_j T_tc))
                                                                                    which image, given a statement
    L_conclip+ = (L1 + L2 + L3 + L4 + L5) / 5

A new term is an entry of `TERMS`, a new loss one of `LOSSES`: its name is then a value of the column ``loss`` in the
sheet of experiments. Training reads and encodes what the terms of its loss need, and nothing else.

Axes: b batch, d embedding.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

# What a term may need: Tensors of shape (b, d), normalised; row i of each belongs to sample i, but that of a statement.
IMAGES = ("image", "distractor")  # by the frozen image tower
TEXTS = {"caption": "caption", "negated": "negated_caption", "exclusion": "exclusion_caption"}  # trained; their columns
FROZEN = {f"frozen_{text}": text for text in TEXTS}  # the same texts by the backbone's text tower, before training
# Of truth tables: image features of w witnesses, (w, d), statements, trained, and which of two is true of a witness,
# (w, b / 2): 0, 1, or -1 for unknown.
TABLES = ("witness", "statement", "truth")


def contrast(queries: "Tensor", *answers: "Tensor", scale: "Tensor") -> "Tensor":
    """Return CE(s q [m;o]^T): row i of the queries belongs to row i of the first answers, and to no other of all."""
    import torch

    logits = scale * queries @ torch.cat(answers).T  # (b, b for each of the answers)
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(queries), device=logits.device))


def _sides(witness: "Tensor", statement: "Tensor", truth: "Tensor", scale: "Tensor") -> tuple["Tensor", ...]:
    """Return logits, where a statement is false of an image, and each logit's share in the mean: (w, b / 2, 2) each.

    The logits of true statements have a share. A statement that is true of no image leaves the other one all of its
    table's, and a table without truth leaves its own to the others.
    """
    import torch

    logits = (scale * witness @ statement.T).unflatten(1, (-1, 2))
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # half precision has no room for small shares
    true = truth[..., None] == torch.arange(2, device=truth.device)
    false = (truth[..., None] >= 0) & ~true
    held = true.any(dim=0)  # (b / 2, 2)
    sides, tables = held.sum(dim=1, keepdim=True).clamp(min=1), held.any(dim=1).sum().clamp(min=1)
    return logits, false, true.to(logits.dtype) / true.sum(dim=0).clamp(min=1) / sides / tables


def right_statement(witness: "Tensor", statement: "Tensor", truth: "Tensor", scale: "Tensor") -> "Tensor":
    """Return L4."""
    from torch.nn import functional

    logits, _, share = _sides(witness, statement, truth, scale)
    return (share * functional.softplus(logits.flip(-1) - logits)).sum()


def right_image(witness: "Tensor", statement: "Tensor", truth: "Tensor", scale: "Tensor") -> "Tensor":
    """Return L5."""
    import torch
    from torch.nn import functional

    logits, false, share = _sides(witness, statement, truth, scale)
    others = logits.masked_fill(~false, -torch.inf).logsumexp(dim=0)
    return (share * functional.softplus(others - logits)).sum()


class Term(NamedTuple):
    """What a term needs, of `IMAGES`, `TEXTS`, `FROZEN` and `TABLES`, and ``compute(*needs, scale=)`` -> scalar."""

    needs: tuple[str, ...]
    compute: Callable[..., "Tensor"] = contrast


class Loss(NamedTuple):
    """The mean of `terms`, keys of `TERMS`; tables and figures show `label`.

    In a `control`, all true statements of the truth tables deny something: words alone tell what is true.
    """

    label: str
    terms: tuple[str, ...]
    control: bool = False


TERMS = {  # query, right answers, further wrong answers
    "l1": Term(("image", "caption", "negated")),
    "l2": Term(("caption", "image", "distractor")),
    "l3": Term(("distractor", "negated", "caption")),
    "c2i": Term(("caption", "image")),
    "l4": Term(TABLES, right_statement),
    "l5": Term(TABLES, right_image),
}
LOSSES = {
    "l1": Loss("L1", ("l1",)),
    "l1+c2i": Loss("L1+C2I", ("l1", "c2i")),
    "l2": Loss("L2", ("l2",)),
    "l1+l2": Loss("L1+L2", ("l1", "l2")),
    "l1+l2+c2i": Loss("L1+L2+C2I", ("l1", "l2", "c2i")),
    "conclip": Loss("L_conclip", ("l1", "l2", "l3")),
    "conclip+": Loss("L_conclip+", ("l1", "l2", "l3", "l4", "l5")),
    "conclip+absent": Loss("L_conclip+ (control)", ("l1", "l2", "l3", "l4", "l5"), control=True),
}
LOSS_LABELS = {name: loss.label for name, loss in LOSSES.items()}


def needs(loss: str) -> set[str]:
    """Return what the terms of a loss need."""
    found = {name for term in LOSSES[loss].terms for name in TERMS[term].needs}
    known = (*IMAGES, *TEXTS, *FROZEN, *TABLES)
    if unknown := found - {*known}:
        known = ", ".join(known)
        raise ValueError(f"a term of the loss {loss} needs {', '.join(sorted(unknown))}; expected some of {known}")
    return found | {"image"} if "witness" in found else found  # witnesses are among the training images


def is_control(loss: str | None) -> bool:
    """Return whether a loss, if there is one, is there to show what goes wrong."""
    return loss in LOSSES and LOSSES[loss].control


def needs_distractors(loss: str) -> bool:
    """Return whether a loss uses distractor images."""
    return "distractor" in needs(loss)


def needs_facts(loss: str) -> bool:
    """Return whether a loss uses truth tables."""
    return not needs(loss).isdisjoint(TABLES)


def loss_value(loss: str, tensors: Mapping[str, "Tensor"], scale: "Tensor") -> "Tensor":
    """Return the loss of a batch, a scalar, lower is better: the mean of its terms, computed from what they need."""
    import torch

    terms = [TERMS[name] for name in LOSSES[loss].terms]
    return torch.stack([term.compute(*(tensors[name] for name in term.needs), scale=scale) for term in terms]).mean()
