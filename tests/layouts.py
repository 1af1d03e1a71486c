"""Datasets in the layouts in which they are distributed, a few images each, made here.

Each function writes one and returns the samples that a reader must find: key, label (None where there is none) and the
encoded image, in order.
"""

import json
import shutil
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from conftest import jpeg_bytes
from PIL import Image
from scipy.io import savemat

from pipeline_lib.formats.pixels import encoded
from pipeline_lib.readers.pool import read_pool

Expected = list[tuple[str, int | None, bytes]]


def listed(name: str, *paths: Path, **options: int) -> Expected:
    """What a reader finds, as the functions below say what it must find."""
    samples = read_pool(name, paths, **options)
    return [(sample.key, sample.said.get("label"), sample.read()) for sample in samples]


def picture(number: int) -> bytes:
    """A small JPEG that tells its number by its colour."""
    return jpeg_bytes((number * 37 % 256, number * 91 % 256, number * 53 % 256), (20, 18))


def write(path: Path, content: bytes) -> None:
    """Write a file, and the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def zip_folder(folder: Path) -> None:
    """Turn a folder into a zip beside it that holds the folder."""
    with zipfile.ZipFile(folder.with_name(f"{folder.name}.zip"), "w") as archive:
        for path in sorted(folder.rglob("*"), reverse=True):  # an archive need not be in order
            archive.write(path, path.relative_to(folder.parent))
    shutil.rmtree(folder)


def tar_files(path: Path, folder: Path, mode: str = "w") -> None:
    """Put what is in a folder into a tar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for file in sorted(folder.iterdir(), reverse=True):
            archive.add(file, file.name)


def coco(folder: Path, count: int = 5, first: int = 139) -> Expected:
    """COCO's train2017/ or val2017/."""
    expected = [(f"{first + 7 * number:012d}", None, picture(number)) for number in range(count)]
    for key, _, content in reversed(expected):
        write(folder / f"{key}.jpg", content)
    return expected


def voc2007(root: Path, count: int = 4, split: str = "test") -> Expected:
    """VOCdevkit/ of one of the two downloads of VOC 2007, which share no image."""
    folder = root / "VOCdevkit" / "VOC2007"
    first = 1 if split == "test" else 5
    expected = [(f"{first + 10 * number:06d}", None, picture(number)) for number in range(count)]
    for key, _, content in expected:
        write(folder / "JPEGImages" / f"{key}.jpg", content)
        write(folder / "Annotations" / f"{key}.xml", b"<annotation/>")
    listed = "".join(f"{key}\n" for key, _, _ in expected).encode()
    for name in ["test"] if split == "test" else ["train", "val", "trainval"]:
        write(folder / "ImageSets" / "Main" / f"{name}.txt", listed)
        write(folder / "ImageSets" / "Main" / f"aeroplane_{name}.txt", listed.replace(b"\n", b" -1\n"))
    return expected


WNIDS = [f"n{1_440_764 + 977 * number:08d}" for number in range(1000)]  # sorted, as labels are


IMAGENET = [(f"ILSVRC2012_val_{n:08d}", label, picture(n)) for n, label in enumerate((7, 999, 0, 7), 1)]


def imagenet_folders(root: Path) -> Expected:
    """ImageNet's val/ with a folder per class."""
    for wnid in WNIDS:
        (root / "val" / wnid).mkdir(parents=True)
    for key, label, content in IMAGENET:
        write(root / "val" / WNIDS[label] / f"{key}.JPEG", content)
    return IMAGENET


def imagenet_flat(root: Path) -> Expected:
    """ImageNet's images as distributed, unpacked, and the development kit, in which classes have numbers of its own."""
    for key, _, content in IMAGENET:
        write(root / "val" / f"{key}.JPEG", content)
    order = np.random.default_rng(0).permutation(1000)  # the kit's number of a class, from 1, is its place in here
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children"]
    synsets = np.zeros(1002, dtype=[(field, object) for field in fields])
    for place, label in enumerate(order):
        synsets[place] = (place + 1, WNIDS[label], "tench, Tinca tinca", "a fish", 0, np.zeros(0))
    for place in (1000, 1001):  # classes of classes are in the file too
        synsets[place] = (place + 1, f"n{9_000_000 + place:08d}", "entity", "all", 2, np.array([1, 2]))
    kit = root / "ILSVRC2012_devkit_t12" / "data"
    truth = "".join(f"{np.flatnonzero(order == label)[0] + 1}\n" for _, label, _ in IMAGENET).encode()
    write(kit / "ILSVRC2012_validation_ground_truth.txt", truth)
    savemat(kit / "meta.mat", {"synsets": synsets[:, None]})
    return IMAGENET


def python2_pickle(batch: dict) -> bytes:
    """A dictionary of lists of small numbers, texts and an array of bytes, as Python 2 pickled the copies of CIFAR."""

    def text(content: bytes) -> bytes:
        size = b"U" + bytes([len(content)]) if len(content) < 256 else b"T" + struct.pack("<i", len(content))
        return size + content

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    def value(item: object) -> bytes:
        if isinstance(item, np.ndarray):
            kind = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
            kind += b"(K\x03" + text(b"|") + b"NNN" + number(-1) * 2 + b"K\x00tb"
            shape = number(item.shape[0]) + number(item.shape[1]) + b"\x86"
            empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
            return empty + b"(K\x01" + shape + kind + b"\x89" + text(item.tobytes()) + b"tb"
        if isinstance(item, list):
            return b"](" + b"".join(map(value, item)) + b"e"
        return number(item) if isinstance(item, int) else text(item.encode("latin1"))

    return b"\x80\x02}(" + b"".join(text(key.encode()) + value(item) for key, item in batch.items()) + b"u."


def cifar(root: Path, classes: int, count: int = 6) -> tuple[np.ndarray, list[int]]:
    """The test batch of CIFAR-10 or CIFAR-100, unpacked; returns its pixels (n × 32 × 32 × 3) and labels instead."""
    pixels = np.random.default_rng(classes).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    labels = [(number * 7 + 3) % classes for number in range(count)]
    path, of_labels = {
        10: ("cifar-10-batches-py/test_batch", {"batch_label": "testing batch 1 of 1", "labels": labels}),
        100: ("cifar-100-python/test", {"coarse_labels": [0] * count, "fine_labels": labels}),
    }[classes]
    rows = pixels.transpose(0, 3, 1, 2).reshape(count, -1)
    write(root / path, python2_pickle({**of_labels, "data": rows}))
    return pixels, labels


def caltech_101(root: Path) -> Expected:
    """Caltech-101's folders: one image in each category, three in the second, and the background."""
    names = ["Faces", "Faces_easy", "Leopards", "Motorbikes", *(f"category_{number:02d}" for number in range(97))]
    folder, expected = root / "caltech101" / "101_ObjectCategories", []
    for label, name in enumerate(names):
        for number in range(1, 4 if label == 1 else 2):
            expected.append((f"{name}-image_{number:04d}", label, picture(label + number)))
            write(folder / name / f"image_{number:04d}.jpg", expected[-1][2])
    write(folder / "BACKGROUND_Google" / "image_0001.jpg", picture(0))
    return expected


def stanford_cars(root: Path, count: int = 5) -> Expected:
    """Stanford Cars' test images with their labels and the development kit."""
    folder = root / "stanford_cars"
    expected = [(f"{n + 1:05d}", (n * 50) % 196, picture(n)) for n in range(count)]
    fields = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname"]
    annotations = np.zeros((1, count), dtype=[(field, object) for field in fields])
    for place, (key, label, content) in enumerate(expected):
        annotations[0, place] = (30, 50, 240, 180, label + 1, f"{key}.jpg")
        write(folder / "cars_test" / f"{key}.jpg", content)
    savemat(folder / "cars_test_annos_withlabels.mat", {"annotations": annotations})
    names = np.array([f"Car {number}" for number in range(196)], dtype=object)
    (folder / "devkit").mkdir()
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": names[None]})
    return expected


def food_101(root: Path) -> Expected:
    """Food-101: the lists of both splits and two images of each class, one in each list."""
    folder = root / "food-101"
    classes = [f"dish_{number:03d}" for number in range(101)]
    numbers = {name: {"train": 10 + place, "test": 5000 - place} for place, name in enumerate(classes)}
    for split in ("train", "test"):  # classes are not in order in the file
        listed = {name: [f"{name}/{numbers[name][split]}"] for name in reversed(classes)}
        write(folder / "meta" / f"{split}.json", json.dumps(listed).encode())
        for place, name in enumerate(classes):
            write(folder / "images" / name / f"{numbers[name][split]}.jpg", picture(place))
    found = [(f"{name}-{numbers[name]['test']}", place, picture(place)) for place, name in enumerate(classes)]
    return found[::-1]


def flowers_102(root: Path, count: int = 8) -> Expected:
    """Oxford's flowers: images, labels of all, and the ids of three splits, of which test is the largest."""
    folder = root / "flowers-102"
    labels = [(number * 29) % 102 for number in range(count)]
    for number in range(count):
        write(folder / "jpg" / f"image_{number + 1:05d}.jpg", picture(number))
    savemat(folder / "imagelabels.mat", {"labels": np.array([labels]) + 1})
    test = [5, 2, 8, 1, 4]
    savemat(folder / "setid.mat", {"trnid": [[3]], "valid": [[6, 7]], "tstid": [test]})
    return [(f"image_{number:05d}", labels[number - 1], picture(number - 1)) for number in test]


def oxford_pets(root: Path) -> Expected:
    """The Oxford-IIIT pets: a test image of each of the 37 breeds, the first one a PNG that is called .jpg."""
    folder = root / "oxford-iiit-pet"
    images = [encoded(Image.new("RGBA", (20, 18), (10, 200, 30, 128)), "PNG"), *map(picture, range(1, 37))]
    breeds = [f"{'Cat' if label % 2 else 'dog'}_breed_{label:02d}" for label in range(37)]
    expected = [(f"{breed}_{label + 100}", label, images[label]) for label, breed in enumerate(breeds)]
    for key, _, content in expected:
        write(folder / "images" / f"{key}.jpg", content)
    write(folder / "images" / "Cat_breed_01_1.mat", b"in the real download too")
    listed = "".join(f"{key} {label + 1} {2 - label % 2} {label // 2 + 1}\n" for key, label, _ in expected)
    write(folder / "annotations" / "test.txt", listed.encode())
    write(folder / "annotations" / "trainval.txt", b"Cat_breed_01_1 2 1 1\n")
    return expected
