"""Read CREPE-Negate as distributed: captions of regions of Visual Genome's images, each with negated hard negatives.

Of the files of `pipeline_lib.formats.crepe_layout` it reads ``image_id``; ``x``, ``y``, ``width``, ``height`` of the
region in pixels; ``caption``; and ``hard_negs``, a list of texts as a Python literal, which is parsed and never
evaluated.
"""

import re
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.formats.annotations import read_rows, string_list
from pipeline_lib.formats.crepe_layout import BOX, COLUMNS, COMPLEXITIES, captions_files


class Region(NamedTuple):
    """A row.

    Attributes
    ----------
    key : str
        ``04-00017``: complexity, and number of the row in its file. A region that has captions of several complexities
        is several samples.
    image_id : str
        Of Visual Genome: the name of the image's file, without suffix.
    box : tuple of int
        x, y, width and height in pixels. It may reach beyond the image.
    caption : str
        True.
    hard_negatives : list of str
        Negated captions, false.
    where : str
        File and line, for messages.
    """

    key: str
    image_id: str
    box: tuple[int, int, int, int]
    caption: str
    hard_negatives: list[str]
    where: str


def read_crepe(folder: str | Path) -> list[Region]:
    """Return the rows of all files.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file lacks a column or has no row, or a row has no id, box, caption or hard negative; the message names
        file and line.
    """
    regions = []
    for complexity, path in zip(COMPLEXITIES, captions_files(str(folder)), strict=True):
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: CREPE-Negate has a file per complexity, 4 to 12, this one is missing")
        before = len(regions)
        for number, (where, row) in enumerate(read_rows(path, COLUMNS)):
            regions.append(_region(f"{complexity:02d}-{number:05d}", where, row))
        if len(regions) == before:
            raise ValueError(f"{path}: expected at least one row, found none")
    return regions


def _region(key: str, where: str, row: dict[str, str]) -> Region:
    if not re.fullmatch(r"[0-9]+", row["image_id"]):
        raise ValueError(f"{where}: expected an image_id of digits, found {row['image_id']!r:.50}")
    if not all(re.fullmatch(r"-?[0-9]{1,6}(\.0)?", row[side]) for side in BOX):
        raise ValueError(f"{where}: expected whole pixels, found { ({side: row[side] for side in BOX})!r:.200}")
    x, y, width, height = (int(float(row[side])) for side in BOX)
    if width < 1 or height < 1:
        raise ValueError(f"{where}: expected a region of a pixel at least, found {width} × {height}")
    if not row["caption"].strip():
        raise ValueError(f"{where}: expected a caption, found none")
    negatives = string_list(row["hard_negs"], where)
    return Region(key, row["image_id"], (x, y, width, height), row["caption"], negatives, where)
