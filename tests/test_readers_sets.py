"""Readers of labelled datasets: every layout in which they are distributed, and copies that do not fit."""

import io
import pickle
import re
import shutil
from pathlib import Path

import layouts
import numpy as np
import pytest
from conftest import jpeg_bytes
from hostile import Touch
from layouts import listed
from PIL import Image

from pipeline_lib.clip.load import load_torchvision
from pipeline_lib.readers.pool import read_pool
from pipeline_lib.readers.reader import find_reader

# ImageNet


def test_imagenet_is_the_same_from_every_layout(tmp_path):
    expected = layouts.imagenet_folders(tmp_path / "folders")
    assert listed("imagenet", tmp_path / "folders", count=4) == expected
    theirs = load_torchvision().datasets.ImageFolder(tmp_path / "folders" / "val", allow_empty=True)
    assert {Path(path).stem: label for path, label in theirs.samples} == {key: label for key, label, _ in expected}
    root = tmp_path / "flat"
    assert layouts.imagenet_flat(root) == expected
    assert find_reader("imagenet").needs(str(root)) == [f"{root}/val", f"{root}/ILSVRC2012_devkit_t12"]
    assert listed("imagenet", root) == expected
    layouts.tar_files(root / "ILSVRC2012_img_val.tar", root / "val")
    shutil.rmtree(root / "val")
    (root / "kit").mkdir()
    shutil.move(root / "ILSVRC2012_devkit_t12", root / "kit")
    layouts.tar_files(root / "ILSVRC2012_devkit_t12.tar.gz", root / "kit", "w:gz")
    packed = ("ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz")
    assert find_reader("imagenet").needs(str(root)) == [f"{root}/{name}" for name in packed]
    assert listed("imagenet", root, count=4) == expected


def test_class_folders_that_are_not_imagenets_are_refused(tmp_path):
    layouts.imagenet_folders(tmp_path)
    val = tmp_path / "val"
    for stray, message in (
        ("ILSVRC2012_val_00000099.JPEG", r"in a folder nXXXXXXXX, found ILSVRC2012_val_00000099\.JPEG"),
        (f"{layouts.WNIDS[0]}/n01440764_18.JPEG", r"expected names ILSVRC2012_val_NNNNNNNN\.JPEG, found .*_18\.JPEG"),
    ):
        layouts.write(val / stray, jpeg_bytes())
        with pytest.raises(ValueError, match=message):
            listed("imagenet", tmp_path)
        (val / stray).unlink()
    (val / layouts.WNIDS[500]).rmdir()
    with pytest.raises(ValueError, match="val: expected 1,000 folders nXXXXXXXX, one per class, found 999"):
        listed("imagenet", tmp_path)


def test_a_development_kit_that_does_not_fit_the_images_is_refused(tmp_path):
    layouts.imagenet_flat(tmp_path)
    kit = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    truth, meta = kit / "ILSVRC2012_validation_ground_truth.txt", kit / "meta.mat"
    whole, mat = truth.read_bytes(), meta.read_bytes()
    for content, of_meta, message in (
        (whole + b"12\n", mat, r"val: 4 images, but .*ground_truth\.txt of .* has labels for 5"),
        (whole.rsplit(b"\n", 2)[0] + b"\n1001\n", mat, r"has the class 1001, which is not in data/meta\.mat"),
        (whole, mat[:-90], r"expected whole files .* and data/meta\.mat, found others"),
        (whole, b"", r"devkit_t12: expected the development kit with data/meta\.mat"),
    ):
        truth.write_bytes(content)
        meta.write_bytes(of_meta) if of_meta else meta.unlink()
        with pytest.raises(ValueError, match=message):
            listed("imagenet", tmp_path)


# CIFAR


@pytest.mark.parametrize("classes", [10, 100])
@pytest.mark.parametrize("packed", [False, True])
def test_cifar_gives_every_pixel_and_label(tmp_path, classes, packed):
    pixels, labels = layouts.cifar(tmp_path / "root", classes)
    root = tmp_path / "root"
    if packed:
        layouts.tar_files(tmp_path / "packed" / f"cifar-{classes}-python.tar.gz", tmp_path / "root", "w:gz")
        root = tmp_path / "packed"
    found = listed(f"cifar-{classes}", root, count=6)
    assert [(key, label) for key, label, _ in found] == [(f"{row:05d}", label) for row, label in enumerate(labels)]
    for (_, _, png), expected in zip(found, pixels, strict=True):
        assert np.array_equal(np.array(Image.open(io.BytesIO(png), formats=["PNG"])), expected)


def test_a_forged_cifar_runs_nothing(tmp_path):
    evil = Touch(tmp_path / "ran")
    for forged in (
        pickle.dumps(evil, protocol=2),
        pickle.dumps({"data": evil, "labels": [1]}, protocol=2),
        b"cbuiltins\ngetattr\n.",  # which Python would look up, without a call
    ):
        layouts.write(tmp_path / "cifar-10-batches-py" / "test_batch", forged)
        with pytest.raises(ValueError, match=r"test_batch: expected .* of CIFAR's Python version, found"):
            listed("cifar-10", tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_cifar_that_is_damaged_or_something_else_is_refused(tmp_path):
    layouts.cifar(tmp_path, 10)
    batch = tmp_path / "cifar-10-batches-py" / "test_batch"
    narrow, rows = (np.zeros((2, width), dtype=np.uint8) for width in (100, 3072))
    for content, message in (
        (batch.read_bytes()[:5000], "test_batch: expected cifar-10-batches-py/test_batch of CIFAR's Python version"),
        (
            layouts.python2_pickle({"labels": [1, 2], "data": narrow}),
            r"u1 of shape \(2, 3072\) .*found .u1. of shape \(2",
        ),
        (layouts.python2_pickle({"labels": [1, 10], "data": rows}), "sample 00001 a label from 0 to 9, found 10"),
    ):
        batch.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            listed("cifar-10", tmp_path)
    archive = tmp_path / "cifar-10-python.tar.gz"
    layouts.tar_files(archive, tmp_path, "w:gz")
    archive.write_bytes(archive.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"cifar-10-python\.tar\.gz: expected"):
        listed("cifar-10", tmp_path)


# sets in torchvision's layout


def test_caltech_is_all_categories_but_the_background(tmp_path):
    expected = layouts.caltech_101(tmp_path)
    theirs = load_torchvision().datasets.Caltech101(tmp_path)
    assert [label for _, label, _ in expected] == theirs.y
    folder = tmp_path / "caltech101" / "101_ObjectCategories"
    for junk in (".DS_Store", "Faces/.DS_Store", "Faces/tmp"):
        layouts.write(folder / junk, b"left behind")
    assert listed("caltech-101", tmp_path, count=103) == expected
    shutil.rmtree(folder / "BACKGROUND_Google")
    assert listed("caltech-101", tmp_path) == expected
    shutil.rmtree(folder / "Leopards")
    with pytest.raises(ValueError, match="expected 101 folders beside BACKGROUND_Google, found 100"):
        listed("caltech-101", tmp_path)


#: The sets whose labels come from a file, and that file.
LABELS = {
    "stanford-cars": "stanford_cars/cars_test_annos_withlabels.mat",
    "food-101": "food-101/meta/test.json",
    "flowers-102": "flowers-102/setid.mat",
    "oxford-pets": "oxford-iiit-pet/annotations/test.txt",
}


@pytest.mark.parametrize("name", LABELS)
def test_sets_that_torchvision_knows_are_read_as_they_are(tmp_path, monkeypatch, name):
    expected = getattr(layouts, name.replace("-", "_"))(tmp_path)
    if name == "flowers-102":
        # torchvision takes no labels but those of the published MD5; here it takes ours.
        with pytest.raises(ValueError, match="torchvision's Flowers102 does not take this copy"):
            listed(name, tmp_path)
        monkeypatch.setattr(load_torchvision().datasets.Flowers102, "_check_integrity", lambda self: True)
    assert all(Path(path).exists() for path in find_reader(name).needs(str(tmp_path)))
    assert listed(name, tmp_path, count=len(expected)) == expected
    for sample in read_pool(name, [tmp_path]):
        assert sample.decode(sample.read()).size == (20, 18)
    if name == "stanford-cars":
        theirs = load_torchvision().datasets.StanfordCars(tmp_path, split="test")
        assert [(Path(path).stem, label) for path, label in theirs._samples] == [pair[:2] for pair in expected]
    key = expected[2][0].rpartition("-")[2]
    (path,) = tmp_path.rglob(f"{key}.jpg")
    path.unlink()
    with pytest.raises(ValueError, match=rf"1 of {len(expected)} images .* are missing, such as .*{key}\.jpg"):
        listed(name, tmp_path)


@pytest.mark.parametrize("name", LABELS)
def test_a_file_of_labels_that_is_missing_or_damaged_is_named(tmp_path, name):
    getattr(layouts, name.replace("-", "_"))(tmp_path)
    labels = tmp_path / LABELS[name]
    labels.write_bytes(labels.read_bytes()[:20])
    message = r"torchvision's \w+ does not take this copy|annos_withlabels\.mat: expected a MATLAB file"
    with pytest.raises(ValueError, match=message):
        listed(name, tmp_path)
    labels.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")  # which torchvision would only call corrupted
    with pytest.raises(ValueError, match=rf"{re.escape(LABELS[name])}: expected a \.\w+, found a pointer of Git LFS"):
        listed(name, tmp_path)
    labels.unlink()
    with pytest.raises(FileNotFoundError, match=rf"{re.escape(LABELS[name])}: no such file or folder; expected "):
        listed(name, tmp_path)


def test_fewer_classes_than_published_are_refused(tmp_path):
    layouts.oxford_pets(tmp_path)
    path = tmp_path / LABELS["oxford-pets"]
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:20]))
    with pytest.raises(ValueError, match="expected 37 classes of OxfordIIITPet, found 20"):
        listed("oxford-pets", tmp_path)
