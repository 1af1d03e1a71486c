"""Files of ``torch.save``: ours, written atomically and read back; plain ones of others, of which nothing is run."""

import zipfile
from pathlib import Path

import torch

from pipeline_lib.clip.inert import opened
from pipeline_lib.jobs.files import atomic
from pipeline_lib.jobs.memory_limit import SPARE_BYTES, spare_memory

COPIES = 4  # of a file's bytes: the most that reading it and building its model takes


def save_torch(path: str | Path, content: object) -> None:
    """Write `content` with ``torch.save``, atomically, for ``torch.load(weights_only=True)`` to read."""
    # Given a path, torch writes by itself, and its error for a full disk only names an unexpected position.
    with atomic(path) as aside, open(aside, "wb") as file:
        torch.save(content, file)


def check_zip(path: str | Path) -> None:
    """Compare the content of a file of `save_torch` with its checksums, which torch writes but does not read."""
    with zipfile.ZipFile(path) as content:
        if (broken := content.testzip()) is not None:
            raise ValueError(f"{broken} in it is not what was written, by its checksum")


def load_weights_only(path: str | Path) -> object:
    """Return the content of a file of `save_torch`: the one place of this package that calls ``torch.load``.

    Only tensors, numbers, texts, lists and dictionaries are rebuilt; anything else is never loaded
    (`pickle.UnpicklingError`). A damaged or foreign file, and one that asks for much more memory than it has bytes,
    raise any of a dozen unrelated types.
    """
    with memory_for(path):
        return torch.load(path, map_location="cpu", weights_only=True)


def memory_for(path: str | Path):
    """Return a context that lets this process take as much memory as the weights in a file or folder may need."""
    path = Path(path)
    files = [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]
    return spare_memory(COPIES * sum(file.stat().st_size for file in files) + SPARE_BYTES)


def load_plain(path: str | Path, expected: str) -> object:
    """Return the content of a published file of plain values; `expected` names it in messages.

    What is not plain comes as a `StandIn`, a tensor as a `Stored`.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; expected {expected}")
    try:
        with memory_for(path), opened(path) as content:
            return content
    except ValueError as error:
        raise ValueError(f"{path}: expected {expected}, found {error}") from error
