"""Readers `crepe` and `crops`: regions cut out of images, as PNGs, so that a crop is what was cut out, to the bit.

- `crepe`: the regions of CREPE-Negate, cut out of Visual Genome's images, by complexity and row. A region that reaches
  beyond its image is filled up with black, as CREPE's own evaluation does.
- `crops`: the boxes of NegRefCOCOg, cut out of COCO's images; a sample per item and box. Annotations: a JSON list as
  published, ``[{"image", "phrase", "ref_bbox", "bbox_list"}]``; a box is x, y, width, height in pixels, COCO's way. A
  key is ``IMAGE-ITEM-BOX``: file name without extension, number of the item in the file, of the box in its list.
"""

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from pipeline_lib.formats.annotations import image_key, read_items, texts
from pipeline_lib.formats.crepe import Region, captions_files, read_crepe
from pipeline_lib.formats.images import Sample
from pipeline_lib.formats.pixels import encoded
from pipeline_lib.jobs.quoted import quoted
from pipeline_lib.readers.containers import File, images_by_name
from pipeline_lib.readers.plain import zip_or_folder
from pipeline_lib.readers.reader import Reader

OUTSIDE_PX = 1.0  # a box may end so far outside its image: annotators' boxes are rounded
Box = tuple[float, float, float, float]


def _decoded(source: str | Path, file: File) -> Image.Image:
    sample = Sample(source, file.stem, file.load, {})
    return sample.decode(sample.read())


def _read_crepe(captions: str, image_folder: str, *more_images: str) -> Iterator[Sample]:
    files = images_by_name((image_folder, *more_images))
    for region in read_crepe(captions):
        if region.image_id not in files:
            places = ", ".join((image_folder, *more_images))
            raise FileNotFoundError(f"{places}: expected the image {region.image_id}.jpg of {region.where}")
        file = files[region.image_id]
        yield Sample(file.source, region.key, partial(_cut_region, file, region), {})


def _cut_region(file: File, region: Region) -> bytes:
    x, y, width, height = region.box
    image = _decoded(file.source, file)
    off = x >= image.width or y >= image.height or x + width <= 0 or y + height <= 0
    if off or width > 2 * image.width or height > 2 * image.height:
        raise ValueError(
            f"{region.where}: the region {region.box} is not in {file.name} of {image.width} × {image.height} pixels; "
            "expected the image as Visual Genome distributes it, not resized"
        )
    return encoded(image.crop((x, y, x + width, y + height)), "PNG", compress_level=1)


CREPE = Reader(
    _read_crepe,
    "CREPE-Negate's folder of CSV files, prod_hard_negatives/negate, then folders or zips of Visual Genome's images",
    lambda captions, *images: [*captions_files(captions), *images],
)


def read_boxes(path: str | Path) -> list[dict]:
    """Return the items of NegRefCOCOg's annotations.

    Each has ``image`` (file name without extension), ``phrase``, ``boxes`` (two or more, each x, y, width and height
    with an area), ``right`` (number of the box that the phrase means), ``keys`` (of the crops, in order of the boxes).
    """
    items = []
    for number, item in enumerate(read_items(path, list)):
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


def _read_negrefcocog(annotations: str, images: str) -> Iterator[Sample]:
    (folder,) = zip_or_folder(images)
    files = images_by_name([folder])
    for number, item in enumerate(read_boxes(annotations)):
        where = f"{annotations}, item {number}"
        if item["image"] not in files:
            raise ValueError(f"{where}: expected the image {item['image']}.jpg in {folder}, found none")
        file = files[item["image"]]
        for key, box in zip(item["keys"], item["boxes"], strict=True):
            yield Sample(file.source, key, partial(_cut_box, file, box, f"{where}, {file.name}"), {})


def _cut_box(file: File, box: Box, where: str) -> bytes:
    image = _decoded(where, file)
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
    return encoded(image.crop((x, y, right, bottom)), "PNG")  # Pillow rounds the corners


NEGREFCOCOG = Reader(
    _read_negrefcocog,
    "NegRefCOCOg's annotations, and COCO's train2014.zip as distributed or the folder in it",
    lambda annotations, images: [annotations, *zip_or_folder(images)],
)
