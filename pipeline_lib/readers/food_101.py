"""Reader `food-101`: the test images of Food-101, in torchvision's order; keys are ``CLASS-NUMBER``.

Labels are positions of the class names in sorted order.
"""

from collections.abc import Iterator

from pipeline_lib.formats.images import Sample
from pipeline_lib.readers.reader import Reader
from pipeline_lib.readers.torchvision_sets import list_test_split

FOLDER = "food-101"
CLASSES = 101


def needs(root: str) -> list[str]:
    """Return what torchvision reads under `root`."""
    return [f"{root}/{FOLDER}/images", f"{root}/{FOLDER}/meta/test.json"]


def read(root: str) -> Iterator[Sample]:
    """Yield the test images with their labels."""
    for file, label in list_test_split("Food101", root, CLASSES):
        yield Sample(file, f"{file.parent.name}-{file.stem}", file.read_bytes, {"label": label})


READER = Reader(
    read,
    f"{FOLDER}/ with images/ and meta/test.json, from food-101.tar.gz",
    needs,
    classes=CLASSES,
    counts={75_750: "the training images", 101_000: "training and test images together"},
)
