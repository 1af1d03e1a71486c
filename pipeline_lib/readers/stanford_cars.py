"""Reader `stanford-cars`: the test images of Stanford Cars, in torchvision's order; keys are the names.

Labels are the numbers of the development kit's classes, from 0.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline_lib.formats.images import Sample
from pipeline_lib.jobs.quoted import quoted
from pipeline_lib.readers.mat import read_mat
from pipeline_lib.readers.reader import MAX_TABLE_BYTES, Reader

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
    folder, annotations, kit = (Path(path) for path in needs(root))
    classes = _read(kit, "class_names")
    if len(classes) != CLASSES:
        raise ValueError(f"{kit}: expected {CLASSES} classes, found {len(classes)}")
    found = []
    for row, entry in enumerate(_read(annotations, "annotations")):
        name, label = (entry.get(field) if isinstance(entry, dict) else None for field in ("fname", "class"))
        if (
            not isinstance(name, str)
            or not re.fullmatch(r"[\w-]+\.jpg", name)
            or not isinstance(label, list)
            or len(label) != 1
        ):
            raise ValueError(f"{annotations}, row {row}: expected a file's name and a class, found {quoted(entry)}")
        found.append((folder / name, int(label[0]) - 1))
    if missing := [path for path, _ in found if not path.is_file()]:
        raise ValueError(
            f"{folder}: {len(missing):,} of {len(found):,} images that {annotations.name} lists are missing, such as "
            f"{missing[0]}"
        )
    for path, label in found:
        yield Sample(path, path.stem, path.read_bytes, {"label": label})


def _read(path: Path, name: str) -> list | str:
    try:
        return read_mat(path.read_bytes(), name, MAX_TABLE_BYTES)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; download it again") from error


READER = Reader(
    read,
    f"{FOLDER}/ with cars_test/, cars_test_annos_withlabels.mat and devkit/cars_meta.mat",
    needs,
    classes=CLASSES,
    counts={8_144: "the training images", 16_185: "training and test images together"},
)
