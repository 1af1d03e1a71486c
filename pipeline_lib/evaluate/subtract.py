"""Score captions by subtraction: no training, for any CLIP.

A caption is split into the text A that it affirms and the phrases N_1, ..., N_k that it denies
(`pipeline_lib.evaluate.split`). With the text tower's normalised features e and a weight λ its feature is::

    normalise(e(A) - λ (1/k) sum_j e(N_j))          e(caption), where it denies nothing

So "no dog" moves a caption away from dogs, where CLIP moves it towards them. Captions without negation keep their
feature, and with it every number that needs no negation, such as zero-shot accuracy under the plain prompt.

λ is one number for all models and benchmarks, chosen on none of them (docs/tables.md).
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.clip.load import CLIP
from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.evaluate.split import split


def encode(model: CLIP, captions: list[str], subtract: float | None = None, cut: bool = False) -> Tensor:
    """Return the features (m, d) of m captions, L2-normalised and on the CPU, in the precision of `encode_captions`.

    By subtraction with the weight `subtract`, or as the text tower has them where it is None. `cut` is `tokenize`'s.
    """

    def read(texts: list[str]) -> Tensor:
        return encode_captions(model, texts, cut)

    return read(captions) if subtract is None else encode_split(read, captions, subtract)


def encode_split(read: Callable[[list[str]], Tensor], captions: list[str], weight: float) -> Tensor:
    """Return the features (m, d) of m captions by subtraction, where `read` returns those of texts, L2-normalised."""
    said = {caption: split(caption) for caption in captions}
    texts = list({text: None for affirmed, denied in said.values() for text in (affirmed, *denied)})
    found = dict(zip(texts, read(texts), strict=True))
    features = {
        caption: _subtracted(found[affirmed], [found[text] for text in denied], weight) if denied else found[affirmed]
        for caption, (affirmed, denied) in said.items()
    }
    return torch.stack([features[caption] for caption in captions])


def _subtracted(affirmed: Tensor, denied: list[Tensor], weight: float) -> Tensor:
    difference = affirmed.float() - weight * torch.stack(denied).float().mean(dim=0)
    return functional.normalize(difference, dim=0).to(affirmed.dtype)
