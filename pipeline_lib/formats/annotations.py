"""Read the annotation files of benchmarks as published.

A lost row, a shifted column or an empty caption would quietly lower a number. So files are checked whole before a model
is loaded, and the number of items is compared with the published one where the config states it.
"""

import ast
import csv
import io
import tokenize
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path, PurePosixPath

from pipeline_lib.formats.tars import KEY
from pipeline_lib.jobs.file_kind import absent
from pipeline_lib.jobs.quoted import quoted
from pipeline_lib.jobs.text import DAMAGED, open_text

SEPARATORS = (",", ";", "|", "\t")


def parse_count(text: str) -> int | dict[str, int] | None:
    """Return the value of ``--count``: ``none``, a number of items, or ``PART=NUMBER,PART=NUMBER``."""
    if text == "none":
        return None
    try:
        if "=" not in text:
            return int(text)
        return {part: int(number) for part, number in (entry.split("=") for entry in text.split(","))}
    except ValueError:
        raise ValueError(f"--count: expected none, a number or PART=NUMBER,..., found {text!r}") from None


def read_rows(
    path: str | Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield ``(where, row)`` for each row of a table with a header: file and line for messages, and its `columns`.

    The file may have further columns, of which the `optional` are yielded too; cells in quotes may hold separators and
    line breaks. The separator is the one of `SEPARATORS` by which the header has the columns: a comma where several do,
    in a ``.tsv`` a tab. Empty lines, which some editors leave at the end, are skipped.
    """
    with open_text(path) as content:
        start = content.readline()
        rows = csv.reader(chain([start], content), delimiter=_separator(path, start, columns), strict=True)
        try:
            header = next(rows, [])
            if any(header.count(column) != 1 for column in columns):
                raise ValueError(
                    f"{path}, line 1: expected the columns {', '.join(columns)}, each once, found "
                    f"{', '.join(header) or 'an empty file':.300}; write them into line 1, spelt so"
                )
            where, wanted = None, [*columns, *(column for column in optional if column in header)]
            for cells in filter(None, rows):
                where = f"{path}, line {rows.line_num}"
                if len(cells) != len(header):
                    raise ValueError(
                        f"{where}: expected {len(header)} cells as in the header, found {len(cells)}; put cells with "
                        f"{rows.dialect.delimiter!r} in them in double quotes, and complete rows that are cut"
                    )
                yield where, {column: cells[header.index(column)] for column in wanted}
            if where is None:
                raise ValueError(f"{path}: expected at least one row, found none")
        except csv.Error as error:
            raise ValueError(
                f"{path}, line {rows.line_num}: not a row ({error}); a cell with double quotes in it needs quotes "
                "around it, and its own doubled"
            ) from error


def _separator(path: str | Path, start: str, columns: Sequence[str]) -> str:
    """Return what parts the cells of a table with these columns, by its first line."""
    tried = SEPARATORS[::-1] if Path(path).suffix.lower() == ".tsv" else SEPARATORS
    with suppress(csv.Error, StopIteration):
        return next(mark for mark in tried if {*columns} <= {*next(csv.reader([start], delimiter=mark), [])})
    return tried[0]


def read_items(path: str | Path, kind: type[dict] | type[list]) -> dict[str, dict] | list[dict]:
    """Return a JSON object of items by name, or a JSON list of items, as `kind` says."""
    content = _read_json(path)
    if not isinstance(content, kind) or not content:
        word = "object" if kind is dict else "list"
        found = type(content).__name__ + (f" of {len(content)}" if isinstance(content, list | dict) else "")
        raise ValueError(f"{path}: expected a JSON {word} of items, found {found}; get the file as published")
    for name, item in content.items() if kind is dict else enumerate(content):
        if not isinstance(item, dict):
            raise ValueError(f"{path}, item {name}: expected a JSON object, found {quoted(item, 100)}")
    return content


def _read_json(path: str | Path) -> object:
    from pipeline_lib.jobs.files import read_json  # needs pandas, which the workflow does not load to ask the readers

    return read_json(path)


def texts(item: dict, fields: Sequence[str], where: str) -> list[str]:
    """Return the texts of `fields`, none of which may be missing, empty or damaged."""
    found = [item.get(field) for field in fields]
    if not all(map(_is_text, found)):
        raise ValueError(
            f"{where}: expected the texts {', '.join(fields)}, not empty and without control characters, found "
            f"{quoted(item)}"
        )
    return found


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and DAMAGED.search(value) is None


def image_key(path: str, where: str) -> str:
    """Return the key of an image in its pool: the file name without folder and extension."""
    key = PurePosixPath(path.replace("\\", "/")).stem
    if not KEY.fullmatch(key):
        raise ValueError(f"{where}: expected an image's file name of letters, digits, '_' and '-', found {path!r:.100}")
    return key


def string_list(cell: str, where: str) -> list[str]:
    """Return the list of texts that a cell holds as a Python literal; nothing is evaluated.

    Texts without commas between them, as a table has them whose cells were arrays, would be read as one: refused.
    """
    try:
        found = ast.literal_eval(cell)
        count = sum(token.type == tokenize.STRING for token in tokenize.generate_tokens(io.StringIO(cell).readline))
    except (ValueError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError):
        found, count = None, 0
    if not isinstance(found, list) or not found or len(found) != count or not all(map(_is_text, found)):
        raise ValueError(f"{where}: expected a list of texts such as ['a dog', 'a cat'], found {cell!r:.200}")
    return found


def coco_image_keys(path: str | Path) -> list[str]:
    """Return the keys of the images in a COCO 2017 captions file, by ascending id: the 12 digits of their file names.

    torchvision and pycocotools count COCO's images in this order. train2017 has 118,287 images, val2017 5,000.
    """
    keys = _by_id(path, _coco(path, "images")["images"], "file_name", "image")
    for number, name in keys.items():
        if name != f"{number:012d}.jpg":
            raise ValueError(
                f"{path}, image {number}: expected the file name of 12 digits of COCO 2017, found {name!r:.90}"
            )
    return [f"{number:012d}" for number in sorted(keys)]


def coco_objects(path: str | Path) -> tuple[list[str], dict[str, set[str]]]:
    """Return the keys of the images of a file of COCO's instances, in its order, and by category those that show it."""
    content = _coco(path, "images", "annotations", "categories")
    keys = _by_id(path, content["images"], "file_name", "image")
    keys = {number: image_key(name, f"{path}, image {number}") for number, name in keys.items()}
    categories = _by_id(path, content["categories"], "name", "category")
    for names, what in ((keys, "image"), (categories, "category")):
        if len(set(names.values())) < len(names):
            raise ValueError(f"{path}: expected each {what}'s name once, found one twice")
    shown = {name: set() for name in categories.values()}
    for place, annotation in enumerate(content["annotations"]):
        try:
            shown[categories[annotation["category_id"]]].add(keys[annotation["image_id"]])
        except (KeyError, TypeError):  # also of an id that is a list
            raise ValueError(
                f"{path}, annotation {place}: expected the image_id of one of the images and the category_id of one of "
                f"the categories, found {quoted(annotation, 100)}"
            ) from None
    return list(keys.values()), shown


def _coco(path: str | Path, *lists: str) -> dict[str, list]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{absent(path)}; it is in COCO's annotations_trainval2017.zip")
    content = _read_json(path)
    found = content if isinstance(content, dict) else {}
    if not all(isinstance(found.get(name), list) and found[name] for name in lists):
        said = f"lists {', '.join(lists)}, found {quoted(content, 100)}"
        raise ValueError(f"{path}: expected COCO's annotations, with {said}")
    return content


def _by_id(path: str | Path, items: list, field: str, what: str) -> dict[int, str]:
    """Return a text of each of COCO's images or categories by its id."""
    found = {}
    for place, item in enumerate(items):
        where = f"{path}, {what} {place}"
        if not isinstance(item, dict) or type(item.get("id")) is not int or item["id"] in found:
            raise ValueError(f"{where}: expected an object with an id that no other has, found {quoted(item, 100)}")
        (found[item["id"]],) = texts(item, [field], where)
    return found
