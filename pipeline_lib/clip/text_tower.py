"""CLIP's text tower: `encode_text(model, clip.tokenize(x))` computes what ``model.encode_text(clip.tokenize(x))`` does.

CLIP pads every caption to 77 tokens, computes all positions and takes the feature at the end-of-text token. Here no
padding is computed, and the beginnings that captions share are computed once. Features and gradients are the same but
for the order of floating-point sums: ``tests/test_text_tower.py`` and ``tests/test_proofs.py`` compare them. Why less
is enough:

1. Attention is causal: no position sees a later one. What comes after the end-of-text token reaches neither the
   feature nor its gradient, so it is not computed.
2. For the same reason the state at a position is a function of the tokens up to there. Captions that begin alike have
   the same states as far as they do, so each distinct prefix is computed once: a caption and its negated caption share
   what precedes the negation, the prompts of a classifier share their template. The gradient of a shared state is the
   sum over its captions, which is what the chain rule asks for.
3. The feature is read at one position: after the attention of the last block, only the end-of-text states go on.

Prefixes are the nodes of a tree: a prefix sees those that it begins with, its ancestors. In lexicographic order of the
captions, a prefix and its descendants are neighbours. So they are laid out in rows of `POSITIONS` places, captions one
after the other, each without what it shares with the one before; a new row begins with a whole caption. A place sees
the earlier places of its row whose descendants it is among: a mask. Everything else is CLIP's transformer on rows.

The rows are planned on the CPU (`plan_texts`) and computed on a device (`encode_planned`). A GPU that is to repeat
recorded work needs the same shapes again: there the number of rows is rounded up, and nothing reads the further rows.

Rows are picked by ``index_select``, whose gradient adds in a fixed order on a CPU; with several threads ``x[rows]``
adds in any order, and on a GPU it sorts first.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.clip.fused import fused_activations
from pipeline_lib.clip.load import CLIP
from pipeline_lib.clip.tokenizer import tokenize
from pipeline_lib.clip.variants import unit_rows

POSITIONS = 96  # of a row: any caption fits, and few places stay empty
ROWS_PER_GROUP = 8  # on a CPU: activations that fit its caches are worth more than larger matrix products
CAPTIONS_PER_BATCH = 4096  # without gradients; bounds memory
CAPTIONS_IN_HALF = 512  # the same for a model in half precision, with padding


class Trees(NamedTuple):
    """The distinct prefixes of m captions in r rows of t places.

    Attributes
    ----------
    tokens, positions : Tensor of shape (r, t)
        Last token of the prefix at each place, and its position in the caption; 0 and 0 where the place is empty.
    last : Tensor of shape (r, t)
        The last place of the row, from 0, that holds a prefix which begins with the one here.
    ends : Tensor of shape (m,)
        Where each caption is whole, among all r t places.
    """

    tokens: Tensor
    positions: Tensor
    last: Tensor
    ends: Tensor


def lay_out(tokens: Tensor, ends: Tensor, padded: bool = False) -> Trees:
    """Lay out the distinct prefixes of captions in rows.

    `tokens` (m, 77), int64, are in lexicographic order, and zero after the end-of-text tokens, which stand at `ends`
    (m,). If `padded`, rows are as long as ever and their number is rounded up (`room`).
    """
    longest = int(ends.max()) + 1
    texts, ends = tokens[:, :longest].numpy(), ends.numpy()
    shared = np.zeros(len(texts), dtype=np.int64)  # positions that a caption has in common with the one before
    shared[1:] = np.logical_and.accumulate(texts[1:] == texts[:-1], axis=1).sum(axis=1)
    shared = np.minimum(shared, ends + 1)
    places = POSITIONS if padded else min(POSITIONS, int((ends + 1 - shared).sum()))
    begins, starts, used = shared.tolist(), [], places  # the first position that a caption lays out, and where
    rows = 0
    for number, length in enumerate((ends + 1).tolist()):
        if used + length - begins[number] > places:
            begins[number], used, rows = 0, 0, rows + 1
        starts.append((rows - 1) * places + used)
        used += length - begins[number]
    begins, starts = np.array(begins), np.array(starts)
    laid = ends + 1 - begins  # (m,) positions
    caption = np.repeat(np.arange(len(texts)), laid)
    offset = np.arange(len(caption)) - np.repeat(np.cumsum(laid) - laid, laid)
    place, position = starts[caption] + offset, begins[caption] + offset
    # The descendants of a prefix at position p end where the next caption begins that lays out p or what is before it.
    over = np.full((len(texts), longest), rows * places)
    over[:-1] = np.where(begins[1:, None] <= np.arange(longest), starts[1:, None], rows * places)
    over = np.minimum.accumulate(over[::-1], axis=0)[::-1]
    shape = room(rows) if padded else rows, places
    found = np.zeros((3, *shape), dtype=np.int64)
    found[2] = np.arange(places)  # an empty place sees itself: attention to nothing is not a number
    found.reshape(3, -1)[:, place] = (
        texts[caption, position],
        position,
        over[caption, position] - 1 - place // places * places,
    )
    return Trees(*torch.from_numpy(found), torch.from_numpy(starts + laid - 1))


def room(count: int) -> int:
    """Return the next of eight sizes per power of two: few sizes, at most an eighth of them empty."""
    step = 1 << max(0, (count - 1).bit_length() - 4)
    return -(-count // step) * step


def plan_texts(tokens: Tensor, device: torch.device, padded: bool = False) -> tuple[Tensor, list[Trees]]:
    """Return how to encode tokenized captions (m, 77) on a device: in one group on a GPU, or if `padded`.

    The place among those of all groups that each caption has (m,), and the `Trees` of each group.
    """
    tokens = tokens.cpu()
    ends = tokens.argmax(dim=-1)  # the end-of-text token has the highest number
    tokens = tokens.where(torch.arange(tokens.shape[1]) <= ends[:, None], 0)  # what follows must not even order them
    order = torch.from_numpy(np.lexsort(tokens[:, : int(ends.max()) + 1].numpy().T[::-1]))
    trees = lay_out(tokens[order], ends[order], padded)
    count, places = trees.tokens.shape
    size = ROWS_PER_GROUP if device.type == "cpu" and not padded else count
    groups = [
        Trees(*parts, trees.ends[trees.ends // (size * places) == number] - number * size * places)
        for number, parts in enumerate(zip(*(part.split(size) for part in trees[:-1]), strict=True))
    ]
    return order.argsort(), groups


def encode_planned(model: CLIP, order: Tensor, groups: list[Trees]) -> Tensor:
    """Return the features (m, d) of the captions of a plan of `plan_texts`, on the device of the model."""
    device = model.text_projection.device
    groups = [Trees(*(part.to(device, non_blocking=True) for part in group)) for group in groups]
    # Looked up once for all groups: the gradient of the lookup is as large as the vocabulary.
    tokens = torch.cat([group.tokens.flatten() for group in groups])
    embedded = model.token_embedding.weight.index_select(0, tokens).split([group.tokens.numel() for group in groups])
    with fused_activations(model.transformer):
        features = [_encode_group(model, x, group) for x, group in zip(embedded, groups, strict=True)]
    return torch.cat(features).index_select(0, order.to(device))


def encode_text(model: CLIP, tokens: Tensor) -> Tensor:
    """Return the text features of tokenized captions, not normalised, as a Tensor of shape (m, d).

    `tokens` (m, 77), int64, come from `tokenize`; best on the CPU, where the rows are planned. `model` is any
    `clip.model.CLIP` on any device; gradients flow to its text tower.
    """
    return encode_planned(model, *plan_texts(tokens, model.text_projection.device))


def _encode_group(model: CLIP, embedded: Tensor, trees: Trees) -> Tensor:
    x = embedded + model.positional_embedding.index_select(0, trees.positions.flatten())  # (r t, width)
    x = x.unflatten(0, trees.tokens.shape)
    place = torch.arange(x.shape[1], device=x.device)
    seen = (place <= place[:, None]) & (place[:, None] <= trees.last[:, None])  # (r, t, t): which place sees which
    mask = x.new_zeros(seen.shape).masked_fill(~seen, -torch.inf)[:, None]
    *blocks, last = model.transformer.resblocks
    for block in blocks:
        x = x + block.attn.out_proj(_attend(block, x, mask))
        x = x + block.mlp(block.ln_2(x))
    x, attended = (rows.flatten(0, 1).index_select(0, trees.ends) for rows in (x, _attend(last, x, mask)))  # (m, width)
    x = x + last.attn.out_proj(attended)
    x = x + last.mlp(last.ln_2(x))
    return model.ln_final(x) @ model.text_projection


def _attend(block: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    """Return the attention of x (r, t, width) before the output projection; `mask` (r, 1, t, t) is added to scores."""
    rows = functional.linear(block.ln_1(x), block.attn.in_proj_weight, block.attn.in_proj_bias)  # (r, t, 3 width)
    queries, keys, values = rows.unflatten(2, (3, block.attn.num_heads, -1)).unbind(2)  # (r, t, heads, width / heads)
    rows = [part.transpose(1, 2) for part in (queries, keys, values)]
    return functional.scaled_dot_product_attention(*rows, attn_mask=mask).transpose(1, 2).flatten(2)


@torch.no_grad()
def encode_tokens(model: CLIP, tokens: Tensor) -> Tensor:
    """Return the L2-normalised features (m, d), on the CPU, of tokenized captions (m, 77): in fp32.

    Of a model in half precision they are in half precision, and from CLIP's own ``encode_text``, as published.
    """
    if model.dtype == torch.float16:
        device = model.text_projection.device
        parts = (model.encode_text(batch.to(device)) for batch in tokens.split(CAPTIONS_IN_HALF))
    else:
        parts = (encode_text(model, batch) for batch in tokens.split(CAPTIONS_PER_BATCH))
    return torch.cat([unit_rows(model, part).cpu() for part in parts])


def encode_captions(model: CLIP, captions: list[str], cut: bool = False) -> Tensor:
    """Return the features of `encode_tokens` of m captions; those that CLIP reads alike are encoded once.

    `cut` is `tokenize`'s.
    """
    distinct = sorted(set(captions))
    tokens, rows = tokenize(distinct, cut).unique(dim=0, return_inverse=True)  # "A dog" and "a dog" are one
    row_of = dict(zip(distinct, rows.tolist(), strict=True))
    return encode_tokens(model, tokens)[torch.tensor([row_of[caption] for caption in captions], dtype=torch.long)]
