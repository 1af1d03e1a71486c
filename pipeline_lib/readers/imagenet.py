"""Reader `imagenet`: the validation images of ImageNet-1k (ILSVRC 2012), in the order of their numbers.

Keys are the names, ``ILSVRC2012_val_00000001``. A label is the position of the image's WordNet number among the 1,000
in sorted order, as CLIP's class names are. Keys, order and labels are the same from either layout:

- ``val/nXXXXXXXX/*.JPEG``: a folder per class;
- ILSVRC2012_img_val.tar, or the flat folder ``val`` unpacked from it, with the development kit
  (ILSVRC2012_devkit_t12.tar.gz, or its folder), whose list names each image's class by a number of its own.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline_lib.formats import MAX_TABLE_BYTES
from pipeline_lib.formats.images import Sample
from pipeline_lib.formats.tars import read_packed
from pipeline_lib.jobs.text import decode_text
from pipeline_lib.readers.containers import File, list_images
from pipeline_lib.readers.mat import read_mat
from pipeline_lib.readers.reader import Reader, present

IMAGES = "ILSVRC2012_img_val.tar"
KIT = "ILSVRC2012_devkit_t12"
TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
META = "data/meta.mat"
CLASSES = 1000


def _class_folders(root: str) -> list[str]:
    return sorted(path.name for path in Path(root, "val").glob("n????????/"))


def _needs(root: str) -> list[str]:
    if _class_folders(root):
        return [f"{root}/val"]
    return [present(f"{root}/{IMAGES}", f"{root}/val"), present(f"{root}/{KIT}.tar.gz", f"{root}/{KIT}")]


def _read(root: str) -> Iterator[Sample]:
    images, *kit = _needs(root)
    files = list_images(images)
    for file in files:
        if not re.fullmatch(r"ILSVRC2012_val_\d{8}", file.stem):
            raise ValueError(f"{images}: expected names ILSVRC2012_val_NNNNNNNN.JPEG, found {file.name}")
    files.sort(key=lambda file: file.stem)
    labels = _labels_of_kit(kit[0], images, len(files)) if kit else _labels_of_folders(images, files, root)
    for file, label in zip(files, labels, strict=True):
        yield Sample(file.source, file.stem, file.load, {"label": label})


def _labels_of_folders(folder: str, files: list[File], root: str) -> list[int]:
    wnids = _class_folders(root)
    if len(wnids) != CLASSES:
        raise ValueError(f"{folder}: expected {CLASSES:,} folders nXXXXXXXX, one per class, found {len(wnids):,}")
    place = {wnid: label for label, wnid in enumerate(wnids)}
    if strays := [file.name for file in files if file.name.split("/")[0] not in place]:
        raise ValueError(f"{folder}: expected every image in a folder nXXXXXXXX, found {strays[0]}")
    return [place[file.name.split("/")[0]] for file in files]


def _labels_of_kit(kit: str, images: str, count: int) -> list[int]:
    """Return labels by the development kit: image number -> the kit's class number -> WordNet number -> position."""
    truth, meta = _kit_file(kit, TRUTH), _kit_file(kit, META)
    try:
        truth = [int(line) for line in decode_text(truth, kit).split()]
        # The WordNet numbers of the classes without children, by the kit's class number.
        leaves = [synset for synset in read_mat(meta, "synsets") if synset["num_children"] == [0]]
        wnid_of = {int(synset["ILSVRC2012_ID"][0]): str(synset["WNID"]) for synset in leaves}
    except (ValueError, KeyError, TypeError, IndexError) as error:  # damaged, or with other fields or types
        raise ValueError(f"{kit}: expected whole files {TRUTH} and {META}, found others ({error!r:.200})") from error
    if len(truth) != count:
        raise ValueError(f"{images}: {count:,} images, but {TRUTH} of {kit} has labels for {len(truth):,}")
    if len(wnid_of) != CLASSES or len(set(wnid_of.values())) != CLASSES:
        raise ValueError(f"{kit}: expected {CLASSES:,} classes without children in {META}, found {len(wnid_of):,}")
    if strange := set(truth) - set(wnid_of):
        raise ValueError(f"{kit}: {TRUTH} has the class {min(strange)}, which is not in {META}")
    place = {wnid: label for label, wnid in enumerate(sorted(wnid_of.values()))}
    return [place[wnid_of[number]] for number in truth]


def _kit_file(kit: str, name: str) -> bytes:
    """Return a file of the development kit, unpacked or not."""
    if not Path(kit).is_dir():
        return read_packed(kit, f"{KIT}/{name}", MAX_TABLE_BYTES)
    if not Path(kit, name).is_file():
        raise ValueError(f"{kit}: expected the development kit with {name}, which is not there")
    return Path(kit, name).read_bytes()


IMAGENET = Reader(
    _read,
    f"ImageNet-1k's validation images: val/ with a folder nXXXXXXXX per class, or {IMAGES} (or val/ unpacked from it) "
    f"and {KIT}.tar.gz (or its folder)",
    _needs,
    classes=CLASSES,
    counts={1_281_167: "the training images", 100_000: "the test images"},
)
