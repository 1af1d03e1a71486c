"""Read the registry of everything external, ``config/datasets.tsv``: what, where from, how large, under which terms.

Several values in a cell have a space between them, and ``-`` stands for one that is not known. ``files`` are the paths,
or patterns of paths, at which ``config/paper.yaml`` looks for the data in one layout or another; ``items`` counts the
rows, entries or images at each. ``bytes``, ``md5`` and ``sha256`` are those of each ``download``; a size with ``~`` is
about right.
"""

from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline_lib.config.entries import Line, Name, section
from pipeline_lib.config.errors import mistakes
from pipeline_lib.config.sheets import read_sheet
from pipeline_lib.jobs.options import text


def _values(form: str, words: str) -> type:
    """Texts of several values, or of none."""
    return text(f"^(({form})( ({form}))*)?$", f"{words}, with spaces between several")


_Row = section(
    name=Name,
    used_for=Line,
    files=text(r"^data/\S+( data/\S+)*$", "paths data/..., with spaces between several"),
    items=_values(r"[1-9]\d*|-", "a number or -"),
    download=str,
    bytes=_values(r"~?[1-9]\d*|-", "a number, with ~ where it is about right, or -"),
    md5=_values("[0-9a-f]{32}|-", "an MD5 or -"),
    sha256=_values("[0-9a-f]{64}|-", "a SHA-256 or -"),
    source=text(r"^https?://\S+( https?://\S+)*$", "an address"),
    licence=Line,
    terms=str,
    without=Line,
)
COLUMNS = list(_Row.model_fields)
PARALLEL = {"bytes": "download", "md5": "download", "sha256": "download", "items": "files"}  # a value for each of ...


class Download(NamedTuple):
    """A file as its source offers it; what is not publicly known is None."""

    name: str
    size: int | None  # in bytes
    exact: bool  # whether that is the exact size
    md5: str | None
    sha256: str | None


class Dataset(NamedTuple):
    """A row of the registry; `files` says how many rows, entries or images there are at each path or pattern."""

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


class Expected(NamedTuple):
    """What the registry says of one path: rows, entries or images in it, and the file offered; None where unknown."""

    dataset: Dataset | None = None
    items: int | None = None
    download: Download | None = None


UNKNOWN = Expected()


def read_registry(path: str | Path) -> list[Dataset]:
    """Read the registry, a table with tabs between its columns; ValueError has a line for each mistake in it."""
    problems, datasets = [], {}
    for where, row in read_sheet(path, COLUMNS).items():
        found = mistakes(row, _Row)
        for column, other in PARALLEL.items():
            expected, count = len(row[other].split()), len(row[column].split())
            if count not in (0, expected):
                found.append(f"{column}: expected a value for each of {other}, {expected}, found {count}")
        if row["name"] in datasets:
            found.append(f"name: {row['name']!r} occurs twice")
        problems += [f"{where}, {problem}" for problem in found]
        if not found:
            datasets[row["name"]] = _dataset(row)
    if problems:
        raise ValueError("the registry of data has mistakes:\n" + "\n".join(problems))
    return list(datasets.values())


def _dataset(row: dict[str, str]) -> Dataset:
    def values(column: str) -> list[str | None]:
        cells = row[column].split() or ["-"] * len(row[PARALLEL[column]].split())
        return [None if cell == "-" else cell for cell in cells]

    names = row["download"].split()
    downloads = tuple(
        Download(name, int(size.lstrip("~")) if size else None, bool(size) and size.isdecimal(), md5, sha256)
        for name, size, md5, sha256 in zip(names, *map(values, ("bytes", "md5", "sha256")), strict=True)
    )
    counts = [int(count) if count else None for count in values("items")]
    texts = {column: row[column] for column in ("name", "used_for", "source", "licence", "terms", "without")}
    return Dataset(files=dict(zip(row["files"].split(), counts, strict=True)), downloads=downloads, **texts)


def expected_at(path: str, datasets: list[Dataset]) -> Expected:
    """Return what the registry says of a path of the configuration.

    A copy elsewhere is known by its name and its folder's, or by the name under which it is offered.
    """
    name = PurePosixPath(path).name
    offered = {of.name: next((found for found in of.downloads if found.name == name), None) for of in datasets}
    for shortened in (str, _name_and_folder):
        for dataset in datasets:
            for pattern, items in dataset.files.items():
                if fnmatchcase(shortened(path), shortened(pattern)):
                    return Expected(dataset, items, offered[dataset.name])
    by_name = (Expected(dataset, download=found) for dataset in datasets if (found := offered[dataset.name]))
    return next(by_name, UNKNOWN)


def _name_and_folder(path: str) -> str:
    return "/".join(PurePosixPath(path).parts[-2:])
