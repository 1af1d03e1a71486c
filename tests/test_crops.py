"""Crops of NegRefCOCOg's boxes: where they are cut, from where, and mistakes named by item."""

import json
import zipfile

import pytest
from conftest import jpeg_bytes

from pipeline_lib.readers.pool import read_pool
from pipeline_lib.readers.reader import find_reader


def cut_out(annotations, images):
    """The crops by key."""
    samples = read_pool("crops", [annotations, images])
    return {sample.key: sample.decode(sample.read()) for sample in samples}


def write_boxes(folder, **changes):
    """An item, changed, on an image of 40 x 36 pixels."""
    (folder / "a.jpg").write_bytes(jpeg_bytes())
    item = {"image": "a.jpg", "phrase": "no dog", "ref_bbox": [0, 0, 9, 9], "bbox_list": [[0, 0, 9, 9], [1, 1, 30, 30]]}
    (folder / "boxes.json").write_text(json.dumps([{**item, **changes}]))
    return folder / "boxes.json"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phrase": " "}, "item 0: expected the texts image, phrase"),
        ({"bbox_list": [[0, 0, 9, 9]]}, "item 0: expected bbox_list to be a list of two boxes or more"),
        ({"bbox_list": [[1, 0, 9, 9], [0, 0, 9, 8]]}, "item 0: expected ref_bbox once in bbox_list, found it 0 times"),
        ({"bbox_list": [[0, 0, 9, 9], [0.0, 0, 9, 9]]}, "item 0: expected ref_bbox once in bbox_list, found it 2 "),
        ({"ref_bbox": [0, 0, 9]}, "item 0: expected a box of x, y, width and height"),
        ({"bbox_list": [[0, 0, 9, 9], [0, 0, 0, 9]]}, "item 0: expected a box of x, y, width and height"),
        ({"bbox_list": [[0, 0, 9, 9], [0, 0, "4", 9]]}, "item 0: expected a box of x, y, width and height"),
        ({"bbox_list": [[0, 0, 9, 9], [0, 0, True, 9]]}, "item 0: expected a box of x, y, width and height"),
        ({"bbox_list": [[0, 0, 9, 9], [30, 0, 12, 9]]}, r"from \(30, 0\) to \(42, 9\) ends 2 pixels outside the image"),
        ({"bbox_list": [[0, 0, 9, 9], [-3, 0, 12, 9]]}, "ends 3 pixels outside the image of 40 × 36; expected the"),
        ({"bbox_list": [[0, 0, 9, 9], [3.6, 0, 0.3, 9]]}, "has no pixel"),
        ({"image": "a b.jpg"}, "item 0: expected an image's file name"),
    ],
)
def test_a_bad_box_is_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        cut_out(write_boxes(tmp_path, **changes), tmp_path)


def test_a_box_may_end_within_a_pixel_outside_its_image(tmp_path):
    found = cut_out(write_boxes(tmp_path, bbox_list=[[0, 0, 9, 9], [30, 0, 10.9, 36]]), tmp_path)
    assert list(found) == ["a-0000-0", "a-0000-1"]
    assert found["a-0000-1"].size == (11, 36)


def test_crops_come_from_the_zip_as_distributed(tmp_path):
    path = write_boxes(tmp_path)
    with zipfile.ZipFile(tmp_path / "train2014.zip", "w") as archive:
        archive.write(tmp_path / "a.jpg", "train2014/a.jpg")
    assert find_reader("crops").needs(str(path), f"{tmp_path}/train2014") == [str(path), f"{tmp_path}/train2014.zip"]
    assert cut_out(path, tmp_path / "train2014") == cut_out(path, tmp_path)


def test_an_image_that_is_missing_or_does_not_decode_is_named(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    path = write_boxes(tmp_path, image="../a.jpg")  # which lies there, and is not looked for there
    (folder / "b.jpg").write_bytes(jpeg_bytes())
    with pytest.raises(ValueError, match=r"boxes\.json, item 0: expected the image a\.jpg in .*images, found none"):
        cut_out(path, folder)
    (folder / "a.jpg").write_bytes(b"\xff\xd8 not a photo")
    with pytest.raises(ValueError, match=r"boxes\.json, item 0, a\.jpg: the image of sample a does not decode"):
        cut_out(path, folder)
