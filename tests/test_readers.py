"""Readers of images without labels, and what holds for every reader; test_readers_sets has the labelled sets."""

import shutil
import subprocess
import sys
import zipfile

import layouts
import pytest
from conftest import ROOT, call, jpeg_bytes, write_pool
from layouts import listed

from pipeline_lib.features import encode
from pipeline_lib.features.store import load_features
from pipeline_lib.readers.catalogue import READER_PLACES
from pipeline_lib.readers.pool import read_pool
from pipeline_lib.readers.reader import Reader, find_reader, module_name


def test_a_reader_is_found_by_its_name_and_none_by_another():
    for name in READER_PLACES:
        assert isinstance(find_reader(name), Reader)
    assert find_reader("cifar-10") is not find_reader("cifar-100")
    assert module_name("cifar-10") == module_name("cifar-100") == "cifar"
    for name in ("pool", "reader", "os", "../evil", "Coco", ""):
        with pytest.raises(ValueError, match="expected the name of a reader"):
            find_reader(name)


def test_no_reader_loads_anything_heavy_and_one_loads_no_other():
    code = (
        "import sys, pipeline_lib.config.checks; from pipeline_lib.readers import catalogue, reader; "
        "reader.find_reader('voc2007'); one = 'pipeline_lib.readers.cifar' in sys.modules; "
        "[reader.find_reader(name) for name in catalogue.READER_PLACES]; "
        "print(one, {'torch', 'torchvision', 'scipy', 'pandas', 'webdataset'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False set()"


# coco and folder


@pytest.mark.parametrize("zipped", [False, True])
def test_coco_is_read_from_the_folder_or_from_the_zip(tmp_path, zipped):
    expected = layouts.coco(tmp_path / "val2017")
    for junk in (".DS_Store", "._000000000139.jpg", "__MACOSX/000000000003.jpg"):
        layouts.write(tmp_path / "val2017" / junk, b"left behind")
    if zipped:
        shutil.copytree(tmp_path / "val2017", tmp_path / "again")
        layouts.zip_folder(tmp_path / "val2017")
        assert listed("coco", tmp_path / "val2017.zip") == expected
        assert find_reader("coco").needs("x/val2017.zip") == ["x/val2017.zip"]
        (tmp_path / "again" / "000000000139.jpg").unlink()  # the zip goes before a folder that may be half unpacked
        (tmp_path / "again").rename(tmp_path / "val2017")
    for path in (tmp_path / "val2017", f"{tmp_path}/val2017/"):
        assert listed("coco", path, count=5) == expected


def test_files_of_another_kind_in_coco_are_named(tmp_path):
    layouts.coco(tmp_path / "val2017")
    layouts.write(tmp_path / "val2017" / "COCO_val2014_000000000042.JPG", jpeg_bytes())
    with pytest.raises(ValueError, match=r"val2017: expected names of 12 digits.*COCO_val2014_000000000042\.JPG"):
        listed("coco", tmp_path / "val2017")


@pytest.mark.parametrize(
    ("found", "count", "message"),
    [
        (4_952, 5_000, r"expected 5,000 images, found 4,952; is the copy complete\? Expected a COCO 2017 split"),
        (4_952, 4_000, r"expected 4,000 images, found 4,952; are there images of something else\?"),
        (5_000, 118_287, "expected 118,287 images, found 5,000: 5,000 is val2017; expected a COCO"),
    ],
)
def test_a_wrong_count_is_said_with_its_likely_reason(tmp_path, found, count, message):
    with zipfile.ZipFile(tmp_path / "val2017.zip", "w") as archive:
        for number in range(found):
            archive.writestr(f"val2017/{number:012d}.jpg", b"")
    with pytest.raises(ValueError, match=rf"val2017: {message}"):
        listed("coco", tmp_path / "val2017", count=count)


def test_a_damaged_image_in_a_zip_is_named(tmp_path):
    layouts.coco(tmp_path / "val2017")
    layouts.zip_folder(tmp_path / "val2017")
    path = tmp_path / "val2017.zip"
    content = bytearray(path.read_bytes())
    content[content.index(layouts.picture(4)) + 40] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"val2017\.zip: the image of sample 000000000167 cannot be read \(Bad CRC-32"):
        listed("coco", tmp_path / "val2017")


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
    (tmp_path / "b").mkdir()
    for name, mistake, message in (
        ("a", ValueError, r"photo 1\.jpg: expected a key of letters.*found 'photo 1'"),
        ("b", ValueError, r"b: expected images .*, found no file"),
        ("c", FileNotFoundError, "c: no such file or folder; expected folders or zips"),
    ):
        with pytest.raises(mistake, match=message):
            listed("folder", tmp_path / name)


# VOC 2007


def pack_voc(root):
    """Turn the unpacked folder into the tar of the download."""
    (root / "unpacked").mkdir()
    shutil.move(root / "VOCdevkit", root / "unpacked")
    layouts.tar_files(root / "VOCtest_06-Nov-2007.tar", root / "unpacked")


def test_voc_is_read_from_the_folder_or_from_the_tar(tmp_path):
    expected = layouts.voc2007(tmp_path)
    layouts.voc2007(tmp_path, split="trainval")  # both downloads unpack into one folder
    assert listed("voc2007", tmp_path, count=4) == expected
    pack_voc(tmp_path)
    assert listed("voc2007", tmp_path, count=4) == expected


def test_trainval_in_the_place_of_test_is_recognised(tmp_path):
    layouts.voc2007(tmp_path, split="trainval")
    with pytest.raises(FileNotFoundError, match=r"ImageSets/Main/test\.txt: no such file.*the test download of VOC"):
        listed("voc2007", tmp_path)
    pack_voc(tmp_path)
    message = r"VOCtest_06-Nov-2007\.tar: .*lists train, trainval, val: this is the trainval download"
    with pytest.raises(ValueError, match=message):
        listed("voc2007", tmp_path)


def test_an_image_that_voc_lists_and_that_is_missing_is_named(tmp_path):
    layouts.voc2007(tmp_path)
    (tmp_path / "VOCdevkit" / "VOC2007" / "JPEGImages" / "000011.jpg").unlink()
    message = r"1 of the 4 images in .*test\.txt are not in JPEGImages, such as 000011\.jpg"
    with pytest.raises(ValueError, match=message):
        listed("voc2007", tmp_path)


# parts, and the command


def test_one_tar_may_be_split_and_its_images_are_read_when_they_are_asked_for(tmp_path):
    keys = write_pool(tmp_path / "a.tar", 5, label=3)
    halves = [read_pool("tar", [tmp_path / "a.tar"], part, 2, count=5) for part in (0, 1)]
    assert [sample.key for half in halves for sample in half] == keys
    assert {sample.said["label"] for half in halves for sample in half} == {3}
    (tmp_path / "a.tar").unlink()
    with pytest.raises(ValueError, match=r"a\.tar: the image of sample 000000000 cannot be read"):
        halves[0][0].read()


def test_a_reader_is_given_as_many_paths_as_it_takes():
    with pytest.raises(ValueError, match="a, b: the reader does not take 2 paths; expected a COCO 2017 split"):
        read_pool("coco", ["a", "b"])


def test_parts_of_a_pool_are_encoded_from_the_files_as_distributed(tmp_path, tiny_checkpoint):
    _, labels = layouts.cifar(tmp_path, 10)
    shards = [tmp_path / f"{part}.safetensors" for part in (0, 1)]

    def run(part, count):
        paths = ("--weights", tiny_checkpoint, "--images", tmp_path, "--output", shards[part])
        options = ["--reader", "cifar-10", "--parts", "2", "--batch-size", "2", "--precision", "fp32", "--threads", "2"]
        return call(encode.main, *paths, *options, "--part", part, "--count", count)

    assert "expected 10,000 images, found 6; is the copy complete?" in run(1, 10_000)
    assert run(0, 6) is run(1, 6) is None
    found = load_features(shards)
    assert found.keys == [f"{row:05d}" for row in range(6)]
    assert found.labels.tolist() == labels
