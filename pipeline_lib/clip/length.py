"""Decide whether a text fits CLIP's 77 tokens, exactly, without paying for CLIP.

Every token stands for one byte at least and none for a space, so a text of at most 75 bytes without its spaces fits
(start and end take two places); only a longer one is encoded with CLIP's own byte-pair encoding. That file of the
``clip`` package is loaded by its path: importing the package would load torch, torchvision and the network as well.
"""

import importlib.util
from functools import cache
from pathlib import Path

from pipeline_lib.clip.byte_pairs import encode

MAX_TOKENS = 75


@cache
def _tokenizer():
    folder = Path(importlib.util.find_spec("clip").submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("clip_simple_tokenizer", folder / "simple_tokenizer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SimpleTokenizer()


def count_tokens(text: str) -> int:
    """Return how many tokens CLIP makes of `text`, without start and end."""
    return len(encode(_tokenizer(), text))


def fits_clip(text: str) -> bool:
    """Whether `text` is at most 75 tokens long, so that ``clip.tokenize`` takes it."""
    return len("".join(text.split()).encode()) <= MAX_TOKENS or count_tokens(text) <= MAX_TOKENS
