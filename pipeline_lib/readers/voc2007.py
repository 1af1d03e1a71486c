"""Reader `voc2007`: the test split of PASCAL VOC 2007, in the order of its list; keys are the 6-digit names.

It is a download of its own, VOCtest_06-Nov-2007.tar. The better known trainval download has 5,011 other images.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline_lib.formats.images import Sample
from pipeline_lib.jobs.text import decode_text
from pipeline_lib.readers.containers import list_files
from pipeline_lib.readers.reader import Reader, present

ARCHIVE = "VOCtest_06-Nov-2007.tar"
FOLDER = "VOCdevkit/VOC2007"
READ = re.compile(r"(?:.*/)?(?:JPEGImages/(?P<key>\d{6})\.jpg|ImageSets/Main/(?P<list>train|val|trainval|test)\.txt)")
LIST = "ImageSets/Main/test.txt"


def _needs(root: str) -> list[str]:
    if Path(root, ARCHIVE).exists() or not Path(root, FOLDER).exists():
        return [f"{root}/{ARCHIVE}"]
    return [f"{root}/{FOLDER}/JPEGImages", f"{root}/{FOLDER}/{LIST}"]


def _read(root: str) -> Iterator[Sample]:
    where = present(f"{root}/{ARCHIVE}", f"{root}/{FOLDER}")
    images, lists = {}, {}
    for file in list_files(where, READ.fullmatch):
        found = READ.fullmatch(file.name)
        (images if found["key"] else lists)[found["key"] or found["list"]] = file
    if "test" not in lists:
        found = f"the lists {', '.join(sorted(lists))}: this is the trainval download" if lists else "no list at all"
        raise ValueError(f"{where}: expected {LIST}, found {found}; expected {VOC2007.layout}")
    keys = decode_text(lists["test"].load(), lists["test"].source).split()
    if missing := [key for key in keys if key not in images]:
        raise ValueError(
            f"{where}: {len(missing):,} of the {len(keys):,} images in {LIST} are not in JPEGImages, such as "
            f"{missing[0]}.jpg; expected {VOC2007.layout}"
        )
    for key in keys:
        yield Sample(images[key].source, key, images[key].load, {})


VOC2007 = Reader(
    _read,
    f"the test download of VOC 2007, {ARCHIVE} as distributed or {FOLDER} unpacked from it; the trainval download has "
    "none of its images",
    _needs,
    counts={5_011: "VOC 2007 trainval", 9_963: "VOC 2007 trainval and test together"},
)
