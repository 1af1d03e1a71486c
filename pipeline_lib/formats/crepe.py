"""Read CREPE-Negate as distributed: captions of regions of Visual Genome's images, each with negated hard negatives.

In the folder ``prod_hard_negatives/negate`` there is a CSV file per complexity: the number of objects, attributes and
relations in a caption. Its columns are ``image_id``; ``x``, ``y``, ``width``, ``height`` of the region in pixels;
``caption``; and ``hard_negs``, a list of texts as a Python literal, which is parsed and never evaluated.
"""

import re
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.formats.annotations import read_rows, string_list

COMPLEXITIES = range(4, 13)
BOX = ("x", "y", "width", "height")
COLUMNS = ("image_id", *BOX, "caption", "hard_negs")


class Region(NamedTuple):
    """A row; a region that has captions of several complexities is several rows."""

    key: str  # ``04-00017``: complexity, and number of the row in its file
    image_id: str  # the name of the image's file in Visual Genome, without suffix
    box: tuple[int, int, int, int]  # x, y, width and height in pixels; it may reach beyond the image
    caption: str  # true
    hard_negatives: list[str]  # negated captions, false
    where: str  # file and line, for messages


def captions_files(folder: str) -> list[str]:
    """Return the CSV files of the folder, by complexity."""
    return [f"{folder}/prod_vg_hard_negs_negate_complexity_{complexity}.csv" for complexity in COMPLEXITIES]


def read_crepe(folder: str | Path) -> list[Region]:
    """Return the rows of all files, by complexity."""
    regions = []
    for complexity, path in zip(COMPLEXITIES, captions_files(str(folder)), strict=True):
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: CREPE-Negate has a file per complexity, 4 to 12, this one is missing")
        for number, (where, row) in enumerate(read_rows(path, COLUMNS)):
            regions.append(_region(f"{complexity:02d}-{number:05d}", where, row))
    return regions


def _region(key: str, where: str, row: dict[str, str]) -> Region:
    image_id = row["image_id"].removesuffix(".0")  # as pandas writes a column with an empty cell
    if not re.fullmatch(r"[0-9]+", image_id):
        raise ValueError(f"{where}: expected an image_id of digits, found {image_id!r:.50}")
    if not all(re.fullmatch(r"-?[0-9]{1,6}(\.0)?", row[side]) for side in BOX):
        raise ValueError(f"{where}: expected whole pixels, found { ({side: row[side] for side in BOX})!r:.200}")
    x, y, width, height = (int(float(row[side])) for side in BOX)
    if width < 1 or height < 1:
        raise ValueError(f"{where}: expected a region of a pixel at least, found {width} × {height}")
    if not row["caption"].strip():
        raise ValueError(f"{where}: expected a caption, found none")
    negatives = string_list(row["hard_negs"], where)
    return Region(key, image_id, (x, y, width, height), row["caption"], negatives, where)
