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
3. The feature is read at one position: the last block needs keys and values of every state, but queries, projection
   and perceptron of the end-of-text states only.

So everything but attention works on a matrix with one row per distinct prefix. Attention works on captions by
positions, padded to the longest caption; that padding costs about a hundredth of the work at such lengths.

What is planned on the CPU (`plan_texts`) and what a device computes (`encode_planned`) are two steps. A GPU that is to
repeat recorded work needs the same shapes again: there a plan is padded to one of a few sizes, with rows that nothing
reads and whose gradient therefore is zero.

Rows are picked by ``index_select``, whose gradient adds in a fixed order on a CPU; with several threads ``x[rows]``
adds in any order, and on a GPU it sorts first.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline_lib.clip.load import CLIP
from pipeline_lib.clip.tokenizer import tokenize
from pipeline_lib.clip.variants import unit_rows

CAPTIONS_PER_GROUP = 64  # on a CPU: activations that fit its caches are worth more than larger matrix products
CAPTIONS_PER_BATCH = 4096  # without gradients; bounds memory
CAPTIONS_IN_HALF = 512  # the same for a model in half precision, with padding
POSITIONS_STEP = 16  # to which the length of a padded plan is rounded up


class Prefixes(NamedTuple):
    """The distinct prefixes of captions, numbered from 0; n of m captions, the longest of t tokens.

    Attributes
    ----------
    tokens, positions : Tensor of shape (n,)
        Last token of each prefix, and its position in the caption.
    numbers, places : Tensor of shape (p,)
        The prefix that each caption has reached at each of its positions, caption after caption, and where that stands
        among all m t places of captions by positions; p is the sum of the captions' lengths.
    first : Tensor of shape (n,)
        The place where each prefix is first met.
    ends : Tensor of shape (m,)
        The prefix that is the whole caption.
    inside : Tensor of shape (m, t), bool
        Which places are not after the end-of-text token.
    """

    tokens: Tensor
    positions: Tensor
    numbers: Tensor
    places: Tensor
    first: Tensor
    ends: Tensor
    inside: Tensor


def find_prefixes(tokens: Tensor, ends: Tensor, padded: bool = False) -> Prefixes:
    """Number the distinct prefixes of captions.

    `tokens` (m, 77), int64, are in lexicographic order, so that captions that begin alike are neighbours; `ends` (m,)
    are the positions of the end-of-text tokens. If `padded`, n, p and t are rounded up (`room`): nothing reads the
    further prefixes, and the further places are one after an end-of-text token.
    """
    longest = int(ends.max()) + 1
    rows, positions = tokens[:, :longest].numpy(), np.arange(longest)
    inside = positions <= ends.numpy()[:, None]  # (m, t)
    # From the first difference to the caption before on, a caption's prefixes are new.
    differs = np.ones_like(inside)
    differs[1:] = np.logical_or.accumulate(rows[1:] != rows[:-1], axis=1)
    new = differs & inside
    numbers = np.where(new, np.cumsum(new).reshape(new.shape) - 1, 0)
    # A prefix that is not new is the one of the caption before, which has the highest number in its column so far.
    paths = np.maximum.accumulate(numbers, axis=0)
    columns = -(-(longest + 1) // POSITIONS_STEP) * POSITIONS_STEP if padded else longest
    room_inside = np.pad(inside, ((0, 0), (0, columns - longest)))
    places = np.flatnonzero(room_inside)
    more, more_places = (room(count) - count if padded else 0 for count in (int(new.sum()), len(places)))
    found = Prefixes(
        tokens=np.pad(rows[new], (0, more)),
        positions=np.pad(np.broadcast_to(positions, new.shape)[new], (0, more)),
        numbers=np.pad(paths[inside], (0, more_places)),
        places=np.pad(places, (0, more_places), constant_values=room_inside.size - 1),
        first=np.pad(places[new[inside]], (0, more)),
        ends=paths[np.arange(len(paths)), ends.numpy()],
        inside=room_inside,
    )
    return Prefixes(*map(torch.from_numpy, found))


def room(count: int) -> int:
    """Return the next of four sizes per power of two: few sizes, at most a quarter of them empty."""
    step = 1 << max(0, (count - 1).bit_length() - 3)
    return -(-count // step) * step


def plan_texts(tokens: Tensor, device: torch.device, padded: bool = False) -> tuple[Tensor, list[Prefixes]]:
    """Return how to encode tokenized captions (m, 77) on a device: in one group on a GPU, or if `padded`.

    The row among those of all groups that each caption has (m,), and the prefixes of each group (`find_prefixes`).
    """
    tokens = tokens.cpu()
    ends = tokens.argmax(dim=-1)  # the end-of-text token has the highest number
    tokens = tokens.where(torch.arange(tokens.shape[1]) <= ends[:, None], 0)  # what follows must not even order them
    order = torch.from_numpy(np.lexsort(tokens[:, : int(ends.max()) + 1].numpy().T[::-1]))
    size = CAPTIONS_PER_GROUP if device.type == "cpu" and not padded else len(order)
    groups = [find_prefixes(tokens[rows], ends[rows], padded) for rows in order.split(size)]
    return order.argsort(), groups


def encode_planned(model: CLIP, rows: Tensor, groups: list[Prefixes]) -> Tensor:
    """Return the features (m, d) of the captions of a plan of `plan_texts`, on the device of the model."""
    device = model.text_projection.device
    groups = [Prefixes(*(part.to(device, non_blocking=True) for part in group)) for group in groups]
    # Looked up once for all groups: the gradient of the lookup is as large as the vocabulary.
    embedded = model.token_embedding.weight.index_select(0, torch.cat([group.tokens for group in groups]))  # (n, width)
    states = embedded.split([len(group.tokens) for group in groups])
    features = [_encode_group(model, x, group) for x, group in zip(states, groups, strict=True)]
    return torch.cat(features).index_select(0, rows.to(device))


def encode_text(model: CLIP, tokens: Tensor) -> Tensor:
    """Return the text features of tokenized captions, not normalised, as a Tensor of shape (m, d).

    `tokens` (m, 77), int64, come from `tokenize`; best on the CPU, where the prefixes are found. `model` is any
    `clip.model.CLIP` on any device; gradients flow to its text tower.
    """
    return encode_planned(model, *plan_texts(tokens, model.text_projection.device))


def _encode_group(model: CLIP, embedded: Tensor, prefixes: Prefixes) -> Tensor:
    x = embedded + model.positional_embedding.index_select(0, prefixes.positions)  # (n, width)
    *blocks, last = model.transformer.resblocks
    for block in blocks:
        x = x + block.attn.out_proj(_attend(block, x, prefixes))
        x = x + block.mlp(block.ln_2(x))
    x = x.index_select(0, prefixes.ends) + last.attn.out_proj(_attend_from_ends(last, x, prefixes))  # (m, width)
    x = x + last.mlp(last.ln_2(x))
    return model.ln_final(x) @ model.text_projection


def _by_caption(rows: Tensor, prefixes: Prefixes) -> Tensor:
    """Return the rows (n, k) of prefixes where captions reach them, as a Tensor of shape (m, t, k), zero elsewhere."""
    along = rows.index_select(0, prefixes.numbers)  # (p, k)
    places = rows.new_zeros(prefixes.inside.numel(), rows.shape[1])
    return places.index_copy(0, prefixes.places, along).unflatten(0, prefixes.inside.shape)


def _attend(block: nn.Module, x: Tensor, prefixes: Prefixes) -> Tensor:
    """Return each prefix's causal attention before the output projection, as a Tensor of shape (n, width)."""
    rows = functional.linear(block.ln_1(x), block.attn.in_proj_weight, block.attn.in_proj_bias)  # (n, 3 width)
    along = _by_caption(rows, prefixes).unflatten(2, (3, block.attn.num_heads, -1))
    queries, keys, values = along.permute(2, 0, 3, 1, 4)  # (m, heads, t, width / heads) each
    attended = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
    return attended.transpose(1, 2).reshape(prefixes.inside.numel(), -1).index_select(0, prefixes.first)


def _attend_from_ends(block: nn.Module, x: Tensor, prefixes: Prefixes) -> Tensor:
    """Return the attention of the end-of-text states only, as a Tensor of shape (m, width)."""
    heads, width = block.attn.num_heads, x.shape[1]
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    normed = block.ln_1(x)
    queries = functional.linear(normed.index_select(0, prefixes.ends), weight[:width], bias[:width])
    along = _by_caption(functional.linear(normed, weight[width:], bias[width:]), prefixes)
    keys, values = along.unflatten(2, (2, heads, -1)).permute(2, 0, 3, 1, 4)  # (m, heads, t, width / heads) each
    queries = queries.view(len(queries), heads, 1, -1)
    inside = prefixes.inside[:, None, None]
    attended = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=inside)
    return attended.reshape(len(queries), width)


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
