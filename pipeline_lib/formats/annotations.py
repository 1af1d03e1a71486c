"""Read the annotation files of benchmarks as published, and refuse by file and line what does not fit.

A lost row, a shifted column or an empty caption would be a quietly lower number. So files are checked whole before a
model is loaded, and the number of items is compared with the published one where the config states it.
"""

import ast
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from pipeline_lib.formats.tars import KEY
from pipeline_lib.jobs.quoted import quoted


def parse_count(text: str) -> int | dict[str, int] | None:
    """Return the value of ``--count``: ``none``, a number of items, or ``PART=NUMBER`` with commas between.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if text == "none":
        return None
    try:
        if "=" not in text:
            return int(text)
        return {part: int(number) for part, number in (entry.split("=") for entry in text.split(","))}
    except ValueError:
        raise ValueError(f"--count: expected none, a number or PART=NUMBER,..., found {text!r}") from None


def check_count(path: str | Path, found: int, expected: int | None, what: str = "items") -> None:
    """Raise a `ValueError` that names the file if it does not hold the published number of items."""
    if expected is not None and found != expected:
        raise ValueError(f"{path}: expected {expected:,} {what} as published, found {found:,}; download the file again")


def read_rows(path: str | Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows of a CSV file with a header, which may have further columns.

    Parameters
    ----------
    path : str or Path
        UTF-8, with or without a byte order mark; cells in quotes may hold commas and line breaks.
    columns : sequence of str
        What the header must have.

    Yields
    ------
    where : str
        File and line, for messages.
    row : dict of str to str
        The cells of `columns`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the header lacks a column or has it twice, a row has more or fewer cells than the header, or quotes do not
        close; the message names file and line.
    """
    with open(path, encoding="utf-8-sig", newline="") as content:
        rows = csv.reader(content, strict=True)
        try:
            header = next(rows, [])
            wrong = [column for column in columns if header.count(column) != 1]
            if wrong:
                raise ValueError(
                    f"{path}, line 1: expected the columns {', '.join(columns)}, each once, found "
                    f"{', '.join(header):.300}"
                )
            for cells in rows:
                if not cells:  # an empty line, as some editors leave at the end
                    continue
                where = f"{path}, line {rows.line_num}"
                if len(cells) != len(header):
                    raise ValueError(f"{where}: expected {len(header)} cells as in the header, found {len(cells)}")
                row = dict(zip(header, cells, strict=True))
                yield where, {column: row[column] for column in columns}
        except csv.Error as error:
            raise ValueError(f"{path}, line {rows.line_num}: not a CSV row ({error})") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: expected UTF-8 ({error})") from error


def read_object(path: str | Path) -> dict[str, dict]:
    """Return a JSON object of items by name; raise a `ValueError` that names the file if it is something else."""
    return _items(path, dict)


def read_list(path: str | Path) -> list[dict]:
    """Return a JSON list of items; raise a `ValueError` that names the file if it is something else."""
    return _items(path, list)


def _items(path: str | Path, kind: type) -> dict | list:
    from pipeline_lib.jobs.files import (
        read_json,  # with pandas, which the workflow does without when it asks the readers
    )

    content = read_json(path)
    if not isinstance(content, kind) or not content:
        word = {dict: "object", list: "list"}[kind]
        size = f" of {len(content)}" if isinstance(content, list | dict) else ""
        raise ValueError(f"{path}: expected a JSON {word} of items, found {type(content).__name__}{size}")
    for name, item in content.items() if kind is dict else enumerate(content):
        if not isinstance(item, dict):
            raise ValueError(f"{path}, item {name}: expected a JSON object, found {quoted(item, 100)}")
    return content


def texts(item: dict, fields: Sequence[str], where: str) -> list[str]:
    """Return the texts of `fields`; raise a `ValueError` that quotes the item if one is missing, empty or no text."""
    found = [item.get(field) for field in fields]
    if not all(isinstance(text, str) and text.strip() for text in found):
        raise ValueError(f"{where}: expected the texts {', '.join(fields)}, found {quoted(item)}")
    return found


def image_key(path: str, where: str) -> str:
    """Return the key of an image in its pool: the file name without folder and extension.

    Raises
    ------
    ValueError
        If the name holds anything but letters, digits, ``_`` and ``-``.
    """
    key = PurePosixPath(path.replace("\\", "/")).stem
    if not KEY.fullmatch(key):
        raise ValueError(f"{where}: expected an image's file name of letters, digits, '_' and '-', found {path!r:.100}")
    return key


def string_list(cell: str, where: str) -> list[str]:
    """Return the list of texts that a cell holds as a Python literal; nothing is evaluated.

    Raises
    ------
    ValueError
        If the cell is anything but a list of at least one text that is not empty.
    """
    try:
        found = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(text, str) and text.strip() for text in found):
        raise ValueError(f"{where}: expected a list of texts such as ['a dog', 'a cat'], found {cell!r:.200}")
    return found
