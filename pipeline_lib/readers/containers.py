"""The files of a dataset where they lie: in a folder, in a zip or in a tar, read in place and never unpacked.

Names serve to recognise files and to make keys. Nothing is written, so a name in an archive cannot lead anywhere.
"""

import os
import posixpath  # on texts, since Path objects would take seconds of a hundred thousand names
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.tars import list_members, read_member

IMAGES = {".jpg", ".jpeg", ".png"}  # suffixes, in any case


class File(NamedTuple):
    """A file of a dataset.

    Attributes
    ----------
    source : str or Path
        The file itself, or the archive that it is in.
    name : str
        Its path below the folder or in the archive, with ``/``.
    load : callable
        Returns its content, as bytes.
    """

    source: str | Path
    name: str
    load: Callable[[], bytes]

    @property
    def stem(self) -> str:
        """Its name without folders and suffix."""
        return posixpath.splitext(posixpath.basename(self.name))[0]


def list_files(path: str | Path) -> list[File]:
    """Return every file below a folder, or in a ``.zip`` or a ``.tar``, sorted by name.

    What systems leave behind is not listed: hidden files, and what a Mac puts under ``__MACOSX``.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ValueError
        If an archive is truncated or none; the message names it.
    """
    if Path(path).is_dir():
        found = _in_folder(str(path))
    elif not Path(path).exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    elif Path(path).suffix.lower() == ".zip":
        found = _in_zip(path)
    else:
        found = (File(path, member.name, partial(read_member, path, member)) for member in list_members(path))
    return sorted((file for file in found if not _is_left_behind(file.name)), key=lambda file: file.name)


def list_images(path: str | Path) -> list[File]:
    """Return the files of `list_files` whose names are those of JPEGs and PNGs.

    Raises
    ------
    ValueError
        As `list_files`, or if there is no image at all.
    """
    images = [file for file in list_files(path) if posixpath.splitext(file.name)[1].lower() in IMAGES]
    if not images:
        raise ValueError(f"{path}: expected images ({', '.join(sorted(IMAGES))}), found none")
    return images


def _is_left_behind(name: str) -> bool:
    parts = name.split("/")
    return "__MACOSX" in parts or any(part.startswith(".") and part not in (".", "..") for part in parts)


def _in_folder(folder: str) -> Iterator[File]:
    for parent, _, names in os.walk(folder, followlinks=True):
        below = "" if parent == folder else f"{os.path.relpath(parent, folder)}/"
        for name in names:
            path = os.path.join(parent, name)
            yield File(path, below + name, partial(_read, path))


def _read(path: str) -> bytes:
    with open(path, "rb") as content:
        return content.read()


def _in_zip(path: str | Path) -> Iterator[File]:
    try:
        archive = zipfile.ZipFile(path)  # stays open as long as one of its files can be read; threads may share it
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"{path}: not a whole zip ({error}); download it again") from error
    for member in archive.infolist():
        if not member.is_dir():
            yield File(path, member.filename, partial(archive.read, member))
