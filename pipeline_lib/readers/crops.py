"""Reader `crops`: the boxes of NegRefCOCOg, cut out of COCO's images; a sample per item and box.

Annotations: a JSON list as published, ``[{"image", "phrase", "ref_bbox", "bbox_list"}]``; a box is x, y, width, height
in pixels, COCO's way. A crop's key is ``IMAGE-ITEM-BOX``: file name without extension, number of the item in the file,
number of the box in the item's list.
"""

import io
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pipeline_lib.formats.annotations import image_key, read_list, texts
from pipeline_lib.formats.images import Sample
from pipeline_lib.jobs.quoted import quoted
from pipeline_lib.readers import coco
from pipeline_lib.readers.containers import File, images_by_name
from pipeline_lib.readers.reader import Reader

OUTSIDE_PX = 1.0  # a box may end so far outside its image: annotators' boxes are rounded
Box = tuple[float, float, float, float]


def read_boxes(path: str | Path) -> list[dict]:
    """Return the items of an annotation file.

    Parameters
    ----------
    path : str or Path
        The JSON file.

    Returns
    -------
    list of dict
        ``image`` (file name without extension), ``phrase``, ``boxes`` (list of (x, y, width, height)), ``right``
        (number of the box that the phrase means), ``keys`` (of the crops, in the order of the boxes).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If an item lacks a field, has fewer than two boxes or one without area, or does not list the box that it means
        exactly once; the message names file and item.
    """
    items = []
    for number, item in enumerate(read_list(path)):
        where = f"{path}, item {number}"
        image, phrase = texts(item, ("image", "phrase"), where)
        listed = item.get("bbox_list")
        if not isinstance(listed, list) or len(listed) < 2:
            raise ValueError(
                f"{where}: expected bbox_list to be a list of two boxes or more, found {quoted(listed, 100)}"
            )
        boxes, right = [_box(box, where) for box in listed], _box(item.get("ref_bbox"), where)
        if boxes.count(right) != 1:
            raise ValueError(f"{where}: expected ref_bbox once in bbox_list, found it {boxes.count(right)} times")
        image = image_key(image, where)
        keys = [f"{image}-{number:04d}-{place}" for place in range(len(boxes))]
        items.append({"image": image, "phrase": phrase, "boxes": boxes, "right": boxes.index(right), "keys": keys})
    return items


def _box(box: object, where: str) -> Box:
    numbers = isinstance(box, list) and len(box) == 4 and all(type(side) in (int, float) for side in box)
    if not numbers or not all(map(math.isfinite, box)) or min(box[2:]) <= 0:
        raise ValueError(f"{where}: expected a box of x, y, width and height in pixels, found {quoted(box, 100)}")
    return tuple(map(float, box))


def needs(annotations: str, images: str) -> list[str]:
    """Return the annotations, and the zip beside the folder `images` or that folder."""
    return [annotations, *coco.needs(images)]


def read(annotations: str, images: str) -> Iterator[Sample]:
    """Yield a crop for each item and box, in the order of the annotations; it is cut out when it is read."""
    _, folder = needs(annotations, images)
    files = images_by_name([folder])
    for number, item in enumerate(read_boxes(annotations)):
        where = f"{annotations}, item {number}"
        if item["image"] not in files:
            raise ValueError(f"{where}: expected the image {item['image']}.jpg in {folder}, found none")
        file = files[item["image"]]
        for key, box in zip(item["keys"], item["boxes"], strict=True):
            yield Sample(file.source, key, partial(cut, file, box, f"{where}, {file.name}"), {})


def cut(file: File, box: Box, where: str) -> bytes:
    """Return what a box shows of an image, as PNG: lossless, so that a crop is what was cut out.

    Raises
    ------
    ValueError
        If the image does not decode, is smaller than the box says, as a resized copy would be, or the box has no pixel;
        the message begins with `where`.
    """
    sample = Sample(where, file.stem, file.load, {})
    image = sample.decode(sample.read())
    x, y, width, height = box
    right, bottom = x + width, y + height
    outside = max(-x, -y, right - image.width, bottom - image.height)
    if outside > OUTSIDE_PX:
        raise ValueError(
            f"{where}: the box from ({x:g}, {y:g}) to ({right:g}, {bottom:g}) ends {outside:g} pixels outside the "
            f"image of {image.width} × {image.height}; expected the image as COCO distributes it, not resized"
        )
    if round(right) <= round(x) or round(bottom) <= round(y):
        raise ValueError(f"{where}: the box {box} has no pixel")
    content = io.BytesIO()
    image.crop((x, y, right, bottom)).save(content, "PNG")  # Pillow rounds the corners
    return content.getvalue()


READER = Reader(
    read,
    "NegRefCOCOg's annotations, and COCO's train2014.zip as distributed or the folder in it",
    needs,
)
