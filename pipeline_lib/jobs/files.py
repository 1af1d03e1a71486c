"""Read and write files: never half of one, and the same bytes for the same content.

Content is written to a temporary file beside the output, synced to disk and renamed. So a killed process may leave a
temporary file, but never half an output under its final name. A file that cannot be read as what it should be is a
`ValueError` that names the file.
"""

import hashlib
import json
import os
import re
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_lib.jobs.cli import DISK_ERRORS
from pipeline_lib.jobs.file_kind import misread
from pipeline_lib.jobs.text import read_text

PARQUET = {"compression": "zstd", "write_page_checksum": True}  # of every Parquet file that a stage writes


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with the same suffix; on success rename it to `path`, else remove it.

    The folder is made if it does not exist. An error of the disk (`DISK_ERRORS`) is an `OSError` that names `path`.
    """
    path = Path(path)
    aside = _aside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        with open(aside, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(aside, path)
        _sync_folder(path.parent)
    except Exception as error:
        if (number := _disk_error(error)) is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        with suppress(OSError):  # such as a read-only file system, which has no file to remove either
            aside.unlink(missing_ok=True)


def _aside(path: Path) -> Path:
    # One job writes a file, so the name needs no process number, and its next try overwrites what a killed job left.
    return path.with_name(f".{path.stem}.tmp{path.suffix}")


def discard(path: str | Path) -> None:
    """Remove a file that `atomic` wrote, and the temporary file that a kill may have left beside it."""
    for file in (Path(path), _aside(Path(path))):
        file.unlink(missing_ok=True)


def _disk_error(error: BaseException | None) -> int | None:
    """Return the number, one of `DISK_ERRORS`, of the error of the disk behind a writer's error; None if it has none.

    On a full disk safetensors only says it in words, and torch raises another error while it handles the disk's.
    """
    while error is not None:
        said = re.search(r"\(os error (\d+)\)", str(error))
        number = error.errno if isinstance(error, OSError) else said and int(said[1])
        if number in DISK_ERRORS:
            return number
        error = error.__context__
    return None


def _sync_folder(folder: Path) -> None:
    """Write a folder's entries to disk, so that a rename survives a power cut too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, atomically."""
    with atomic(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: str | Path, content: object) -> None:
    """Write `content` to `path` as indented JSON with sorted keys, atomically."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # the escaped half of a character beyond the first 65,536


def read_json(path: str | Path) -> object:
    """Read a JSON file; refuse NaN, half surrogate pairs, too deep nesting, and a key that an object has twice."""
    text = read_text(path)
    try:
        content = json.loads(text, object_pairs_hook=_without_repetition, parse_constant=_no_constant)
        if SURROGATE.search(text):
            json.dumps(content, ensure_ascii=False).encode()
        return content
    except (ValueError, RecursionError) as error:
        several = "several values, as in JSON Lines: " if "Extra data" in str(error) else ""
        raise misread(path, "JSON", f"{several}{error}", "json") from error


def _without_repetition(pairs: list[tuple[str, object]]) -> dict:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError(f"the key {repeated(name for name, _ in pairs)!r:.200} stands twice in one JSON object")
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def repeated(values: Iterable[Hashable]) -> object:
    """Return the first of `values` that occurred before it, or None."""
    seen = set()
    return next((value for value in values if value in seen or seen.add(value)), None)


def write_parquet(path: str | Path, frame: pd.DataFrame, schema: pa.Schema | None = None) -> None:
    """Write `frame`, without its index, to `path` as Parquet, atomically and without a trace of when or where.

    `schema` has column types and metadata; a frame with other columns is an error. Without it, types are inferred.
    """
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    if schema is None:
        table = table.replace_schema_metadata(None)
    with atomic(path) as aside:
        pq.write_table(table, aside, **PARQUET)


def read_parquet(path: str | Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read columns of a Parquet file, all if none is named."""
    with parquet_errors(path):
        return _read_table(path, columns=columns).to_pandas()


def read_arrow(path: str | Path, columns: list[str] | None = None, filters: pc.Expression | None = None) -> pa.Table:
    """Read the rows of a Parquet file that pass `filters`, as an Arrow table."""
    with parquet_errors(path):
        return _read_table(path, columns=columns, filters=filters)


def _read_table(path: str | Path, **options: object) -> pa.Table:
    """Read a table, and compare each page with its checksum where the file has them, as ours do."""
    return pq.read_table(path, page_checksum_verification=True, **options)


@contextmanager
def parquet_errors(path: str | Path, expected: str = "Parquet file") -> Iterator[None]:
    """Turn whatever Arrow and pandas raise for a damaged or foreign file into a `ValueError` that names it."""
    try:
        yield
    # Damaged bytes, columns of other types, and damaged notes on them.
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise misread(path, f"a whole {expected}", error, "parquet") from error


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
