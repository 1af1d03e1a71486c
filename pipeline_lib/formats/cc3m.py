"""Read captions files as Google distributes them: Conceptual Captions (CC3M) and CC12M.

Rows are ``caption TAB url`` (CC3M's training and validation files), ``caption TAB url TAB labels TAB MIDs TAB
confidences`` (its Image-Labels file) or ``url TAB caption`` (CC12M), without any quoting: a double quote is a character
like any other. A row's key is its number in the file, so it stays the same however the file is split.

The first rows are looked at before any is read. They tell which column has the URLs, and whether the first line is a
header, which is no row. A file of which none of them is a row (another encoding, order, separator or kind of file) is a
`ValueError` that says what it has in place of rows; so is one whose captions a spreadsheet has put in quotes. Gzip is
known by its content. A byte order mark is dropped, and CC12M's ``<PERSON>``, which stands for a name, becomes "person",
CC3M's word for it.
"""

import gzip
import os
import re
import stat
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipeline_lib.formats import MAX_LINE_BYTES
from pipeline_lib.jobs.file_kind import LOOKED_AT, absent, check_text, kind_of, misread, other_kind
from pipeline_lib.jobs.text import MARK

CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")
COLUMN_COUNTS = (2, 5)
ROWS_LOOKED_AT, BYTES_LOOKED_AT = 1000, 1 << 20
URL = re.compile(r"\s*https?://", re.IGNORECASE)
# The first two cells of a header, in either order, such as those that img2dataset asks for.
URL_HEADER = re.compile(r"(ima?ge?[ _-]?)?(url|uri|link|src)s?", re.IGNORECASE)
CAPTION_HEADER = re.compile(r"(image[ _-]?)?(caption|text|title|alt|alt[ _-]?text|description)s?", re.IGNORECASE)
ROWS = "rows of caption TAB url (or url TAB caption)"
REWRITE = "write its captions and URLs as lines, with a tab between the two"
PERSON = re.compile(r"<PERSON>(\s*<PERSON>)*")
SEPARATOR = re.compile(r"""([,;|])\s*"?https?://|https?://[^\s,;|"]*"?\s*([,;|])""", re.IGNORECASE)
TAB = r"\t"
# Makes tabs of another separator, and takes quotes off.
CONVERT = (
    """python -c "import csv; [print(*row, sep='\\t') for row in csv.reader(open('OLD', newline='', """
    """encoding='utf-8-sig'), delimiter='{}')]" > NEW"""
)


class Row(NamedTuple):
    """One line of a captions file; caption and URL are empty where it does not have them, or is longer than any row."""

    key: str  # the row's number in the file, from 0, as nine digits
    caption: str
    url: str
    problem: str | None  # why the line cannot be used: "columns", "encoding" or "control-character"
    labels: tuple[str, ...] = ()  # of the image, where the file has them


class Layout(NamedTuple):
    """What the first rows of a captions file tell."""

    url_first: bool  # as in CC12M
    header: bool  # whether the first line is one

    def __str__(self) -> str:
        """Say what is not as in CC3M."""
        return ", ".join(
            ["columns url, caption"] * self.url_first + ["a header in line 1, which is no row"] * self.header
        )


@contextmanager
def _open(path: str | Path) -> Iterator[BinaryIO]:
    """Open a captions file, unpacked; `ValueError` if it is not whole, or can be read only once."""
    if not Path(path).exists():
        raise FileNotFoundError(absent(path))
    with open(path, "rb") as content:
        if not stat.S_ISREG(os.fstat(content.fileno()).st_mode):
            raise ValueError(f"{path}: expected a file, found a pipe or device; write its content to a file first")
        packed = kind_of(content.peek(LOOKED_AT)) == "gzip"
        try:
            yield gzip.GzipFile(fileobj=content) if packed else content
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise misread(path, "whole gzip data", error, "gzip") from error


def find_layout(path: str | Path, links: bool = True) -> Layout:
    """Return the layout of a captions file by its first rows, one of which must be one, and have a URL if `links`."""
    with _open(path) as content:
        start = content.read(BYTES_LOOKED_AT)
    check_text(start, path, "page", "xml", expected=ROWS, todo=REWRITE)
    if not start.strip():
        raise ValueError(f"{path}: expected {ROWS}, found an empty file")
    if b"\n" not in start.strip() and b"\r" in start.strip():
        raise ValueError(
            f"{path}: expected a line feed at the end of each line, found carriage returns alone; convert them: "
            r"tr '\r' '\n' < OLD > NEW"
        )
    lines = start.split(b"\n")[:ROWS_LOOKED_AT]
    cells = [line.decode("utf-8", "replace").removeprefix("\ufeff").rstrip("\r").split("\t")[:2] for line in lines]
    first, second = (sum(URL.match(row[column]) is not None for row in cells if len(row) == 2) for column in (0, 1))
    names = cells[0] if len(cells[0]) == 2 else ["", ""]
    header = any(
        URL_HEADER.fullmatch(url.strip()) and CAPTION_HEADER.fullmatch(caption.strip())
        for url, caption in (names, names[::-1])
    )
    layout = Layout(first > second, header)
    rows = [_parse(number, line, layout) for number, line in enumerate(lines) if line and number >= header]
    found = [row.problem or _lacks(row, links) for row in rows]
    if None not in found:
        raise ValueError(f"{path}: {_no_rows(start, lines[header:], found)}")
    captions = [row.caption for row, lack in zip(rows, found, strict=True) if lack is None]
    quoted = [caption for caption in captions if re.fullmatch(r'".*"', caption)]
    if len(quoted) > len(captions) / 2:
        raise ValueError(
            f"{path}: expected captions without quotes, found {len(quoted):,} of {len(captions):,} in quotes, such as "
            f"{quoted[0]!r:.200}; take them off: {CONVERT.format(TAB)}"
        )
    return layout


def _lacks(row: Row, links: bool) -> str | None:
    """Return what a row needs and has not: a caption, or a URL where `links`."""
    if links:
        return None if URL.match(row.url) else "url"
    return None if row.caption.strip() else "caption"


def _no_rows(start: bytes, lines: list[bytes], problems: list[str]) -> str:
    """Say what the first lines of a captions file have in common, none of them being a row, and what to do."""
    expected = f"expected {ROWS}, found"
    if not problems:
        return f"{expected} a header alone"
    if other := other_kind(start, "text", todo=REWRITE):
        return f"{expected} {other}"
    problem = Counter(problems).most_common(1)[0][0]
    line = next(line for line, found in zip(filter(None, lines), problems, strict=False) if found == problem)
    columns = line.count(b"\t") + 1
    found, todo = {
        "columns": (
            f"{columns} columns between tabs",
            f"expected {' or '.join(map(str, COLUMN_COUNTS))}: keep two by cut -f",
        ),
        "encoding": ("text that is not UTF-8", "save it as UTF-8 (from Windows: iconv -f CP1252 -t UTF-8 OLD > NEW)"),
        "control-character": ("control characters", "get the file again"),
        "url": ("no URL in either of the first two columns", "a URL begins with http:// or https://, without quotes"),
        "caption": ("no caption", "name the captions file"),
    }[problem]
    if problem == "columns" and columns == 1:
        found, todo = "no tab", "write one between caption and URL, or name the captions file"
        if separator := SEPARATOR.search(start.decode("utf-8", "replace")):
            todo = f"make tabs of the separators: {CONVERT.format(separator[1] or separator[2])}"
    if problem == "url" and b'"http' in line.lower():
        todo = f"take the quotes off: {CONVERT.format(TAB)}"
    return f"{expected} none: lines have {found}, such as {line[:200].decode('utf-8', 'replace')!r}; {todo}"


def count_lines(path: str | Path) -> int:
    """Return the number of lines in a file, which may be packed by gzip; a last line without a line feed counts."""
    count, last = 0, b"\n"
    with _open(path) as lines:
        while block := lines.read(1 << 22):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")


def part_range(n_rows: int, part: int, parts: int) -> range:
    """Return the row numbers of part `part` (from 0) of `parts`: contiguous, of sizes that differ by one at most."""
    if not 0 <= part < parts:
        raise ValueError(f"part must be between 0 and {parts - 1}, found {part}")
    return range(n_rows * part // parts, n_rows * (part + 1) // parts)


class Part:
    """The rows of part `part` (from 0) of `parts` of a captions file; the file must have `count` rows, if given.

    The rows can be read again and again, a line at a time. A malformed line is a row with a problem. Without `links`,
    captions alone are needed, and what stands for the URLs may be anything.
    """

    def __init__(
        self, path: str | Path, part: int = 0, parts: int = 1, count: int | None = None, links: bool = True
    ) -> None:
        self._layout = find_layout(path, links)
        found = count_lines(path) - self._layout.header
        if count is not None and found != count:
            raise ValueError(f"{path}: expected {count:,} rows, found {found:,}; is the copy complete?")
        self._path, self._numbers = path, part_range(found, part, parts)

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Row]:
        header = self._layout.header
        with _open(self._path) as lines:
            for number, line in enumerate(islice(_split(lines), header, header + self._numbers.stop)):
                if number >= self._numbers.start:
                    yield _parse(number, line, self._layout)


def _split(lines: BinaryIO) -> Iterator[bytes]:
    """Yield the lines; of one that is too long for a row, the first `MAX_LINE_BYTES`."""
    while line := lines.readline(MAX_LINE_BYTES):
        yield line
        while line and not line.endswith(b"\n"):
            line = lines.readline(MAX_LINE_BYTES)


def _parse(number: int, line: bytes, layout: Layout) -> Row:
    key = f"{number:09d}"
    if len(line) == MAX_LINE_BYTES:
        return Row(key, "", "", "columns")
    line = line.removeprefix(MARK).rstrip(b"\r\n")
    try:
        text, problem = line.decode("utf-8"), None
    except UnicodeDecodeError:
        text, problem = line.decode("utf-8", errors="replace"), "encoding"
    fields = text.split("\t")
    caption, url = fields[0], fields[1] if len(fields) > 1 else ""
    if layout.url_first:
        caption, url = url, caption
    if problem is None and len(fields) not in COLUMN_COUNTS:
        problem = "columns"
    if problem is None and CONTROL_CHARACTER.search(caption + url):
        problem = "control-character"
    labels = tuple(filter(None, map(str.strip, fields[2].split(",")))) if len(fields) == max(COLUMN_COUNTS) else ()
    return Row(key, PERSON.sub("person", caption), url, problem, labels)
