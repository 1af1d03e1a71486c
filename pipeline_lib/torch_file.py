"""Files of ``torch.save``: ours written atomically, those of others read without running code that they may hold."""

import zipfile
from pathlib import Path

import torch

from pipeline_lib.files import atomic


def save_torch(path: str | Path, content: object) -> None:
    """Write `content` with ``torch.save``, atomically, for ``torch.load(weights_only=True)`` to read.

    Raises
    ------
    OSError
        As `pipeline_lib.files.atomic`.
    """
    # Given a path, torch writes past Python, and of a full disk says nothing but that a position is unexpected.
    with atomic(path) as aside, open(aside, "wb") as file:
        torch.save(content, file)


def check_zip(path: str | Path) -> None:
    """Compare the content of a file of `save_torch` with its checksums, which torch writes but does not read.

    Raises
    ------
    ValueError, zipfile.BadZipFile
        If it is another, or the file no whole zip.
    """
    with zipfile.ZipFile(path) as content:
        if (broken := content.testzip()) is not None:
            raise ValueError(f"{broken} in it is not what was written, by its checksum")


def load_plain(path: str | Path, expected: str) -> object:
    """Return the content of a torch-saved file of numbers, texts, lists, dictionaries and tensors.

    Parameters
    ----------
    path : str or Path
        The file.
    expected : str
        What it should hold, for messages.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, of another kind, or holds a pickle of anything else, which is never loaded.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; expected {expected}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen unrelated types for a damaged or foreign file
        raise ValueError(
            f"{path}: expected {expected}, saved by torch without any code in it; found {error!r:.300}. "
            "Compare its size and hash with the published file, and get it again"
        ) from error
