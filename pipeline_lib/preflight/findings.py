"""Look at a file or folder as it lies on disk: is it there, whole, and what was published?

Only cheap looks: sizes, the ends of archives, the number of rows, entries or images, and a hash where the file is small
(or where asked for). Nothing is decoded and nothing is unpacked.
"""

import csv
import hashlib
import json
import os
import struct
import sys
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline_lib.formats.cc3m import count_lines, count_rows, find_layout
from pipeline_lib.formats.pixels import is_image
from pipeline_lib.formats.tars import is_left_behind
from pipeline_lib.jobs.text import open_text, read_text
from pipeline_lib.preflight.registry import Download, Expected
from pipeline_lib.readers.containers import walk

PRESENT, MISSING, WRONG = "present", "missing", "wrong"
FETCHED = "to fetch"  # missing, but the run gets it by itself
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
HASHED_BELOW = 200_000_000  # bytes; a larger file takes more than a second and is hashed only where asked for


class Finding(NamedTuple):
    """What was found at a path.

    Attributes
    ----------
    status : str
        ``present``, ``missing`` or ``wrong``.
    detail : str
        What was looked at; for ``wrong`` what was expected and what was found.
    """

    status: str
    detail: str


def inspect(
    path: str | Path, expected: Expected | None = None, hashes: bool = False, captions: bool = False
) -> Finding:
    """Compare what lies at a path with what is expected there.

    Parameters
    ----------
    path : str or Path
        A file or folder that a run reads.
    expected : Expected, optional
        What the registry says of it; without it only wholeness is looked at.
    hashes : bool
        Whether to hash files of any size.
    captions : bool
        Whether it is a captions file, whose first rows are looked at.

    Returns
    -------
    Finding
        That nothing is there, the first thing that is wrong, or what was found right.
    """
    path, seen = Path(path), []
    if not path.exists():
        return Finding(MISSING, "")
    try:
        if path.is_file():
            _check_whole(path)
            seen += [str(find_layout(path))] if captions else []
        else:
            _check_filled(path)
        if expected and expected.items:
            seen.append(_counted(path, expected.items, captions))
        if expected and expected.download:
            seen.append(_as_published(path, expected.download, hashes))
    except Exception as error:  # what lies there may be anything, and the next file wants to be looked at too
        return Finding(WRONG, str(error) if str(path) in str(error) else f"{path}: {error}")
    return Finding(PRESENT, ", ".join(word for word in seen if word))


def _check_filled(folder: Path) -> None:
    """Raise a `ValueError` if a folder holds nothing but archives, which nobody looks into, or nothing at all."""
    archives = []
    for _, names in walk(folder):
        for name in names:
            if not name.endswith(ARCHIVES) and not name.startswith("."):
                return
            archives += [name] if name.endswith(ARCHIVES) else []
    found = f"archives alone, such as {archives[0]}; unpack them" if archives else "nothing in it"
    raise ValueError(f"{folder}: expected files, found {found}")


def _as_published(file: Path, download: Download, hashes: bool) -> str:
    size = file.stat().st_size
    if download.exact and size != download.size:
        raise ValueError(f"{file}: expected {download.size:,} bytes, found {size:,}")
    for kind in ("sha256", "md5"):
        expected = getattr(download, kind)
        if expected and (hashes or size < HASHED_BELOW):
            with open(file, "rb") as content:
                found = hashlib.file_digest(content, kind).hexdigest()
            if found != expected:
                raise ValueError(f"{file}: expected {kind} {expected}, found {found}")
            return kind
    return "size" if download.exact else ""


def _check_whole(file: Path) -> None:
    """Raise ValueError where an archive or a file of weights ends too early."""
    with open(file, "rb") as content:
        start = content.read(8)
        content.seek(0, os.SEEK_END)
        size = content.tell()
        content.seek(max(0, size - 1024))
        end = content.read()
    if not size:
        raise ValueError(f"{file}: expected content, found an empty file")
    if start[:4] == b"PK\x03\x04" and not zipfile.is_zipfile(file):  # zips, and what torch saves
        raise ValueError(f"{file}: the archive is cut short (no central directory); get it again")
    if file.suffix == ".safetensors":
        header = struct.unpack("<Q", start)[0] if len(start) == 8 else sys.maxsize
        with open(file, "rb") as content:
            content.seek(8)
            text = content.read(header) if header < size else b""
        try:
            length = max(entry["data_offsets"][1] for name, entry in json.loads(text).items() if name != "__metadata__")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{file}: expected safetensors, found something else; get it again") from error
        if size != 8 + header + length:
            raise ValueError(f"{file}: expected {8 + header + length:,} bytes by its header, found {size:,}")
    if file.suffix == ".tar" and (size % 512 or end.strip(b"\0")):
        raise ValueError(f"{file}: the tar is cut short (it does not end with two empty blocks); get it again")


def _counted(path: Path, expected: int, captions: bool) -> str:
    found, noun = (count_rows(path), "rows") if captions else count_items(path)
    if found is None:
        return ""
    if found != expected:
        raise ValueError(f"{path}: expected {expected:,} {noun}, found {found:,}")
    return f"{found:,} {noun}"


def count_items(path: Path) -> tuple[int | None, str]:
    """Count the images in a folder or zip, the rows of a table or the entries of a JSON file.

    Returns
    -------
    int or None
        None for files that cannot be counted without reading them whole, such as tars.
    str
        What was counted, in the plural.

    Raises
    ------
    ValueError
        If the file is not what its name says.
    """
    if path.is_dir():
        return _images_below(path), "images"
    suffixes = path.name.removesuffix(".gz").rpartition(".")[2]
    if suffixes == "zip":
        try:
            with zipfile.ZipFile(path) as archive:
                return sum(_is_image(name) for name in archive.namelist()), "images"
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path}: expected a zip, found something else ({error}); get it again") from error
    if suffixes in ("tsv", "txt"):
        return count_lines(path), "rows"
    if suffixes == "csv":
        with open_text(path) as lines:
            return max(0, sum(1 for row in csv.reader(lines) if row) - 1), "rows"
    if suffixes == "json":
        try:
            return len(json.loads(read_text(path))), "items"
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: expected a JSON list or object, found something else ({error})") from error
    return None, ""


def _is_image(name: str) -> bool:
    return is_image(name) and not is_left_behind(PurePosixPath(name).name)


def _images_below(folder: Path) -> int:
    return sum(_is_image(name) for _, names in walk(folder) for name in names)
