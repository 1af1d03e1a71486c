"""Readers: every dataset in the layouts in which it is distributed, and what is wrong with a copy said beforehand."""

import hashlib
import io
import os
import pickle
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import layouts
import numpy as np
import pytest
from conftest import ROOT, jpeg_bytes, write_pool
from PIL import Image

from pipeline_lib.clip.load import load_torchvision
from pipeline_lib.readers.catalogue import READERS
from pipeline_lib.readers.pool import read_pool
from pipeline_lib.readers.reader import find_reader


def listed(name, *paths, **options):
    """What a reader finds, as the layouts say what it must find."""
    samples = read_pool(READERS[name], list(map(str, paths)), **options)
    return [(sample.key, sample.said.get("label"), sample.read()) for sample in samples]


@pytest.fixture
def own_flowers(monkeypatch):
    """torchvision checks the flowers' labels by the sums of the published files; here they are those of ours."""
    flowers = load_torchvision().datasets.Flowers102

    def accept(root):
        sums = dict(flowers._file_dict)
        for name, (file, _) in flowers._file_dict.items():
            path = root / "flowers-102" / file
            if path.exists():
                sums[name] = (file, hashlib.md5(path.read_bytes()).hexdigest())
        monkeypatch.setattr(flowers, "_file_dict", sums)

    return accept


def test_a_reader_is_found_by_its_name_and_none_by_another():
    for name, reader in READERS.items():
        assert find_reader(name) is reader
    for name in ("pool", "reader", "os", "../evil", "Coco", ""):
        with pytest.raises(ValueError, match="expected the name of a reader"):
            find_reader(name)


def test_the_catalogue_loads_nothing_heavy():
    code = (
        "import sys, pipeline_lib.config.checks; "
        "print([name for name in ('torch', 'torchvision', 'scipy', 'pandas', 'webdataset') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# coco and folder


@pytest.mark.parametrize("zipped", [False, True])
def test_coco_is_read_from_the_folder_or_from_the_zip(tmp_path, zipped):
    expected = layouts.coco(tmp_path / "val2017")
    layouts.write(tmp_path / "val2017" / ".DS_Store", b"left behind")
    layouts.write(tmp_path / "val2017" / "._000000000139.jpg", b"left behind")
    if zipped:
        layouts.zip_folder(tmp_path / "val2017")
        assert listed("coco", tmp_path / "val2017.zip") == expected
        assert READERS["coco"].needs("x/val2017.zip") == ["x/val2017.zip"]
    assert listed("coco", tmp_path / "val2017", count=5) == expected


def test_the_zip_goes_before_a_folder_that_may_be_half_unpacked(tmp_path):
    expected = layouts.coco(tmp_path / "val2017")
    shutil.copytree(tmp_path / "val2017", tmp_path / "again")
    layouts.zip_folder(tmp_path / "val2017")
    (tmp_path / "again" / "000000000139.jpg").unlink()
    (tmp_path / "again").rename(tmp_path / "val2017")
    assert listed("coco", tmp_path / "val2017") == expected


def test_files_of_another_kind_in_coco_are_named(tmp_path):
    layouts.coco(tmp_path / "val2017")
    layouts.write(tmp_path / "val2017" / "COCO_val2014_000000000042.JPG", jpeg_bytes())
    with pytest.raises(ValueError, match=r"val2017: expected names of 12 digits.*COCO_val2014_000000000042\.JPG"):
        listed("coco", tmp_path / "val2017")


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (5_000, r"expected 5,000 images, found 4,952; is the copy complete\? Expected a COCO 2017 split"),
        (4_000, r"expected 4,000 images, found 4,952; are there images of something else\?"),
    ],
)
def test_a_wrong_count_is_said_with_its_likely_reason(tmp_path, monkeypatch, count, message):
    with zipfile.ZipFile(tmp_path / "val2017.zip", "w") as archive:
        for number in range(4_952):
            archive.writestr(f"val2017/{number:012d}.jpg", b"")
    with pytest.raises(ValueError, match=rf"val2017: {message}"):
        listed("coco", tmp_path / "val2017", count=count)


def test_another_split_is_recognised_by_its_count(tmp_path):
    with zipfile.ZipFile(tmp_path / "val2017.zip", "w") as archive:
        for number in range(5_000):
            archive.writestr(f"val2017/{number:012d}.jpg", b"")
    with pytest.raises(ValueError, match="expected 118,287 images, found 5,000: 5,000 is val2017; expected a COCO"):
        listed("coco", tmp_path / "val2017", count=118_287)


@pytest.mark.parametrize("kept", [0, 30, -1, -200])
def test_a_truncated_zip_is_named(tmp_path, kept):
    layouts.coco(tmp_path / "val2017")
    layouts.zip_folder(tmp_path / "val2017")
    path = tmp_path / "val2017.zip"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"val2017\.zip: not a whole zip .*; download it again"):
        listed("coco", tmp_path / "val2017")


def test_a_damaged_image_in_a_zip_is_named(tmp_path):
    layouts.coco(tmp_path / "val2017")
    layouts.zip_folder(tmp_path / "val2017")
    path = tmp_path / "val2017.zip"
    content = bytearray(path.read_bytes())
    content[content.index(layouts.picture(4)) + 40] ^= 1
    path.write_bytes(content)
    samples = read_pool(READERS["coco"], [str(tmp_path / "val2017")])
    with pytest.raises(ValueError, match=r"val2017\.zip: the image of sample 000000000167 cannot be read \(Bad CRC-32"):
        [sample.read() for sample in samples]


def test_what_a_mac_leaves_behind_in_a_zip_is_passed_over(tmp_path):
    with zipfile.ZipFile(tmp_path / "val2017.zip", "w") as archive:
        archive.writestr("val2017/000000000001.jpg", layouts.picture(1))
        archive.writestr("__MACOSX/val2017/000000000003.jpg", b"left behind")
    assert [key for key, _, _ in listed("coco", tmp_path / "val2017")] == ["000000000001"]


def test_a_folder_of_ones_own_may_be_several_and_nested(tmp_path):
    for number, name in enumerate(["VG_100K/10.jpg", "VG_100K/2.JPG", "VG_100K_2/deep/3.jpeg", "VG_100K_2/4.png"]):
        layouts.write(tmp_path / name, layouts.picture(number))
    for junk in ("VG_100K/Thumbs.db", "VG_100K/.hidden/5.jpg", "VG_100K_2/list.txt"):
        layouts.write(tmp_path / junk, b"junk")
    found = listed("folder", tmp_path / "VG_100K", tmp_path / "VG_100K_2", count=4)
    assert [key for key, _, _ in found] == ["10", "2", "4", "3"]
    layouts.write(tmp_path / "VG_100K_2" / "10.png", layouts.picture(9))
    with pytest.raises(ValueError, match=r"VG_100K_2/10\.png: key 10 occurs a second time, after .*VG_100K/10\.jpg"):
        listed("folder", tmp_path / "VG_100K", tmp_path / "VG_100K_2")


def test_keys_that_are_no_file_names_and_folders_without_images_are_refused(tmp_path):
    layouts.write(tmp_path / "a" / "photo 1.jpg", layouts.picture(1))
    with pytest.raises(ValueError, match=r"photo 1\.jpg: expected a key of letters.*found 'photo 1'"):
        listed("folder", tmp_path / "a")
    (tmp_path / "b").mkdir()
    with pytest.raises(ValueError, match=r"b: expected images .*, found none"):
        listed("folder", tmp_path / "b")
    with pytest.raises(FileNotFoundError, match=r"c: no such file or folder; expected folders or zips"):
        listed("folder", tmp_path / "c")


def test_images_are_known_by_content_and_shown_in_rgb(tmp_path):
    def encoded(mode, colour, kind):
        content = io.BytesIO()
        Image.new(mode, (20, 18), colour).save(content, kind)
        return content.getvalue()

    kinds = {
        "grey": (encoded("L", 90, "JPEG"), (90, 90, 90)),
        "cmyk": (encoded("CMYK", (0, 0, 0, 155), "JPEG"), (100, 100, 100)),
        "png": (encoded("RGB", (10, 200, 30), "PNG"), (10, 200, 30)),
        "alpha": (encoded("RGBA", (10, 200, 30, 0), "PNG"), (10, 200, 30)),
    }
    for name, (content, _) in kinds.items():
        layouts.write(tmp_path / f"{name}.JPEG", content)
    for sample in read_pool(READERS["folder"], [str(tmp_path)]):
        image = sample.decode(sample.read())
        assert image.mode == "RGB"
        assert np.abs(np.array(image.getpixel((5, 5))) - kinds[sample.key][1]).max() <= 2, sample.key
    layouts.write(tmp_path / "other.jpg", encoded("RGB", 0, "GIF"))
    (sample,) = (s for s in read_pool(READERS["folder"], [str(tmp_path)]) if s.key == "other")
    with pytest.raises(ValueError, match=r"other\.jpg: the image of sample other does not decode"):
        sample.decode(sample.read())
    os.remove(tmp_path / "other.jpg")
    with pytest.raises(ValueError, match=r"other\.jpg: the image of sample other cannot be read"):
        sample.read()


# VOC 2007


@pytest.mark.parametrize("packed", [False, True])
def test_voc_is_read_from_the_folder_or_from_the_tar(tmp_path, packed):
    expected = layouts.voc2007(tmp_path)
    if packed:
        (tmp_path / "unpacked").mkdir()
        shutil.move(tmp_path / "VOCdevkit", tmp_path / "unpacked")
        layouts.tar_files(tmp_path / "VOCtest_06-Nov-2007.tar", tmp_path / "unpacked")
    else:
        layouts.voc2007(tmp_path, split="trainval")  # both downloads unpack into one folder
    assert listed("voc2007", tmp_path, count=4) == expected


@pytest.mark.parametrize("packed", [False, True])
def test_trainval_in_the_place_of_test_is_recognised(tmp_path, packed):
    layouts.voc2007(tmp_path, split="trainval")
    if packed:
        (tmp_path / "unpacked").mkdir()
        shutil.move(tmp_path / "VOCdevkit", tmp_path / "unpacked")
        layouts.tar_files(tmp_path / "VOCtest_06-Nov-2007.tar", tmp_path / "unpacked")
        error, message = (
            ValueError,
            r"VOCtest_06-Nov-2007\.tar: .*lists train, trainval, val: this is the trainval download",
        )
    else:
        error, message = FileNotFoundError, r"ImageSets/Main/test\.txt: no such file.*the test download of VOC 2007"
    with pytest.raises(error, match=message):
        listed("voc2007", tmp_path)


def test_an_image_that_voc_lists_and_that_is_missing_is_named(tmp_path):
    layouts.voc2007(tmp_path)
    (tmp_path / "VOCdevkit" / "VOC2007" / "JPEGImages" / "000011.jpg").unlink()
    with pytest.raises(
        ValueError, match=r"1 of the 4 images in .*test\.txt are not in JPEGImages, such as 000011\.jpg"
    ):
        listed("voc2007", tmp_path)


# ImageNet


def test_imagenet_is_the_same_from_every_layout(tmp_path):
    expected = layouts.imagenet_folders(tmp_path / "folders")
    assert listed("imagenet", tmp_path / "folders", count=4) == expected
    root = tmp_path / "flat"
    assert layouts.imagenet_flat(root) == expected
    assert READERS["imagenet"].needs(str(root)) == [f"{root}/val", f"{root}/ILSVRC2012_devkit_t12"]
    assert listed("imagenet", root) == expected
    layouts.tar_files(root / "ILSVRC2012_img_val.tar", root / "val")
    shutil.rmtree(root / "val")
    (root / "kit").mkdir()
    shutil.move(root / "ILSVRC2012_devkit_t12", root / "kit")
    layouts.tar_files(root / "ILSVRC2012_devkit_t12.tar.gz", root / "kit", "w:gz")
    assert READERS["imagenet"].needs(str(root)) == [
        f"{root}/ILSVRC2012_img_val.tar",
        f"{root}/ILSVRC2012_devkit_t12.tar.gz",
    ]
    assert listed("imagenet", root, count=4) == expected


def test_imagenets_labels_are_those_of_torchvision(tmp_path):
    layouts.imagenet_folders(tmp_path)
    theirs = load_torchvision().datasets.ImageFolder(tmp_path / "val", allow_empty=True)
    expected = {Path(path).stem: label for path, label in theirs.samples}
    assert {key: label for key, label, _ in listed("imagenet", tmp_path)} == expected


def without_a_class(root):
    (root / "val" / layouts.WNIDS[500]).rmdir()


def with_an_image_beside_the_folders(root):
    layouts.write(root / "val" / "ILSVRC2012_val_00000099.JPEG", jpeg_bytes())


def with_a_training_image(root):
    layouts.write(root / "val" / layouts.WNIDS[0] / "n01440764_18.JPEG", jpeg_bytes())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_a_class, r"val: expected 1,000 folders nXXXXXXXX, one per class, found 999"),
        (with_an_image_beside_the_folders, r"in a folder nXXXXXXXX, found ILSVRC2012_val_00000099\.JPEG"),
        (with_a_training_image, r"expected names ILSVRC2012_val_NNNNNNNN\.JPEG, found .*n01440764_18\.JPEG"),
    ],
)
def test_class_folders_that_are_not_imagenets_are_refused(tmp_path, change, message):
    layouts.imagenet_folders(tmp_path)
    change(tmp_path)
    with pytest.raises(ValueError, match=message):
        listed("imagenet", tmp_path)


def test_a_development_kit_that_does_not_fit_the_images_is_refused(tmp_path):
    layouts.imagenet_flat(tmp_path)
    kit = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    truth = kit / "ILSVRC2012_validation_ground_truth.txt"
    whole = truth.read_bytes()
    truth.write_bytes(whole + b"12\n")
    with pytest.raises(ValueError, match=r"val: 4 images, but .*ground_truth\.txt of .* has labels for 5"):
        listed("imagenet", tmp_path)
    truth.write_bytes(whole.rsplit(b"\n", 2)[0] + b"\n1001\n")
    with pytest.raises(ValueError, match=r"has the class 1001, which data/meta\.mat has not"):
        listed("imagenet", tmp_path)
    (kit / "meta.mat").unlink()
    truth.write_bytes(whole)
    with pytest.raises(ValueError, match=r"devkit_t12: expected the development kit with data/meta\.mat"):
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


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_forged_cifar_runs_nothing(tmp_path):
    for name, forged in {
        "system": Evil(tmp_path / "ran"),
        "eval": {"data": Evil(tmp_path / "ran"), "labels": [1]},
    }.items():
        layouts.write(tmp_path / name / "cifar-10-batches-py" / "test_batch", pickle.dumps(forged, protocol=2))
        with pytest.raises(ValueError, match=r"test_batch: expected .* asks for posix\.system, which no copy of CIFAR"):
            listed("cifar-10", tmp_path / name)
    # texts that Python would look up, without a call
    layouts.write(tmp_path / "getattr" / "cifar-100-python" / "test", b"cbuiltins\ngetattr\n.")
    with pytest.raises(ValueError, match=r"asks for builtins\.getattr"):
        listed("cifar-100", tmp_path / "getattr")
    assert not (tmp_path / "ran").exists()


def test_a_cifar_that_is_damaged_or_something_else_is_refused(tmp_path):
    layouts.cifar(tmp_path, 10)
    batch = tmp_path / "cifar-10-batches-py" / "test_batch"
    batch.write_bytes(batch.read_bytes()[:5000])
    with pytest.raises(
        ValueError, match=r"test_batch: expected cifar-10-batches-py/test_batch of CIFAR's Python version"
    ):
        listed("cifar-10", tmp_path)
    rows = np.zeros((2, 100), dtype=np.uint8)
    batch.write_bytes(layouts.python2_pickle({"labels": [1, 2], "data": rows}))
    with pytest.raises(ValueError, match=r"expected numbers u1 of shape \(2, 3072\) .*found .u1. of shape \(2, 100\)"):
        listed("cifar-10", tmp_path)
    rows = np.zeros((2, 3072), dtype=np.uint8)
    batch.write_bytes(layouts.python2_pickle({"labels": [1, 10], "data": rows}))
    with pytest.raises(ValueError, match=r"expected for sample 00001 a label from 0 to 9, found 10"):
        listed("cifar-10", tmp_path)
    layouts.tar_files(tmp_path / "cifar-10-python.tar.gz", tmp_path, "w:gz")
    archive = tmp_path / "cifar-10-python.tar.gz"
    archive.write_bytes(archive.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"cifar-10-python\.tar\.gz: expected"):
        listed("cifar-10", tmp_path)


# Caltech-101 and the sets that go through torchvision


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


@pytest.mark.parametrize("name", ["stanford-cars", "food-101", "flowers-102", "oxford-pets"])
def test_sets_that_torchvision_knows_are_read_as_they_are(tmp_path, own_flowers, name):
    expected = getattr(layouts, name.replace("-", "_"))(tmp_path)
    own_flowers(tmp_path)
    assert all(Path(path).exists() for path in READERS[name].needs(str(tmp_path)))
    assert listed(name, tmp_path, count=len(expected)) == expected
    for sample in read_pool(READERS[name], [str(tmp_path)]):
        assert sample.decode(sample.read()).size == (20, 18)


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("stanford-cars", "stanford_cars/cars_test_annos_withlabels.mat"),
        ("food-101", "food-101/meta/test.json"),
        ("flowers-102", "flowers-102/setid.mat"),
        ("oxford-pets", "oxford-iiit-pet/annotations/test.txt"),
    ],
)
def test_a_file_of_a_labelled_set_that_is_missing_or_damaged_is_named(tmp_path, own_flowers, name, gone):
    layouts_of = getattr(layouts, name.replace("-", "_"))
    layouts_of(tmp_path)
    (tmp_path / gone).write_bytes((tmp_path / gone).read_bytes()[:20])
    own_flowers(tmp_path)
    with pytest.raises(
        ValueError, match=r"torchvision's \w+ does not take this copy|annos_withlabels\.mat: expected a MATLAB file"
    ):
        listed(name, tmp_path)
    (tmp_path / gone).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{re.escape(gone)}: no such file or folder; expected "):
        listed(name, tmp_path)


def test_other_sums_of_the_flowers_labels_are_refused(tmp_path):
    layouts.flowers_102(tmp_path)
    with pytest.raises(ValueError, match="torchvision's Flowers102 does not take this copy"):
        listed("flowers-102", tmp_path)


def test_the_cars_are_those_of_torchvision(tmp_path):
    expected = layouts.stanford_cars(tmp_path)
    theirs = load_torchvision().datasets.StanfordCars(tmp_path, split="test")
    assert [(Path(path).stem, label) for path, label in theirs._samples] == [pair[:2] for pair in expected]
    assert listed("stanford-cars", tmp_path) == expected


@pytest.mark.parametrize("name", ["stanford-cars", "food-101", "flowers-102", "oxford-pets"])
def test_a_listed_image_that_is_missing_is_named(tmp_path, own_flowers, name):
    expected = getattr(layouts, name.replace("-", "_"))(tmp_path)
    own_flowers(tmp_path)
    key = expected[2][0].rpartition("-")[2]
    (path,) = tmp_path.rglob(f"{key}.jpg")
    path.unlink()
    with pytest.raises(ValueError, match=rf"1 of {len(expected)} images .* are missing, such as .*{key}\.jpg"):
        listed(name, tmp_path)


def test_fewer_classes_than_published_are_refused(tmp_path):
    layouts.oxford_pets(tmp_path)
    path = tmp_path / "oxford-iiit-pet" / "annotations" / "test.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:20]))
    with pytest.raises(ValueError, match="expected 37 classes of OxfordIIITPet, found 20"):
        listed("oxford-pets", tmp_path)


# parts, and the command


@pytest.mark.parametrize("parts", range(1, 10))
def test_parts_are_the_pool_exactly_and_read_nothing_else(tmp_path, parts):
    keys = [key for key, _, _ in layouts.coco(tmp_path / "val2017", count=7)]
    split = [read_pool(READERS["coco"], [str(tmp_path / "val2017")], part, parts, count=7) for part in range(parts)]
    assert [sample.key for part in split for sample in part] == keys
    sizes = [len(part) for part in split]
    assert max(sizes) - min(sizes) <= 1
    with pytest.raises(ValueError, match="part must be between 0"):
        read_pool(READERS["coco"], [str(tmp_path / "val2017")], parts, parts)


def test_one_tar_may_be_split_and_its_images_are_read_when_they_are_asked_for(tmp_path):
    keys = write_pool(tmp_path / "a.tar", 5, label=3)
    halves = [read_pool(find_reader("tar"), [tmp_path / "a.tar"], part, 2, count=5) for part in (0, 1)]
    assert [sample.key for half in halves for sample in half] == keys
    assert {sample.said["label"] for half in halves for sample in half} == {3}
    (tmp_path / "a.tar").unlink()
    with pytest.raises(ValueError, match=r"a\.tar: the image of sample 000000000 cannot be read"):
        halves[0][0].read()


def test_a_reader_is_given_as_many_paths_as_it_takes():
    with pytest.raises(ValueError, match="a, b: the reader takes another number of paths; expected a COCO 2017 split"):
        read_pool(READERS["coco"], ["a", "b"])


def test_parts_of_a_pool_are_encoded_from_the_files_as_distributed(tmp_path, tiny_checkpoint, monkeypatch):
    from pipeline_lib.features import encode
    from pipeline_lib.features.store import load_features

    _, labels = layouts.cifar(tmp_path, 10)

    def run(part, count):
        options = {
            "--weights": tiny_checkpoint,
            "--reader": "cifar-10",
            "--images": tmp_path,
            "--part": part,
            "--parts": 2,
            "--count": count,
            "--batch-size": 2,
            "--precision": "fp32",
            "--threads": 2,
            "--output": tmp_path / f"{part}.safetensors",
        }
        monkeypatch.setattr(sys, "argv", ["encode", *(str(word) for option in options.items() for word in option)])
        encode.main()

    with pytest.raises(ValueError, match=r"expected 10,000 images, found 6; is the copy complete\?"):
        run(1, 10_000)
    run(0, 6)
    run(1, 6)
    found = load_features([tmp_path / "0.safetensors", tmp_path / "1.safetensors"])
    assert found.keys == [f"{row:05d}" for row in range(6)]
    assert found.labels.tolist() == labels
