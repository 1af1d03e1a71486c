"""Reader `caltech-101`: all images of Caltech-101 but the background, as the paper uses them; sorted by category.

Keys are ``CATEGORY-image_NNNN``. Labels are positions of the categories' folders in sorted order (capital letters
first), without BACKGROUND_Google, as in torchvision: ``Faces`` is 0, ``accordion`` is 4. torchvision's own class is not
used: it takes any file in a folder for an image, and wants the folder of the background.
"""

from collections.abc import Iterator
from pathlib import Path

from pipeline_lib.formats.images import Sample
from pipeline_lib.readers.containers import list_images
from pipeline_lib.readers.reader import Reader

FOLDER = "caltech101/101_ObjectCategories"
BACKGROUND = "BACKGROUND_Google"
CLASSES = 101


def needs(root: str) -> list[str]:
    """Return the folder of categories under `root`."""
    return [f"{root}/{FOLDER}"]


def read(root: str) -> Iterator[Sample]:
    """Yield the images of all categories with their labels."""
    (folder,) = needs(root)
    categories = sorted(path.name for path in Path(folder).glob("[!.]*/") if path.name != BACKGROUND)
    if len(categories) != CLASSES:
        raise ValueError(f"{folder}: expected {CLASSES} folders beside {BACKGROUND}, found {len(categories)}")
    for label, category in enumerate(categories):
        for file in list_images(f"{folder}/{category}"):
            yield Sample(file.source, f"{category}-{file.stem}", file.load, {"label": label})


READER = Reader(
    read,
    f"{FOLDER}/ with a folder for each of {CLASSES} categories, from caltech-101.zip",
    needs,
    classes=CLASSES,
    counts={9_144: "all images with the background's", 9_145: "all images with the background's"},
)
