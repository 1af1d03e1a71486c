"""Reader `flowers-102`: the test images of Oxford's 102 flowers, in torchvision's order; keys are the names.

Labels are the published numbers of the categories, from 0; torchvision checks both .mat files by their sums.
"""

from collections.abc import Iterator

from pipeline_lib.formats.images import Sample
from pipeline_lib.readers.reader import Reader
from pipeline_lib.readers.torchvision_sets import list_test_split

FOLDER = "flowers-102"
CLASSES = 102


def needs(root: str) -> list[str]:
    """Return what torchvision reads under `root`."""
    return [f"{root}/{FOLDER}/jpg", f"{root}/{FOLDER}/imagelabels.mat", f"{root}/{FOLDER}/setid.mat"]


def read(root: str) -> Iterator[Sample]:
    """Yield the test images with their labels."""
    for file, label in list_test_split("Flowers102", root, CLASSES):
        yield Sample(file, file.stem, file.read_bytes, {"label": label})


READER = Reader(
    read,
    f"{FOLDER}/ with jpg/, imagelabels.mat and setid.mat",
    needs,
    classes=CLASSES,
    counts={1_020: "the training or the validation images", 8_189: "the images of all splits"},
)
