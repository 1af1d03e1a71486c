"""Read Conceptual Captions files as Google distributes them.

Rows are ``caption TAB url`` (training and validation files) or ``caption TAB url TAB labels TAB MIDs TAB confidences``
(the Image-Labels file), without header and without any quoting: a double quote is a character like any other. A row's
key is its number in the file, so it stays the same however the file is split.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipeline_lib.formats import MAX_LINE_BYTES

CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")
COLUMN_COUNTS = (2, 5)


class Row(NamedTuple):
    """One line of a captions file; caption and URL are empty where it does not have them, or is longer than any row."""

    key: str  # the row's number in the file, from 0, as nine digits
    caption: str
    url: str
    problem: str | None  # why the line cannot be used: "columns", "encoding" or "control-character"


def _open(path: str | Path) -> BinaryIO:
    return gzip.open(path, "rb") if str(path).endswith(".gz") else open(path, "rb")


def count_rows(path: str | Path) -> int:
    """Return the number of lines in a captions file; a last line without a line feed counts."""
    count, last = 0, b"\n"
    try:
        with _open(path) as lines:
            while block := lines.read(1 << 22):
                count += block.count(b"\n")
                last = block[-1:]
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: expected whole gzip data, found something else ({error}); get it again") from error
    return count + (last != b"\n")


def part_range(n_rows: int, part: int, parts: int) -> range:
    """Return the row numbers of part `part` (from 0) of `parts`: contiguous, of sizes that differ by one at most."""
    if not 0 <= part < parts:
        raise ValueError(f"part must be between 0 and {parts - 1}, found {part}")
    return range(n_rows * part // parts, n_rows * (part + 1) // parts)


class Part:
    """The rows of part `part` (from 0) of `parts` of a captions file; the file must have `count` rows, if given.

    The rows can be read again and again, a line at a time. A malformed line is a row with a problem.
    """

    def __init__(self, path: str | Path, part: int = 0, parts: int = 1, count: int | None = None) -> None:
        found = count_rows(path)
        if count is not None and found != count:
            raise ValueError(f"{path}: expected {count:,} rows, found {found:,}; is the copy complete?")
        self._path, self._numbers = path, part_range(found, part, parts)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._numbers)

    def __iter__(self) -> Iterator[Row]:
        """Read the rows."""
        with _open(self._path) as lines:
            for number, line in enumerate(islice(_split(lines), self._numbers.stop)):
                if number >= self._numbers.start:
                    yield _parse(number, line)


def _split(lines: BinaryIO) -> Iterator[bytes]:
    """Yield the lines; of one that is too long for a row, the first `MAX_LINE_BYTES`."""
    while line := lines.readline(MAX_LINE_BYTES):
        yield line
        while line and not line.endswith(b"\n"):
            line = lines.readline(MAX_LINE_BYTES)


def _parse(number: int, line: bytes) -> Row:
    key = f"{number:09d}"
    if len(line) == MAX_LINE_BYTES:
        return Row(key, "", "", "columns")
    line = line.rstrip(b"\r\n")
    try:
        text, problem = line.decode("utf-8"), None
    except UnicodeDecodeError:
        text, problem = line.decode("utf-8", errors="replace"), "encoding"
    fields = text.split("\t")
    caption, url = fields[0], fields[1] if len(fields) > 1 else ""
    if problem is None and len(fields) not in COLUMN_COUNTS:
        problem = "columns"
    if problem is None and CONTROL_CHARACTER.search(caption + url):
        problem = "control-character"
    return Row(key, caption, url, problem)
