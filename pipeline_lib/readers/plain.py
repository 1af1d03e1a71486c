"""Readers of images without a layout of their own: `tar`, `folder` and `coco`.

- `tar`: WebDataset tars of ``KEY.jpg`` (or another image) and ``KEY.json``, which may hold ``label``, or ``KEY.cls``,
  which is a label; in stored order.
- `folder`: every image below folders or in zips and tars, sorted by path; keys are the names without suffix. Visual
  Genome's images, for one: the folders VG_100K and VG_100K_2, or images.zip and images2.zip.
- `coco`: a COCO 2017 split, the zip as distributed or the folder in it; sorted, keys are the 12-digit names.
"""

import re
from collections.abc import Iterator

from pipeline_lib.formats.images import Sample, read_tars
from pipeline_lib.readers.containers import list_images
from pipeline_lib.readers.reader import Reader, present


def _read_folder(*folders: str) -> Iterator[Sample]:
    for folder in folders:
        for file in list_images(folder):
            yield Sample(file.source, file.stem, file.load, {})


def zip_or_folder(path: str) -> list[str]:
    """Return the zip beside the folder `path`, which may be half unpacked, or that folder where there is no zip."""
    path = path.rstrip("/")
    return [path if path.endswith(".zip") else present(f"{path}.zip", path)]


def _read_coco(path: str) -> Iterator[Sample]:
    (images,) = zip_or_folder(path)
    for file in list_images(images):
        if not re.fullmatch(r"\d{12}", file.stem):
            raise ValueError(f"{images}: expected names of 12 digits, as in COCO 2017, found {file.name}")
        yield Sample(file.source, file.stem, file.load, {})


TAR = Reader(
    lambda *tars: read_tars(tars),
    "WebDataset tars of KEY.jpg and, in labelled pools, KEY.json with `label` or KEY.cls",
    may_be_empty=True,
)
FOLDER = Reader(_read_folder, "folders or zips (or tars) of .jpg, .jpeg, .png, .webp ... whose names are the keys")
COCO = Reader(
    _read_coco,
    "a COCO 2017 split: train2017.zip or val2017.zip as distributed, or the folder in it",
    zip_or_folder,
    counts={118_287: "train2017", 5_000: "val2017", 40_670: "test2017", 123_403: "unlabeled2017"},
)
