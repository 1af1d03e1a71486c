"""What CIFAR-10 and CIFAR-100 share: a batch of small images in a Python pickle, read without running it.

The unpickler can rebuild texts, lists and dictionaries, and what a pickle says of an array, and nothing else: of what a
forged file names, not even NumPy's own functions are called.
"""

import io
import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from pipeline_lib.formats.images import Sample
from pipeline_lib.formats.tars import read_packed
from pipeline_lib.readers.reader import MAX_TABLE_BYTES

SIDE = 32  # pixels


class _Said:
    """What a pickle says of an array or of a type of numbers: what it is made with, and its state."""

    def __init__(self, *made_with: object) -> None:
        self.made_with, self.state = made_with, ()

    def __setstate__(self, state: object) -> None:
        self.state = state


NAMES = (
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
)


class _ArraysOnly(pickle._Unpickler):
    """Unpickles Python's own containers and texts, and arrays as `_Said`.

    It is the one in Python: that in C makes room for as many objects as a forged file says to have.
    """

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in NAMES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no copy of CIFAR needs")
        return _Said


def read_batch(path: str, member: str, labels_key: str) -> Iterator[Sample]:
    """Yield the images of a batch of CIFAR.

    Parameters
    ----------
    path : str
        The batch, or a ``.tar.gz`` that holds it.
    member : str
        Its name in the archive.
    labels_key : str
        Which of its labels to take: ``labels``, or ``fine_labels`` of CIFAR-100.

    Raises
    ------
    ValueError
        If the file is truncated, asks for anything but arrays, or holds something else; the message names it.
    """
    import numpy as np

    content = read_packed(path, member, MAX_TABLE_BYTES) if path.endswith(".tar.gz") else Path(path).read_bytes()
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
        labels, (_, shape, kind, by_column, pixels) = batch[labels_key], batch["data"].state
        kind, shape, count = kind.made_with[0], tuple(shape), len(labels)
        content = pixels.encode("latin1") if isinstance(pixels, str) else pixels
        numbers = all(type(label) is int for label in labels)
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ValueError(f"{path}: expected {member} of CIFAR's Python version ({error!r:.200})") from error
    width = 3 * SIDE * SIDE
    if (kind, shape, by_column, len(content)) != ("u1", (count, width), False, count * width) or not numbers:
        raise ValueError(
            f"{path}: expected numbers u1 of shape ({count}, {width}) with labels in {member}, found {kind!r:.50} of "
            f"shape {shape!r:.50} and {len(content):,} bytes"
        )
    rows = np.frombuffer(content, np.uint8).reshape(shape)
    for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
        yield Sample(path, f"{number:05d}", partial(_png, row), {"label": int(label)})


def _png(row) -> bytes:
    """Return a row of red, green and blue planes as a PNG, not compressed: the same bytes with any zlib."""
    content = io.BytesIO()
    Image.fromarray(row.reshape(3, SIDE, SIDE).transpose(1, 2, 0)).save(content, "PNG", compress_level=0)
    return content.getvalue()
