"""Text in files of others: UTF-8, and a byte order mark at its beginning is not part of it.

This is the one rule for captions, sheets, lists of names, CSV and JSON, on disk or in an archive. Text in UTF-16 or
UTF-32, with or without a mark, is refused by name (`file_kind`): a reader that guesses an encoding may guess wrong.
"""

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pipeline_lib.jobs.file_kind import LOOKED_AT, check_text
from pipeline_lib.jobs.remedy import of_a_run, remedy

MARK = codecs.BOM_UTF8
DAMAGED = re.compile(r"[\0-\x08\x0e-\x1f\x7f]")  # no text has these: bytes of something else, or lost in a conversion


def decode_text(content: bytes, path: str | Path) -> str:
    """Return the text of a file, without its byte order mark; `path` is named where it is not UTF-8."""
    check_text(content, path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(_not_utf8(path, error)) from error


def read_text(path: str | Path) -> str:
    """Return what `decode_text` makes of a file; ends of lines are as they are."""
    return decode_text(Path(path).read_bytes(), path)


def read_lines(path: str | Path) -> list[str]:
    """Return the lines of a file but for empty ones at its end; LF, CRLF and CR end a line, and nothing else does."""
    text = io.StringIO(read_text(path), newline=None).read().rstrip("\n")
    if damage := DAMAGED.search(text):
        where = f"{path}, line {text.count(chr(10), 0, damage.start()) + 1}"
        raise ValueError(f"{where}: expected text, found the control character {damage[0]!r}; {remedy(path)}")
    return text.split("\n") if text else []


@contextmanager
def open_text(path: str | Path) -> Iterator[TextIO]:
    """Open a file that is too large to be read at once, or that `csv` reads: as `read_text`, line by line."""
    with open(path, "rb") as content:
        check_text(content.peek(LOOKED_AT), path)
        try:
            yield io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
        except UnicodeDecodeError as error:
            raise ValueError(_not_utf8(path, error)) from error


def _not_utf8(path: str | Path, error: UnicodeDecodeError) -> str:
    todo = remedy(path) if of_a_run(path) else "save it as UTF-8 (from Windows: iconv -f CP1252 -t UTF-8 OLD > NEW)"
    return f"{path}: expected UTF-8, found something else ({error}); {todo}"
