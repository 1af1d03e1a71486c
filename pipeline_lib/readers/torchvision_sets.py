"""Readers of datasets in torchvision's layout: Caltech-101, Stanford Cars, Food-101, Oxford's flowers and pets.

Of flowers, food and pets torchvision itself lists the test split, without opening an image; the bytes come from the
files that it names. Nothing is downloaded. Keys are the files' names, those of food ``CLASS-NUMBER``, of Caltech-101
``CATEGORY-image_NNNN``. Labels count from 0 and are the published numbers of the classes, or, for food and Caltech-101,
positions of the classes in sorted order (capital letters first). A few of the pets are PNGs that are called .jpg.

Two classes of torchvision are not used. Caltech-101's takes any file in a folder for an image, and expects the folder
of the background, which the paper leaves out. The cars' gives .mat files to SciPy, which crashes on damaged ones, and
knows no checksum of them (of the flowers' .mat files it checks the MD5 first).
"""

import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pipeline_lib.formats.images import Sample
from pipeline_lib.jobs.memory_limit import spare_memory
from pipeline_lib.jobs.quoted import quoted
from pipeline_lib.readers.containers import list_images
from pipeline_lib.readers.mat import read_mat
from pipeline_lib.readers.reader import Reader

CATEGORIES = "caltech101/101_ObjectCategories"
BACKGROUND = "BACKGROUND_Google"
CALTECH_CLASSES = 101
CARS_CLASSES = 196


def _below(*paths: str) -> Callable[[str], list[str]]:
    """Return a reader's `needs`: these paths below the root."""
    return lambda root: [f"{root}/{path}" for path in paths]


def _read_test_split(root: str, *, dataset: str, classes: int, key: str = "{file.stem}") -> Iterator[Sample]:
    """Yield the images of a test split in the order of torchvision's class `dataset`."""
    from pipeline_lib.clip.load import load_torchvision

    datasets = load_torchvision().datasets
    try:
        with spare_memory():
            found = getattr(datasets, dataset)(root, split="test")
        names = found.classes
    except Exception as error:  # torchvision raises what its parsers raise for a damaged file
        raise ValueError(f"{root}: torchvision's {dataset} does not take this copy ({error!r:.300})") from error
    if len(names) != classes:
        raise ValueError(f"{root}: expected {classes} classes of {dataset}, found {len(names)}")
    files = [Path(file) for file in getattr(found, "_image_files", None) or found._images]
    if outside := [file for file in files if ".." in file.parts]:
        raise ValueError(f"{root}: {dataset} lists an image that is not in its folder, {str(outside[0])!r:.200}")
    _check_present(root, dataset, files)
    for file, label in zip(files, found._labels, strict=True):
        yield Sample(file, key.format(file=file), file.read_bytes, {"label": int(label)})


def _check_present(where: str | Path, who: str, files: list[Path]) -> None:
    if missing := [file for file in files if not os.path.isfile(file)]:  # false too for what cannot be a file's name
        raise ValueError(
            f"{where}: {len(missing):,} of {len(files):,} images that {who} lists are missing, such as "
            f"{missing[0]!s:.300}"
        )


FLOWERS_102 = Reader(
    partial(_read_test_split, dataset="Flowers102", classes=102),
    "flowers-102/ with jpg/, imagelabels.mat and setid.mat",
    _below("flowers-102/jpg", "flowers-102/imagelabels.mat", "flowers-102/setid.mat"),
    classes=102,
    counts={1_020: "the training or the validation images", 8_189: "the images of all splits"},
)
FOOD_101 = Reader(
    partial(_read_test_split, dataset="Food101", classes=101, key="{file.parent.name}-{file.stem}"),
    "food-101/ with images/ and meta/test.json, from food-101.tar.gz",
    _below("food-101/images", "food-101/meta/test.json"),
    classes=101,
    counts={75_750: "the training images", 101_000: "training and test images together"},
)
OXFORD_PETS = Reader(
    partial(_read_test_split, dataset="OxfordIIITPet", classes=37),
    "oxford-iiit-pet/ with images/ and annotations/test.txt",
    _below("oxford-iiit-pet/images", "oxford-iiit-pet/annotations/test.txt"),
    classes=37,
    counts={3_680: "the trainval images", 7_349: "the images of both splits", 7_390: "all files of the download"},
)


def _read_caltech(root: str) -> Iterator[Sample]:
    folder = f"{root}/{CATEGORIES}"
    categories = sorted(path.name for path in Path(folder).glob("[!.]*/") if path.name != BACKGROUND)
    if len(categories) != CALTECH_CLASSES:
        raise ValueError(f"{folder}: expected {CALTECH_CLASSES} folders beside {BACKGROUND}, found {len(categories)}")
    for label, category in enumerate(categories):
        for file in list_images(f"{folder}/{category}"):
            yield Sample(file.source, f"{category}-{file.stem}", file.load, {"label": label})


CALTECH_101 = Reader(
    _read_caltech,
    f"{CATEGORIES}/ with a folder for each of {CALTECH_CLASSES} categories, from caltech-101.zip",
    _below(CATEGORIES),
    classes=CALTECH_CLASSES,
    counts={9_144: "all images with the background's", 9_145: "all images with the background's"},
)


def _read_cars(root: str) -> Iterator[Sample]:
    folder, annotations, kit = map(Path, STANFORD_CARS.needs(root))
    if len(classes := _variable(kit, "class_names")) != CARS_CLASSES:
        raise ValueError(f"{kit}: expected {CARS_CLASSES} classes, found {len(classes)}")
    files, labels = [], []
    for row, entry in enumerate(_variable(annotations, "annotations")):
        name, label = (entry.get(field) if isinstance(entry, dict) else None for field in ("fname", "class"))
        named = isinstance(name, str) and re.fullmatch(r"[\w-]+\.jpg", name)
        if not named or not isinstance(label, list) or len(label) != 1:
            raise ValueError(f"{annotations}, row {row}: expected a file's name and a class, found {quoted(entry)}")
        files.append(folder / name)
        labels.append(int(label[0]) - 1)
    _check_present(folder, annotations.name, files)
    for file, label in zip(files, labels, strict=True):
        yield Sample(file, file.stem, file.read_bytes, {"label": label})


def _variable(path: Path, name: str) -> list | str:
    try:
        return read_mat(path.read_bytes(), name)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; download it again") from error


STANFORD_CARS = Reader(
    _read_cars,
    "stanford_cars/ with cars_test/, cars_test_annos_withlabels.mat and devkit/cars_meta.mat",
    _below(
        "stanford_cars/cars_test", "stanford_cars/cars_test_annos_withlabels.mat", "stanford_cars/devkit/cars_meta.mat"
    ),
    classes=CARS_CLASSES,
    counts={8_144: "the training images", 16_185: "training and test images together"},
)
