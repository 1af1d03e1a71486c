"""Reader `folder`: every image below folders or in zips, sorted by path; keys are the names without suffix.

Visual Genome's images, for one: the folders VG_100K and VG_100K_2, or images.zip and images2.zip.
"""

from collections.abc import Iterator

from pipeline_lib.formats.images import Sample
from pipeline_lib.readers.containers import list_images
from pipeline_lib.readers.reader import Reader


def read(*folders: str) -> Iterator[Sample]:
    """Yield the images of folders or zips, one after the other, each sorted by path."""
    for folder in folders:
        for file in list_images(folder):
            yield Sample(file.source, file.stem, file.load, {})


READER = Reader(read, "folders or zips of .jpg, .jpeg or .png whose names are the keys")
