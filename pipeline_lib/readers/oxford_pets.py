"""Reader `oxford-pets`: the test images of the Oxford-IIIT pets, in torchvision's order; keys are the names.

Labels are the published numbers of the breeds, from 0. A few of the files are PNGs that are called .jpg.
"""

from collections.abc import Iterator

from pipeline_lib.formats.images import Sample
from pipeline_lib.readers.reader import Reader
from pipeline_lib.readers.torchvision_sets import list_test_split

FOLDER = "oxford-iiit-pet"
CLASSES = 37


def needs(root: str) -> list[str]:
    """Return what torchvision reads under `root`."""
    return [f"{root}/{FOLDER}/images", f"{root}/{FOLDER}/annotations/test.txt"]


def read(root: str) -> Iterator[Sample]:
    """Yield the test images with their labels."""
    for file, label in list_test_split("OxfordIIITPet", root, CLASSES):
        yield Sample(file, file.stem, file.read_bytes, {"label": label})


READER = Reader(
    read,
    f"{FOLDER}/ with images/ and annotations/test.txt",
    needs,
    classes=CLASSES,
    counts={3_680: "the trainval images", 7_349: "the images of both splits", 7_390: "all files of the download"},
)
