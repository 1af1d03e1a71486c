"""Reader `stanford-cars`: the test images of Stanford Cars, in torchvision's order; keys are the names.

Labels are the numbers of the development kit's classes, from 0.
"""

from collections.abc import Iterator

from pipeline_lib.images import Sample
from pipeline_lib.readers.reader import Reader
from pipeline_lib.readers.torchvision_sets import list_test_split

FOLDER = "stanford_cars"
CLASSES = 196


def needs(root: str) -> list[str]:
    """Return what torchvision reads under `root`."""
    return [
        f"{root}/{FOLDER}/cars_test",
        f"{root}/{FOLDER}/cars_test_annos_withlabels.mat",
        f"{root}/{FOLDER}/devkit/cars_meta.mat",
    ]


def read(root: str) -> Iterator[Sample]:
    """Yield the test images with their labels."""
    for file, label in list_test_split("StanfordCars", root, CLASSES):
        yield Sample(file, file.stem, file.read_bytes, {"label": label})


READER = Reader(
    read,
    f"{FOLDER}/ with cars_test/, cars_test_annos_withlabels.mat and devkit/cars_meta.mat",
    needs,
    classes=CLASSES,
    counts={8_144: "the training images", 16_185: "training and test images together"},
)
