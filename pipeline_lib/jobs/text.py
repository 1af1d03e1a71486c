"""Text in files of others: UTF-8, and a byte order mark at its beginning is not part of it.

This is the one rule for captions, sheets, lists of names, CSV and JSON, on disk or in an archive. Text in UTF-16 or
UTF-32, with or without a mark, is refused by name: a reader that guesses an encoding may guess wrong.
"""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pipeline_lib.jobs.remedy import of_a_run, remedy

MARK = codecs.BOM_UTF8
# UTF-32's mark in little-endian order begins with that of UTF-16.
OTHER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
# Which of the first four bytes are zero where a text without a mark begins with two ASCII characters.
ZEROS = {(1, 3): "UTF-16LE", (0, 2): "UTF-16BE", (1, 2, 3): "UTF-32LE", (0, 1, 2): "UTF-32BE"}
POINTER = b"version https://git-lfs"  # what a repository has in the place of a large file


def check_encoding(start: bytes, path: str | Path) -> None:
    """Raise a `ValueError` if a file that begins with `start` is UTF-16 or UTF-32, or stands for a file of Git LFS."""
    if start.startswith(POINTER):
        raise ValueError(f"{path}: found a pointer of Git LFS in the place of the file; get the file: git lfs pull")
    zeros = tuple(place for place, byte in enumerate(start[:4]) if byte == 0)
    found = next((name for mark, name in OTHER_MARKS.items() if start.startswith(mark)), ZEROS.get(zeros))
    if found:
        raise ValueError(f"{path}: expected UTF-8, found {found}; convert it: iconv -f {found} -t UTF-8 OLD > NEW")


def decode_text(content: bytes, path: str | Path) -> str:
    """Return the text of a file, without its byte order mark; `path` is named where it is not UTF-8."""
    check_encoding(content, path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(_not_utf8(path, error)) from error


def read_text(path: str | Path) -> str:
    """Return what `decode_text` makes of a file; ends of lines are as they are."""
    return decode_text(Path(path).read_bytes(), path)


@contextmanager
def open_text(path: str | Path) -> Iterator[TextIO]:
    """Open a file that is too large to be read at once, or that `csv` reads: as `read_text`, line by line."""
    with open(path, "rb") as content:
        check_encoding(content.peek(len(POINTER)), path)
        try:
            yield io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
        except UnicodeDecodeError as error:
            raise ValueError(_not_utf8(path, error)) from error


def _not_utf8(path: str | Path, error: UnicodeDecodeError) -> str:
    todo = remedy(path) if of_a_run(path) else "save it as UTF-8 (from Windows: iconv -f CP1252 -t UTF-8 OLD > NEW)"
    return f"{path}: expected UTF-8, found something else ({error}); {todo}"
