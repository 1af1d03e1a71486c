"""Readers `cifar-10` and `cifar-100`: the test images of CIFAR in stored order, as PNGs; keys are row numbers.

Labels are in the order of batches.meta of CIFAR-10, of fine_label_names in meta of CIFAR-100.

A batch of CIFAR is a Python pickle, which is read without running it (`pipeline_lib.clip.inert`). torchvision checks
the MD5 of every batch of both splits on disk and then unpickles what it opens again; here the archive need not be
unpacked, and no MD5 has to hold.
"""

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from pipeline_lib.formats import MAX_TABLE_BYTES
from pipeline_lib.formats.images import Sample
from pipeline_lib.formats.pixels import encoded
from pipeline_lib.formats.tars import read_packed
from pipeline_lib.jobs.file_kind import misread
from pipeline_lib.readers.reader import Reader, present

SIDE = 32  # pixels


def _read(path: str, member: str, labels_key: str) -> Iterator[Sample]:
    """Yield the images of the batch at `path`, or of the batch `member` in the ``.tar.gz`` there."""
    import numpy as np

    from pipeline_lib.clip.inert import InertUnpickler  # which loads torch

    content = read_packed(path, member, MAX_TABLE_BYTES) if path.endswith(".tar.gz") else Path(path).read_bytes()
    try:
        batch = InertUnpickler(io.BytesIO(content)).load()
        labels, (_, shape, kind, by_column, pixels) = batch[labels_key], batch["data"].state
        kind, shape, count = kind.made_from[0], tuple(shape), len(labels)
        content = pixels.encode("latin1") if isinstance(pixels, str) else pixels
        numbers = all(type(label) is int for label in labels)
    except Exception as error:  # a damaged pickle raises nearly anything
        own = ("gzip",) if path.endswith(".tar.gz") else ("pickle", "text")
        raise misread(path, f"{member} of CIFAR's Python version", f"{error!r:.200}", *own) from error
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
    return encoded(Image.fromarray(row.reshape(3, SIDE, SIDE).transpose(1, 2, 0)), "PNG", compress_level=0)


def _reader(classes: int, batch: str, labels_key: str) -> Reader:
    archive = f"cifar-{classes}-python.tar.gz"

    def needs(root: str) -> list[str]:
        return [present(f"{root}/{archive}", f"{root}/{batch}")]

    def read(root: str) -> Iterator[Sample]:
        return _read(*needs(root), batch, labels_key)

    layout = f"CIFAR-{classes}'s Python version: {archive} as distributed, or {batch} unpacked from it"
    return Reader(read, layout, needs, classes, {50_000: "the training images"})


CIFAR_10 = _reader(10, "cifar-10-batches-py/test_batch", "labels")
CIFAR_100 = _reader(100, "cifar-100-python/test", "fine_labels")
