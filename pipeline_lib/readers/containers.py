"""The files of a dataset where they lie: in a folder, in a zip or in a tar, read in place and never unpacked.

Names serve to recognise files and to make keys. Nothing is written, so a name in an archive cannot lead anywhere; one
that would is refused all the same. A file is read whole, so none may have more than `MAX_FILE_BYTES`.
"""

import copy
import os
import posixpath  # on texts: Path objects would take seconds for a hundred thousand names
import stat
import struct
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.formats import MAX_FILE_BYTES
from pipeline_lib.formats.cc3m import CONTROL_CHARACTER
from pipeline_lib.formats.pixels import is_image
from pipeline_lib.formats.tars import clean_name, is_left_behind, list_members, read_member
from pipeline_lib.jobs.file_kind import absent, kind_of, misread, start_of

ZIP_HEADER_BYTES = 30  # at least so many before a file's bytes


class File(NamedTuple):
    """A file of a dataset."""

    source: str | Path  # the file itself, or the archive that it is in
    name: str  # its path below the folder or in the archive, with ``/``
    load: Callable[[], bytes]  # returns its content

    @property
    def stem(self) -> str:
        """Its name without folders and suffix."""
        return posixpath.splitext(posixpath.basename(self.name))[0]


def list_files(path: str | Path, wanted: Callable[[str], object] = is_image) -> list[File]:
    """Return the files below a folder, or in a ``.zip`` or a ``.tar``, whose names are `wanted`, sorted by name.

    Hidden files, and what a Mac puts under ``__MACOSX``, are not listed. A zip is known by its name or its content.
    """
    if Path(path).is_dir():
        listed = _in_folder
    elif not Path(path).exists():
        raise FileNotFoundError(absent(path))
    else:  # `zipfile.is_zipfile` takes a tar that ends with a zip for one
        is_zip = Path(path).suffix.lower() == ".zip" or kind_of(start_of(path)) == "zip"
        listed = _in_zip if is_zip else _in_tar
    listing = listed(path, lambda name: not is_left_behind(name) and wanted(name))
    files = sorted(listing, key=lambda file: file.name)
    if odd := next((file.name for file in files if CONTROL_CHARACTER.search(file.name)), None):
        raise ValueError(f"{path}: expected names of files without control characters, found {odd!r:.200}; rename it")
    for file, following in pairwise(files):
        if file.name == following.name:
            raise ValueError(f"{path}: {file.name!r:.200} stands in it twice; download it again")
    return files


def list_images(path: str | Path) -> list[File]:
    """Return the files of `list_files` whose names are those of images; there must be one. Others are counted aloud."""
    others: list[str] = []
    images = list_files(path, lambda name: is_image(name) or others.append(name))
    if known := {posixpath.splitext(file.name)[0] for file in images}:
        others = [name for name in others if posixpath.splitext(name)[0] not in known]  # KEY.json says more of KEY.jpg
    found = f"{len(others):,} other files, such as {min(others)!r:.200}" if others else "no file"
    if not images:
        found = f"none but {found}" if others else found
        raise ValueError(f"{path}: expected images (.jpg, .jpeg, .png, .webp ...), found {found}")
    if others:
        print(f"{path}: {len(images):,} images; left out are {found}", file=sys.stderr)
    return images


def images_by_name(places: Iterable[str | Path]) -> dict[str, File]:
    """Return the images of folders or archives by their names without folder and suffix, which must differ."""
    found: dict[str, File] = {}
    for place in places:
        for file in list_images(place):
            other = found.setdefault(file.stem, file)
            if other is not file:
                raise ValueError(
                    f"{place}: expected one image of each name, found {file.name!r:.200} beside {other.name!r:.200} of "
                    f"{other.source}"
                )
    return found


def walk(folder: str | Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder below a folder, and itself, with the names of the files in it; links are followed.

    A link to a folder that was listed already is an error: followed, it might never end.
    """
    seen = set()
    for parent, _, names in os.walk(folder, followlinks=True):
        about = os.stat(parent)
        if (about.st_dev, about.st_ino) in seen:
            raise ValueError(f"{parent!r:.300}: a link leads to a folder that is listed already; remove the link")
        seen.add((about.st_dev, about.st_ino))
        yield parent, names


def _in_folder(folder: str, wanted: Callable[[str], object]) -> Iterator[File]:
    for parent, names in walk(folder):
        below = "" if parent == folder else f"{os.path.relpath(parent, folder)}/"
        for name in names:
            path = os.path.join(parent, name)
            if wanted(cleaned := clean_name(below + name)):
                yield File(path, cleaned, partial(_read, path))


def _read(path: str) -> bytes:
    # Opened without waiting: a named pipe would be waited for, for ever.
    with open(path, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as content:
        about = os.fstat(content.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_FILE_BYTES:
            raise OSError(
                f"expected a file of {MAX_FILE_BYTES:,} bytes at most, found {stat.filemode(about.st_mode)} "
                f"of {about.st_size:,} bytes"
            )
        return content.read()


def _in_tar(path: str | Path, wanted: Callable[[str], object]) -> Iterator[File]:
    for member in list_members(path):
        if wanted(member.name):
            _check_size(path, member.name, member.size)
            yield File(path, member.name, partial(read_member, path, member))


def _check_size(path: str | Path, name: str, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise ValueError(f"{path}: expected files of {MAX_FILE_BYTES:,} bytes at most, found {name!r:.200} of {size:,}")


def _in_zip(path: str | Path, wanted: Callable[[str], object]) -> Iterator[File]:
    try:
        archive = zipfile.ZipFile(path)  # stays open as long as one of its files can be read
        members = archive.infolist()
        names = [clean_name(member.filename) for member in members]
        for member, following in pairwise(sorted(members, key=lambda member: member.header_offset)):
            if member.header_offset + ZIP_HEADER_BYTES + member.compress_size > following.header_offset:
                raise zipfile.BadZipFile(f"{member.filename!r:.200} and {following.filename!r:.200} overlap")
    # Beside its own errors, `zipfile` raises these for versions, numbers and names that it does not know.
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise misread(path, "a whole zip", error, "zip") from error
    for member, name in zip(members, names, strict=True):
        if not name or member.filename.endswith(("/", "\\")) or not wanted(name):
            continue  # without a name, a folder, or of no use
        _check_size(path, name, member.file_size)
        link, encrypted = stat.S_ISLNK(member.external_attr >> 16), member.flag_bits & 1
        # `zipfile` decompresses other methods without a bound.
        if link or encrypted or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            found = "a link" if link else "encrypted" if encrypted else "compressed in another way than by deflate"
            raise ValueError(f"{path}: {name!r:.200} is {found}; unpack the zip and name the folder")
        yield File(path, name, partial(_unzip, path, archive, member))


def _unzip(path: str | Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    # With a file of its own: forked processes share an open file's place, and would read each other's bytes.
    own = copy.copy(archive)
    own.fp = open(path, "rb")  # noqa: SIM115
    with own, own.open(member) as content:
        # With a number of bytes, it inflates no more than these, whatever the member would become.
        return content.read(member.file_size + 1)
