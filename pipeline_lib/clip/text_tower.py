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

So everything but attention works on a matrix with one row per distinct prefix. Attention picks its rows by number
(`Prefixes.paths`), padded to the longest caption; that padding costs about a hundredth of the work at such lengths. On
a GPU in half precision torch has an attention kernel for sequences of unequal length, and nothing is padded at all.

Rows are picked by ``index_select``, whose gradient adds in a fixed order on a CPU; with several threads ``x[rows]``
adds in any order.
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
CAUSAL, EVERYTHING = (-1, 0), (-1, -1)  # attention windows, to the left and to the right; -1 is no limit


class Prefixes(NamedTuple):
    """The distinct prefixes of captions, numbered from 0; n of m captions, the longest of t tokens.

    Attributes
    ----------
    tokens, positions : Tensor of shape (n,)
        Last token of each prefix, and its position in the caption.
    paths : Tensor of shape (m, t)
        The prefix that each caption has reached at each position; 0 after its end-of-text token.
    first : Tensor of shape (n,)
        Where each prefix is first met in ``paths.flatten()``.
    ends : Tensor of shape (m,)
        Position of each caption's end-of-text token.
    packed, first_packed : Tensor of shape (p,), (n,)
        The same as `paths` and `first` without the places after the end-of-text tokens; p = sum of (ends + 1).
    starts : Tensor of shape (m + 1,), int32
        Where each caption starts in `packed`, and p.
    """

    tokens: Tensor
    positions: Tensor
    paths: Tensor
    first: Tensor
    ends: Tensor
    packed: Tensor
    first_packed: Tensor
    starts: Tensor


def find_prefixes(tokens: Tensor, ends: Tensor) -> Prefixes:
    """Number the distinct prefixes of captions.

    `tokens` (m, 77), int64, are in lexicographic order, so that captions that begin alike are neighbours; `ends` (m,)
    are the positions of the end-of-text tokens.
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
    paths = np.where(inside, np.maximum.accumulate(numbers, axis=0), 0)
    starts = np.concatenate([[0], np.cumsum(inside.sum(axis=1))]).astype(np.int32)
    return Prefixes(
        tokens=torch.from_numpy(rows[new]),
        positions=torch.from_numpy(np.broadcast_to(positions, new.shape)[new]),
        paths=torch.from_numpy(paths),
        first=torch.from_numpy(np.flatnonzero(new)),
        ends=ends,
        packed=torch.from_numpy(paths[inside]),
        first_packed=torch.from_numpy(np.flatnonzero(new[inside])),
        starts=torch.from_numpy(starts),
    )


def _attend_unpadded(queries, keys, values, query_starts, key_starts, longest_query, longest_key, window) -> Tensor:
    # Imported here because the import takes a second, which every job without a GPU would pay too.
    from torch.nn.attention.varlen import varlen_attn

    return varlen_attn(queries, keys, values, query_starts, key_starts, longest_query, longest_key, window_size=window)


def _varies(rows: Tensor) -> bool:
    """Return whether torch has a kernel for sequences of unequal length for this device and precision."""
    return rows.is_cuda and rows.dtype in (torch.float16, torch.bfloat16)


def encode_text(model: CLIP, tokens: Tensor) -> Tensor:
    """Return the text features of tokenized captions, not normalised, as a Tensor of shape (m, d).

    `tokens` (m, 77), int64, come from `tokenize`; best on the CPU, where the prefixes are found. `model` is any
    `clip.model.CLIP` on any device; gradients flow to its text tower.
    """
    device = model.text_projection.device
    tokens = tokens.cpu()
    ends = tokens.argmax(dim=-1)  # the end-of-text token has the highest number
    tokens = tokens.where(torch.arange(tokens.shape[1]) <= ends[:, None], 0)  # what follows must not even order them
    order = torch.from_numpy(np.lexsort(tokens[:, : int(ends.max()) + 1].numpy().T[::-1]))
    size = CAPTIONS_PER_GROUP if device.type == "cpu" else len(order)
    groups = [find_prefixes(tokens[rows], ends[rows]) for rows in order.split(size)]
    # Looked up once for all groups: the gradient of the lookup is as large as the vocabulary.
    embedded = model.token_embedding(torch.cat([group.tokens for group in groups]).to(device))  # (n, width)
    states = embedded.split([len(group.tokens) for group in groups])
    features = [
        _encode_group(model, x, Prefixes(*(part.to(device, non_blocking=True) for part in group)))
        for x, group in zip(states, groups, strict=True)
    ]
    return torch.cat(features)[order.argsort().to(device)]


def _encode_group(model: CLIP, embedded: Tensor, prefixes: Prefixes) -> Tensor:
    x = embedded + model.positional_embedding[prefixes.positions]  # (n, width)
    *blocks, last = model.transformer.resblocks
    for block in blocks:
        x = x + block.attn.out_proj(_attend(block, x, prefixes))
        x = x + block.mlp(block.ln_2(x))
    captions = torch.arange(len(prefixes.ends), device=x.device)
    at_end = prefixes.paths[captions, prefixes.ends]  # (m,)
    x = x.index_select(0, at_end) + last.attn.out_proj(_attend_from_ends(last, x, at_end, prefixes))  # (m, width)
    x = x + last.mlp(last.ln_2(x))
    return model.ln_final(x) @ model.text_projection


def _attend(block: nn.Module, x: Tensor, prefixes: Prefixes) -> Tensor:
    """Return each prefix's causal attention before the output projection, as a Tensor of shape (n, width)."""
    heads = block.attn.num_heads
    rows = functional.linear(block.ln_1(x), block.attn.in_proj_weight, block.attn.in_proj_bias)  # (n, 3 width)
    m, longest = prefixes.paths.shape
    if _varies(rows):
        along = rows.index_select(0, prefixes.packed).view(len(prefixes.packed), 3, heads, -1)
        queries, keys, values = along.unbind(dim=1)  # (p, heads, width / heads) each
        starts = prefixes.starts
        attended = _attend_unpadded(queries, keys, values, starts, starts, longest, longest, CAUSAL)
        return attended.flatten(1).index_select(0, prefixes.first_packed)
    along = rows.index_select(0, prefixes.paths.flatten()).view(m, longest, 3, heads, -1)
    queries, keys, values = along.permute(2, 0, 3, 1, 4)  # (m, heads, t, width / heads) each
    attended = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
    return attended.transpose(1, 2).reshape(m * longest, -1).index_select(0, prefixes.first)


def _attend_from_ends(block: nn.Module, x: Tensor, at_end: Tensor, prefixes: Prefixes) -> Tensor:
    """Return the attention of the end-of-text states only, as a Tensor of shape (m, width)."""
    heads, width = block.attn.num_heads, x.shape[1]
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    normed = block.ln_1(x)
    m, longest = prefixes.paths.shape
    queries = functional.linear(normed.index_select(0, at_end), weight[:width], bias[:width]).view(m, heads, 1, -1)
    rows = functional.linear(normed, weight[width:], bias[width:])  # (n, 2 width)
    if _varies(rows):
        keys, values = rows.index_select(0, prefixes.packed).view(len(prefixes.packed), 2, heads, -1).unbind(dim=1)
        each = torch.arange(m + 1, device=x.device, dtype=torch.int32)  # one query per caption
        queries = queries.squeeze(2)
        return _attend_unpadded(queries, keys, values, each, prefixes.starts, 1, longest, EVERYTHING).flatten(1)
    along = rows.index_select(0, prefixes.paths.flatten()).view(m, longest, 2, heads, -1)
    keys, values = along.permute(2, 0, 3, 1, 4)  # (m, heads, t, width / heads) each
    inside = torch.arange(longest, device=x.device) <= prefixes.ends[:, None]  # (m, t)
    attended = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=inside[:, None, None])
    return attended.reshape(m, width)


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
    """Return the features of `encode_tokens` of m captions; each distinct one is encoded once.

    `cut` is `tokenize`'s.
    """
    distinct = sorted(set(captions))
    features = encode_tokens(model, tokenize(distinct, cut))  # (distinct, d)
    place = {caption: number for number, caption in enumerate(distinct)}
    return features[torch.tensor([place[caption] for caption in captions], dtype=torch.long)]
