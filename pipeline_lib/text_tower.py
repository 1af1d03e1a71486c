"""CLIP's text tower on real tokens only: the same numbers as ``model.encode_text`` in a fraction of the time.

CLIP pads every caption to 77 tokens and takes the feature at the end-of-text token. Attention is causal, so no position
sees a later one, and what stands after the end-of-text token can reach neither the feature nor its gradient: a batch
may be cut to its longest caption. Only the order of floating-point sums changes.
"""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.clip_door import CLIP, tokenize

CAPTIONS_PER_BATCH = 256  # a memory bound; the features do not depend on it beyond rounding


def encode_text(model: CLIP, tokens: Tensor) -> Tensor:
    """Encode tokenized captions, cut to the longest of the batch.

    Parameters
    ----------
    model : CLIP
        Any `clip.model.CLIP`; gradients flow to its text tower.
    tokens : Tensor of shape (m, 77), int64
        As `pipeline_lib.clip_door.tokenize` gives them.

    Returns
    -------
    Tensor of shape (m, d)
        Text features, not normalised.
    """
    end = tokens.argmax(dim=-1)  # the end-of-text token has the highest number
    length = int(end.max()) + 1
    tokens = tokens[:, :length]
    x = model.token_embedding(tokens) + model.positional_embedding[:length]  # (m, length, width)
    x = x.permute(1, 0, 2)  # (length, m, width), as the blocks expect
    mask = model.build_attention_mask()[:length, :length].to(x.device, x.dtype)
    for block in model.transformer.resblocks:
        normed = block.ln_1(x)
        x = x + block.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        x = x + block.mlp(block.ln_2(x))
    # Only one position per caption is needed from here on.
    pooled = x[end, torch.arange(x.shape[1], device=x.device)]  # (m, width)
    return model.ln_final(pooled) @ model.text_projection


@torch.no_grad()
def encode_captions(model: CLIP, captions: list[str]) -> Tensor:
    """Return the normalised features of captions, each distinct caption encoded once.

    Parameters
    ----------
    model : CLIP
        Its text tower is used.
    captions : list of str
        m captions, in any order, with repetitions.

    Returns
    -------
    Tensor of shape (m, d)
        L2-normalised features, fp32.

    Raises
    ------
    ValueError
        If a caption does not fit into CLIP's 77 tokens.
    """
    distinct = sorted(set(captions))
    tokens = tokenize(distinct)  # (distinct, 77)
    lengths = tokens.argmax(dim=-1)
    features = torch.empty(len(distinct), model.text_projection.shape[1])
    # Captions of equal length go together, so that little is computed for padding.
    for batch in lengths.argsort(stable=True).split(CAPTIONS_PER_BATCH):
        encoded = encode_text(model, tokens[batch].to(model.text_projection.device))
        features[batch] = functional.normalize(encoded.float(), dim=-1).cpu()
    place = {caption: number for number, caption in enumerate(distinct)}
    return features[torch.tensor([place[caption] for caption in captions], dtype=torch.long)]
