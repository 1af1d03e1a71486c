"""Reader `cifar-10`: the test images of CIFAR-10 in stored order, as PNGs; keys are row numbers of five digits.

Labels are in the order of batches.meta.
"""

from collections.abc import Iterator

from pipeline_lib.formats.images import Sample
from pipeline_lib.readers.cifar import read_batch
from pipeline_lib.readers.reader import Reader, present

ARCHIVE = "cifar-10-python.tar.gz"
BATCH = "cifar-10-batches-py/test_batch"


def needs(root: str) -> list[str]:
    """Return the archive under `root`, or the test batch unpacked from it."""
    return [present(f"{root}/{ARCHIVE}", f"{root}/{BATCH}")]


def read(root: str) -> Iterator[Sample]:
    """Yield the test images with their labels."""
    return read_batch(*needs(root), BATCH, "labels")


READER = Reader(
    read,
    f"CIFAR-10's Python version: {ARCHIVE} as distributed, or {BATCH} unpacked from it",
    needs,
    classes=10,
    counts={50_000: "the training images"},
)
