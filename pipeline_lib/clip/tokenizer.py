"""CLIP's tokenizer: byte pairs, each word encoded once, and whether a caption fits into CLIP's 77 tokens.

Of the `clip` package this needs only ``simple_tokenizer.py``, loaded by its path: importing the package would load
torch and torchvision too. `tokenize` imports torch itself.
"""

import importlib.util
import sys
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

CONTEXT_LENGTH = 77  # tokens of a caption, with start and end
START_TOKEN, END_TOKEN = 49406, 49407  # the two highest of the vocabulary


@cache
def simple_tokenizer():
    """Return the `SimpleTokenizer` of the `clip` package: the package's own where it is imported already."""
    if "clip" in sys.modules:
        return sys.modules["clip"].clip._tokenizer
    folder = Path(importlib.util.find_spec("clip").submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("clip_simple_tokenizer", folder / "simple_tokenizer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SimpleTokenizer()


def encode(text: str) -> list[int]:
    """Return the token numbers of a text of any length, without start and end: ``SimpleTokenizer.encode(text)``."""
    # CLIP repairs broken Unicode and HTML entities over the whole text; in plain text no token goes across a space.
    if text.isascii() and text.isprintable() and "&" not in text:
        return [number for word in text.lower().split() for number in _encode_word(word)]
    return simple_tokenizer().encode(text)


@lru_cache(maxsize=1 << 18)  # captions repeat their words, and encoding one is slow
def _encode_word(word: str) -> tuple[int, ...]:
    tokenizer = simple_tokenizer()
    pieces = tokenizer.pat.findall(word)  # in the alphabet of the pairs ASCII is itself
    return tuple(tokenizer.encoder[pair] for piece in pieces for pair in tokenizer.bpe(piece).split(" "))


def fits_clip(text: str) -> bool:
    """Return whether ``clip.tokenize`` takes `text`: it has at most 75 tokens, start and end left out."""
    longest = CONTEXT_LENGTH - 2
    # A token covers at least one byte and no spaces, so most captions need not be encoded.
    return len("".join(text.split()).encode()) <= longest or len(encode(text)) <= longest


def tokenize(captions: list[str], cut: bool = False) -> "Tensor":
    """Return what ``clip.tokenize(captions)`` returns, (m, 77), int64: start token, the caption, end token, zeros.

    A caption that is too long is a `ValueError` that quotes it; with `cut` it is cut, and how many were is printed.
    """
    import torch

    too_long = 0
    tokens = np.zeros((len(captions), CONTEXT_LENGTH), dtype=np.int64)
    for row, caption in zip(tokens, captions, strict=True):
        numbers = [START_TOKEN, *encode(caption), END_TOKEN]
        if len(numbers) > CONTEXT_LENGTH and cut:
            too_long += 1
            numbers = [*numbers[: CONTEXT_LENGTH - 1], END_TOKEN]
        elif len(numbers) > CONTEXT_LENGTH:
            raise ValueError(
                f"a caption must fit into {CONTEXT_LENGTH} tokens, but this one takes {len(numbers)}: {caption:.500}"
            )
        row[: len(numbers)] = numbers
    if too_long:
        print(f"{too_long:,} of {len(captions):,} captions are cut to CLIP's {CONTEXT_LENGTH} tokens")
    return torch.from_numpy(tokens)
