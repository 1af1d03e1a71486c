"""Reader `coco`: a COCO 2017 split, the zip as distributed or the folder in it; sorted, keys are the 12-digit names."""

import re
from collections.abc import Iterator

from pipeline_lib.formats.images import Sample
from pipeline_lib.readers.containers import list_images
from pipeline_lib.readers.reader import Reader, present


def needs(path: str) -> list[str]:
    """Return the zip beside the folder `path`, or that folder."""
    return [path if path.endswith(".zip") else present(f"{path}.zip", path)]


def read(path: str) -> Iterator[Sample]:
    """Yield the images of a split in the order of their numbers."""
    (images,) = needs(path)
    for file in list_images(images):
        if not re.fullmatch(r"\d{12}", file.stem):
            raise ValueError(f"{images}: expected names of 12 digits, as in COCO 2017, found {file.name}")
        yield Sample(file.source, file.stem, file.load, {})


READER = Reader(
    read,
    "a COCO 2017 split: train2017.zip or val2017.zip as distributed, or the folder in it",
    needs,
    counts={118_287: "train2017", 5_000: "val2017", 40_670: "test2017", 123_403: "unlabeled2017"},
)
