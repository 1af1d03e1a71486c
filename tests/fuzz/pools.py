"""What a kind of input is, and the kinds that hold images: archives and folders in every layout that has a reader."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import layouts
from conftest import jpeg_bytes, write_pool
from hostile import zipped
from PIL import Image

from pipeline_lib.fetch import Failed
from pipeline_lib.fetch.images import prepare
from pipeline_lib.formats.crepe import captions_files
from pipeline_lib.formats.pixels import encoded
from pipeline_lib.readers.crops import read_boxes
from pipeline_lib.readers.pool import read_pool
from pipeline_lib.shards.crepe import triplets_of


class Input(NamedTuple):
    """A kind of input that other people make."""

    write: Callable[[Path], object]  # writes valid files into a folder
    read: Callable[[Path], object]  # reads what lies in the folder
    damaged: str = "**/*"  # which of the files are replaced by damaged ones
    refusals: tuple[type, ...] = ()  # of answers and images, refused one by one, beside those two errors


def files(contents: dict[str, bytes | str]) -> Callable[[Path], None]:
    """Return a function that writes files, by name, into a folder."""

    def write(folder: Path) -> None:
        for name, content in contents.items():
            layouts.write(folder / name, content.encode() if isinstance(content, str) else content)

    return write


def at(name: str, read: Callable[[Path], object]) -> Callable[[Path], object]:
    """Return a function that reads the file of this name in a folder."""
    return lambda folder: read(folder / name)


def pool(reader: str, *names: str) -> Callable[[Path], None]:
    """Return a function that decodes all images of a pool in a folder."""

    def read(folder: Path) -> None:
        for sample in read_pool(reader, [str(folder / name) for name in names or ("",)]):
            sample.decode(sample.read())

    return read


def packed(name: str, write: Callable[[Path], object], mode: str = "w") -> Callable[[Path], None]:
    """Return a function that packs what `write` writes into a tar."""

    def pack(folder: Path) -> None:
        write(folder / "unpacked")
        layouts.tar_files(folder / name, folder / "unpacked", mode)

    return pack


def imagenet_packed(folder: Path) -> None:
    layouts.imagenet_flat(folder)
    kit = folder / "kit" / "ILSVRC2012_devkit_t12"
    kit.parent.mkdir()
    (folder / kit.name).rename(kit)
    layouts.tar_files(folder / f"{kit.name}.tar.gz", kit.parent, "w:gz")


def images(folder: Path) -> None:
    layouts.write(folder / "images" / "a.jpg", JPEG)
    for number, form in enumerate(("PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF")):
        content = encoded(Image.new("RGBA", (9, 7), (1, 2, 3, 4)), form)
        layouts.write(folder / "images" / f"{number}.{form.lower()}", content)


def read_fetched(folder: Path) -> None:
    for path in (folder / "images").iterdir():
        for size in (None, 16):
            prepare(path.read_bytes(), size, 1_000_000)


def read_crepe(folder: Path) -> None:
    triplets_of(folder / "negate")
    pool("crepe", "negate", "vg")(folder)


def read_crops(folder: Path) -> None:
    read_boxes(folder / "boxes.json")
    pool("crops", "boxes.json", "train2014")(folder)


JPEG, CIFAR_100 = jpeg_bytes(), partial(layouts.cifar, classes=100, count=2)
CREPE = "image_id,x,y,width,height,caption,hard_negs\n7,1,2,8,9,a dog on a sofa,\"['no dog on a sofa', 'a dog']\"\n"
BOXES = [[1, 2, 8.5, 9], [0, 0, 3, 3]]
CROPS = json.dumps([{"image": "7.jpg", "phrase": "not a dog", "ref_bbox": BOXES[0], "bbox_list": BOXES}] * 2)
PHOTOS = files({"val2017.zip": zipped(*((f"val2017/{n:012d}.jpg", layouts.picture(n)) for n in range(3)))})
POOLS = {
    "tar": Input(lambda folder: write_pool(folder / "a.tar", 3, label=1), pool("tar", "a.tar")),
    "zip": Input(PHOTOS, pool("coco", "val2017.zip")),
    "images": Input(images, pool("folder", "images")),
    "images-fetched": Input(images, read_fetched, refusals=(Failed,)),
    "voc2007": Input(packed("VOCtest_06-Nov-2007.tar", layouts.voc2007), pool("voc2007"), "*.tar"),
    "imagenet": Input(layouts.imagenet_flat, pool("imagenet"), "ILSVRC2012_devkit_t12/data/*"),
    "imagenet-kit": Input(imagenet_packed, pool("imagenet"), "*.tar.gz"),
    "cifar-10": Input(lambda folder: layouts.cifar(folder, 10, 2), pool("cifar-10")),
    "cifar-100-packed": Input(packed("cifar-100-python.tar.gz", CIFAR_100, "w:gz"), pool("cifar-100"), "*.tar.gz"),
    "stanford-cars": Input(layouts.stanford_cars, pool("stanford-cars"), "stanford_cars/**/*.mat"),
    "food-101": Input(layouts.food_101, pool("food-101"), "food-101/meta/test.json"),
    "oxford-pets": Input(layouts.oxford_pets, pool("oxford-pets"), "oxford-iiit-pet/annotations/test.txt"),
    "crepe": Input(
        files(dict.fromkeys(captions_files("negate"), CREPE) | {"vg/7.jpg": JPEG}), read_crepe, "negate/*_7.csv"
    ),
    "crops": Input(files({"boxes.json": CROPS, "train2014/7.jpg": JPEG}), read_crops),
}
