"""Look at files and folders as they lie on disk: are they there, whole, and what was published?

Only cheap looks: sizes, the ends of archives, the number of rows, entries or images, and a hash where the file is small
(or where asked for). Nothing is decoded and nothing is unpacked.
"""

import csv
import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError, safe_open

from pipeline_lib.config.inputs import REMOTE, external_files, fetched_weights
from pipeline_lib.formats.cc3m import Part, count_lines, find_layout
from pipeline_lib.jobs.file_kind import absent, check_suffix, kind_of, start_of
from pipeline_lib.jobs.text import open_text, read_text
from pipeline_lib.preflight.registry import UNKNOWN, Dataset, Download, Expected, expected_at
from pipeline_lib.readers.containers import list_files, walk

PRESENT, MISSING, WRONG = "present", "missing", "wrong"
FETCHED = "to fetch"  # missing, but the run gets it by itself
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")
CAPTIONS = "fetch/captions"  # the configuration's key
HASHED_BELOW = 200_000_000  # bytes; a larger file takes more than a second and is hashed only where asked for


class Finding(NamedTuple):
    """What was found at a path; `detail` says what was looked at, for `WRONG` what was expected and what was found."""

    status: str
    detail: str


class DataItem(NamedTuple):
    """Files and folders that are read together."""

    dataset: Dataset | None  # what they are, by the registry
    keys: list[str]  # where the configuration names them
    found: dict[str, Finding]  # what lies at each path
    items: int  # rows, entries or images there should be; 0 where unknown

    @property
    def status(self) -> str:
        """Whether all is there and right; what is there only in part is wrong."""
        states = {finding.status for finding in self.found.values()}
        return states.pop() if len(states) == 1 else WRONG


def inspect_inputs(config: dict, datasets: list[Dataset], hashes: bool = False) -> list[DataItem]:
    """Inspect every file and folder that a run takes from outside, in the configuration's order.

    What several keys name occurs once; `hashes` says whether to hash large files too.
    """
    fetched = fetched_weights(config)
    items: dict[tuple, DataItem] = {}
    for key, paths in (external_files(config) | fetched).items():
        by_dataset: dict[str | None, dict[str, Expected]] = {}
        for path in paths:
            about = expected_at(path, datasets)
            by_dataset.setdefault(about.dataset and about.dataset.name, {})[path] = about
        for name, here in by_dataset.items():
            if (name, *here) in items:
                items[name, *here].keys.append(key)
                continue
            found = {path: inspect(path, about, hashes, key == CAPTIONS) for path, about in here.items()}
            for path, finding in found.items():
                if finding.status == MISSING and (key in fetched or path.startswith(REMOTE)):
                    found[path] = Finding(FETCHED, "")
            count = sum(about.items or 0 for about in here.values())
            items[name, *here] = DataItem(next(iter(here.values())).dataset, [key], found, count)
    return list(items.values())


def unusable_keys(items: list[DataItem]) -> set[str]:
    """Return the configuration's keys whose data are missing or wrong."""
    return {key for item in items if item.status in (MISSING, WRONG) for key in item.keys}


def inspect(path: str | Path, expected: Expected = UNKNOWN, hashes: bool = False, captions: bool = False) -> Finding:
    """Compare what lies at a path with what is expected there: the first thing that is wrong, or what is right.

    `hashes` says whether to hash files of any size, `captions` whether the first rows are those of a captions file.
    """
    path = Path(path)
    if not path.exists():
        return Finding(WRONG, absent(path)) if path.is_symlink() else Finding(MISSING, "")
    seen = []
    try:
        if path.is_file():
            _check_whole(path)
            seen += [str(find_layout(path))] if captions else []
        else:
            _check_filled(path)
        if expected.items:
            seen.append(_check_count(path, expected.items, captions))
        if expected.download:
            seen.append(_check_published(path, expected.download, hashes))
    except Exception as error:  # anything may lie there, and the other files are still to be looked at
        return Finding(WRONG, str(error) if str(path) in str(error) else f"{path}: {error}")
    return Finding(PRESENT, ", ".join(word for word in seen if word))


def _check_filled(folder: Path) -> None:
    """Raise a ValueError if a folder holds nothing but archives, which nobody looks into, or nothing at all."""
    archives = []
    for _, names in walk(folder):
        for name in names:
            if not name.endswith(ARCHIVES) and not name.startswith("."):
                return
            archives += [name] if name.endswith(ARCHIVES) else []
    found = f"archives alone, such as {archives[0]}; unpack them" if archives else "nothing in it"
    raise ValueError(f"{folder}: expected files, found {found}")


def _check_whole(file: Path) -> None:
    """Raise a ValueError where a file is not what its name says, or an archive or a file of weights ends too early."""
    with open(file, "rb") as content:
        size = content.seek(0, os.SEEK_END)
        content.seek(max(0, size - 512))
        end = content.read()
    if not size:
        raise ValueError(f"{file}: expected content, found an empty file")
    check_suffix(file)
    if kind_of(start_of(file)) == "zip" and not zipfile.is_zipfile(file):  # zips, and what torch saves
        raise ValueError(f"{file}: the archive is cut short (no central directory); get it again")
    if file.suffix == ".tar" and (size % 512 or end.strip(b"\0")):
        raise ValueError(f"{file}: the tar is cut short (it does not end with an empty block); get it again")
    if file.suffix == ".safetensors":
        try:
            with safe_open(file, framework="numpy"):  # reads the header, and whether the file has all that it names
                pass
        except SafetensorError as error:
            found = f"something else ({error})"
            raise ValueError(f"{file}: expected whole safetensors, found {found}; get it again") from error


def _check_published(file: Path, download: Download, hashes: bool) -> str:
    size = file.stat().st_size
    if download.exact and size != download.size:
        raise ValueError(f"{file}: expected {download.size:,} bytes, found {size:,}")
    for kind, expected in (("sha256", download.sha256), ("md5", download.md5)):
        if expected and (hashes or size < HASHED_BELOW):
            with open(file, "rb") as content:
                found = hashlib.file_digest(content, kind).hexdigest()
            if found != expected:
                raise ValueError(f"{file}: expected {kind} {expected}, found {found}")
            return kind
    return "size" if download.exact else ""


def _check_count(path: Path, expected: int, captions: bool) -> str:
    found, noun = (len(Part(path, links=False)), "rows") if captions else count_items(path)
    if found is None:
        return ""
    if found != expected:
        raise ValueError(f"{path}: expected {expected:,} {noun}, found {found:,}")
    return f"{found:,} {noun}"


def count_items(path: Path) -> tuple[int | None, str]:
    """Count the images in a folder or zip, the rows of a table or the entries of a JSON file, and say which.

    None for files that cannot be counted without reading them whole, such as tars.
    """
    suffix = path.name.removesuffix(".gz").rpartition(".")[2]
    if path.is_dir() or suffix == "zip":
        return len(list_files(path)), "images"
    if suffix in ("tsv", "txt"):
        return count_lines(path), "rows"
    if suffix == "csv":
        with open_text(path) as lines:
            return max(0, sum(1 for row in csv.reader(lines) if row) - 1), "rows"
    if suffix == "json":
        try:
            return len(json.loads(read_text(path))), "items"
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: expected a JSON list or object, found something else ({error})") from error
    return None, ""
