"""Read what others saved with ``torch.save``, without ever running code that the file may hold."""

from pathlib import Path

import torch


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
