"""Decide whether a text fits CLIP's 77 tokens, exactly, without paying for CLIP.

Every token stands for one byte at least, so a text of at most 75 bytes fits (start and end take two places); only a
longer one is encoded with CLIP's own byte-pair encoding. That file of the ``clip`` package is loaded by its path:
importing the package would load torchvision and the network as well.
"""

import importlib.util
from functools import cache
from pathlib import Path

MAX_TOKENS = 75


@cache
def _encode():
    folder = Path(importlib.util.find_spec("clip").submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("clip_simple_tokenizer", folder / "simple_tokenizer.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SimpleTokenizer().encode


def fits_clip(text: str) -> bool:
    """Whether `text` is at most 75 tokens long, so that ``clip.tokenize`` takes it."""
    return len(text.encode()) <= MAX_TOKENS or len(_encode()(text)) <= MAX_TOKENS
