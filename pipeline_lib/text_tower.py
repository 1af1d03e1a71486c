"""CLIP's text tower on real tokens only: the same numbers as ``model.encode_text`` in a fraction of the time.

CLIP pads every caption to 77 tokens and takes the feature at the end-of-text token. Attention is causal, so no position
sees a later one, and what stands after the end-of-text token can reach neither the feature nor its gradient: a batch
may be cut to its longest caption. Only the order of floating-point sums changes.
"""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.clip_door import CLIP, tokenize

CAPTIONS_PER_GROUP = 32  # fewer pad less, more make better use of matrix products; 32 was fastest on CPU
CAPTIONS_PER_BATCH = 1024  # without gradients; bounds memory


def encode_text(model: CLIP, tokens: Tensor) -> Tensor:
    """Encode tokenized captions, in groups of similar length, each cut to its longest caption.

    Parameters
    ----------
    model : CLIP
        Any `clip.model.CLIP`; gradients flow to its text tower.
    tokens : Tensor of shape (m, 77), int64
        As `pipeline_lib.clip_door.tokenize` gives them.

    Returns
    -------
    Tensor of shape (m, d)
        Text features, not normalised, in the order of `tokens`.
    """
    end = tokens.argmax(dim=-1)  # the end-of-text token has the highest number
    order = end.argsort(stable=True)
    # Looked up once for all groups: the gradient of the lookup is as large as the vocabulary.
    embedded = model.token_embedding(tokens[order, : int(end.max()) + 1])  # (m, longest, width)
    groups = zip(embedded.split(CAPTIONS_PER_GROUP), end[order].split(CAPTIONS_PER_GROUP), strict=True)
    features = torch.cat([_encode_group(model, *group) for group in groups])
    return features[order.argsort()]


def _encode_group(model: CLIP, embedded: Tensor, end: Tensor) -> Tensor:
    length = int(end.max()) + 1
    x = embedded[:, :length] + model.positional_embedding[:length]  # (m, length, width)
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
    device = model.text_projection.device
    features = torch.cat(
        [
            functional.normalize(encode_text(model, batch.to(device)).float(), dim=-1).cpu()
            for batch in tokens.split(CAPTIONS_PER_BATCH)
        ]
    )
    place = {caption: number for number, caption in enumerate(distinct)}
    return features[torch.tensor([place[caption] for caption in captions], dtype=torch.long)]
