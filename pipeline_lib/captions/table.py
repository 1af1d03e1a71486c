"""The negation table: its columns, and what every backend puts into them in the same way.

Input: rows of a captions file. Output: rows of the table with key, caption and provenance filled in, to be completed
by a backend (`rules.RuleBackend`, `chat.ChatBackend`).
"""

import hashlib
import random

import pyarrow as pa

from pipeline_lib.formats.cc3m import Row
from pipeline_lib.jobs.code_version import code_version

MODULE = "pipeline_lib.captions.negate"  # which makes the table
NEGATION_WORDS = ("no", "not", "without")

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("caption", pa.string()),
        ("subject", pa.string()),
        ("pairs", pa.list_(pa.struct([("predicate", pa.string()), ("object", pa.string())]))),
        ("chosen_pair", pa.int32()),
        ("negation_word", pa.string()),
        ("negated_caption", pa.string()),
        ("exclusion_caption", pa.string()),
        ("object", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("backend", pa.string()),
        ("model", pa.string()),
        ("rule", pa.string()),
        ("prompt", pa.string()),
        ("code", pa.string()),
        ("seed", pa.int64()),
    ]
)


def blank_row(row: Row, backend: str, seed: int, model: str | None = None, prompt: str | None = None) -> dict:
    """Return the row of a caption that has no negated caption yet: refused, without a reason.

    Parameters
    ----------
    row : Row
        Of the captions file.
    backend : str
        What makes the sentences, and with which spaCy pipeline, such as ``"rules:lexicon"``.
    seed : int
        Seed of every choice, together with the row's key.
    model, prompt : str, optional
        Name of the language model and hash of its prompts, where there is one.
    """
    result = dict.fromkeys(SCHEMA.names)
    result.update(key=row.key, caption=row.caption, pairs=[], chosen_pair=-1, status="refused")
    result.update(backend=backend, model=model, prompt=prompt, code=code_version(MODULE), seed=seed)
    return result


def choices(seed: int, key: str) -> random.Random:
    """Return the random numbers that decide on one caption, whatever the order, the part or the worker."""
    return random.Random(int.from_bytes(hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=8).digest()))


def random_order(count: int, choice: random.Random) -> list[int]:
    """Return ``0 .. count - 1`` in a random order."""
    return sorted(range(count), key=lambda _: choice.random())
