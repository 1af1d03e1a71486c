"""Read the registry of everything external, ``config/datasets.tsv``: what, where from, how large, under which terms.

Several values in a cell have a space between them, and ``-`` stands for one that is not known. ``files`` are the paths,
or patterns of paths, at which ``config/paper.yaml`` looks for the data in one layout or another; ``items`` counts the
rows, entries or images at each. ``bytes``, ``md5`` and ``sha256`` are those of each ``download``; a size with ``~`` is
about right.
"""

import csv
import re
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline_lib.jobs.text import open_text

COLUMNS = (
    "name",
    "used_for",
    "files",
    "items",
    "download",
    "bytes",
    "md5",
    "sha256",
    "source",
    "licence",
    "terms",
    "without",
)
FORMATS = {  # of each value of a cell
    "name": r"[a-z0-9]+(-[a-z0-9]+)*",
    "files": r"data/\S+",
    "items": r"[1-9]\d*|-",
    "bytes": r"~?[1-9]\d*|-",
    "md5": r"[0-9a-f]{32}|-",
    "sha256": r"[0-9a-f]{64}|-",
    "source": r"https?://\S+",
}
REQUIRED = ("name", "used_for", "files", "source", "licence", "without")


class Download(NamedTuple):
    """A file as its source offers it.

    Attributes
    ----------
    name : str
        The file's name.
    size : int or None
        In bytes, where it is known.
    exact : bool
        Whether `size` is exact.
    md5, sha256 : str or None
        Of its content, in hex, where they are publicly known.
    """

    name: str
    size: int | None
    exact: bool
    md5: str | None
    sha256: str | None


class Dataset(NamedTuple):
    """A row of the registry.

    Attributes
    ----------
    name, used_for, source, licence, terms, without : str
        As in the file; `terms` may be empty.
    files : dict of str to (int or None)
        Paths or patterns, as the configuration names them, and how many rows, entries or images there are at each.
    downloads : tuple of Download
        What to fetch.
    """

    name: str
    used_for: str
    files: dict[str, int | None]
    downloads: tuple[Download, ...]
    source: str
    licence: str
    terms: str
    without: str

    @property
    def size(self) -> int | None:
        """Bytes of all downloads, or None where one is unknown."""
        sizes = [download.size for download in self.downloads]
        return sum(sizes) if sizes and None not in sizes else None


def read_registry(path: str | Path) -> list[Dataset]:
    """Read the registry.

    Parameters
    ----------
    path : str or Path
        Tab separated, without quoting, with the columns of `COLUMNS`.

    Returns
    -------
    list of Dataset
        In the file's order.

    Raises
    ------
    ValueError
        If a column is missing or unknown, a cell is illegal or a name occurs twice; one line per problem.
    """
    try:
        with open_text(path) as lines:
            rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)) or [[]]
    except csv.Error as error:
        raise ValueError(f"{path}: expected a table with tabs between its columns ({error})") from error
    if (header := tuple(rows[0])) != COLUMNS:
        raise ValueError(f"{path}: expected the columns {', '.join(COLUMNS)}, found {', '.join(header):.300}")
    rows = list(enumerate(rows[1:], 2))
    problems, datasets = [], []
    for line, cells in rows:
        if len(cells) != len(COLUMNS):
            problems.append(f"{path}, line {line}: expected {len(COLUMNS)} cells, found {len(cells)}")
            continue
        row = dict(zip(COLUMNS, cells, strict=True))
        found = _problems(row)
        if any(row["name"] == dataset.name for dataset in datasets):
            found.append(f"name: {row['name']!r} occurs twice")
        problems += [f"{path}, line {line}, {problem}" for problem in found]
        if not found:
            datasets.append(_dataset(row))
    if problems:
        raise ValueError("the registry of data has mistakes:\n" + "\n".join(problems))
    return datasets


def _problems(row: dict[str, str]) -> list[str]:
    problems = [f"{column}: expected a text, found nothing" for column in REQUIRED if not row[column]]
    for column, pattern in FORMATS.items():
        for value in row[column].split():
            if not re.fullmatch(pattern, value):
                problems.append(f"{column}: expected a text that matches {pattern}, found {value!r}")
    for column, of in (("bytes", "download"), ("md5", "download"), ("sha256", "download"), ("items", "files")):
        expected, found = len(row[of].split()), len(row[column].split())
        if found not in (0, expected):
            problems.append(f"{column}: expected a value for each of {of}, {expected}, found {found}")
    return problems


def _dataset(row: dict[str, str]) -> Dataset:
    def values(column: str, of: str) -> list[str | None]:
        cells = row[column].split() or ["-"] * len(row[of].split())
        return [None if cell == "-" else cell for cell in cells]

    downloads = [
        Download(name, int(size.lstrip("~")) if size else None, bool(size) and size.isdecimal(), md5, sha256)
        for name, size, md5, sha256 in zip(
            row["download"].split(), *(values(column, "download") for column in ("bytes", "md5", "sha256")), strict=True
        )
    ]
    counts = [int(count) if count else None for count in values("items", "files")]
    said = {column: row[column] for column in ("name", "used_for", "source", "licence", "terms", "without")}
    return Dataset(files=dict(zip(row["files"].split(), counts, strict=True)), downloads=tuple(downloads), **said)


class Expected(NamedTuple):
    """What the registry says of one path.

    Attributes
    ----------
    dataset : Dataset
        What it belongs to.
    items : int or None
        How many rows, entries or images it has.
    download : Download or None
        The file as it is offered, where the path is one.
    """

    dataset: Dataset
    items: int | None
    download: Download | None


def expected_at(path: str, datasets: list[Dataset]) -> Expected | None:
    """Return what the registry says of a path of the configuration, or None where it does not know it.

    A copy elsewhere is known by its name and its folder's, or by the name under which it is offered.
    """
    name, tail = PurePosixPath(path).name, "/".join(PurePosixPath(path).parts[-2:])
    for known in (path, tail):
        for dataset in datasets:
            for pattern, items in dataset.files.items():
                if fnmatchcase(known, pattern if known == path else "/".join(PurePosixPath(pattern).parts[-2:])):
                    return Expected(dataset, items, _offered(name, dataset))
    for dataset in datasets:
        if download := _offered(name, dataset):
            return Expected(dataset, None, download)
    return None


def _offered(name: str, dataset: Dataset) -> Download | None:
    return next((download for download in dataset.downloads if download.name == name), None)
