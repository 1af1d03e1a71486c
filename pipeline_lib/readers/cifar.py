"""What CIFAR-10 and CIFAR-100 share: a batch of small images in a Python pickle, read without running it.

The unpickler can rebuild arrays, texts, lists and dictionaries and nothing else, so that a forged file cannot run code.
"""

import io
import pickle
import tarfile
import zlib
from collections.abc import Iterator
from functools import partial

from PIL import Image

from pipeline_lib.images import Sample

SIDE = 32  # pixels


class _ArraysOnly(pickle.Unpickler):
    """Unpickles NumPy arrays beside Python's own containers and texts."""

    def find_class(self, module: str, name: str) -> object:
        import numpy as np

        allowed = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
            ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no copy of CIFAR needs")
        return allowed[module, name]


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

    try:
        with _open(path, member) as content:
            batch = _ArraysOnly(content, encoding="latin1").load()
        rows, labels = batch["data"], batch[labels_key]
        fits = rows.dtype == np.uint8 and rows.shape == (len(labels), 3 * SIDE * SIDE)
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ValueError(f"{path}: expected {member} of CIFAR's Python version ({error!r:.200})") from error
    if not fits:
        raise ValueError(
            f"{path}: expected uint8 of shape ({len(labels)}, {3 * SIDE * SIDE}) in {member}, found {rows.dtype} of "
            f"shape {rows.shape}"
        )
    for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
        yield Sample(path, f"{number:05d}", partial(_png, row), {"label": int(label)})


def _open(path: str, member: str) -> io.BufferedIOBase:
    if not path.endswith(".tar.gz"):
        return open(path, "rb")
    try:
        with tarfile.open(path, "r:gz") as archive:
            return io.BytesIO(archive.extractfile(member).read())
    except (zlib.error, EOFError) as error:
        raise tarfile.ReadError(f"the archive is damaged: {error}") from error


def _png(row) -> bytes:
    """Return a row of red, green and blue planes as a PNG, not compressed: the same bytes with any zlib."""
    content = io.BytesIO()
    Image.fromarray(row.reshape(3, SIDE, SIDE).transpose(1, 2, 0)).save(content, "PNG", compress_level=0)
    return content.getvalue()
