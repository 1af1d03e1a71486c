"""Write files so that a reader never meets half of one, and so that the same content gives the same bytes.

A killed process leaves a temporary file beside the output, never a truncated output under its final name: content is
written aside, synced to disk and renamed.
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

from pipeline_lib.jobs.cli import BEYOND_US
from pipeline_lib.jobs.rule_of_file import remedy
from pipeline_lib.jobs.text import read_text

PARQUET = {"compression": "zstd", "write_page_checksum": True}  # of every Parquet file that a stage writes


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success sync it and rename it to `path`, on error remove it.

    Parameters
    ----------
    path : str or Path
        The final name. Its folder is made if it does not exist.

    Yields
    ------
    Path
        Where to write. It has the same suffix as `path`, since some writers choose a format by it.

    Raises
    ------
    OSError
        One of `BEYOND_US` that names `path`, if the disk does not take the file.
    """
    path = Path(path)
    aside = aside_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        with open(aside, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(aside, path)
        _sync_folder(path.parent)
    except Exception as error:
        if (number := _disk_answer(error)) is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        with suppress(OSError):  # such as a file system that takes no change: it has no file to remove either
            aside.unlink(missing_ok=True)


def aside_of(path: str | Path) -> Path:
    """Return where `atomic` writes what is to stand at `path`.

    One job writes a file, so the name needs no process number; what a killed job left is overwritten by its next try.
    """
    path = Path(path)
    return path.with_name(f".{path.stem}.tmp{path.suffix}")


def discard(path: str | Path) -> None:
    """Remove a file that `atomic` wrote and that is needed no more, and what a kill may have left of a newer one."""
    for file in (Path(path), aside_of(path)):
        file.unlink(missing_ok=True)


def _disk_answer(error: BaseException | None) -> int | None:
    """Return the number of the disk's answer, one of `BEYOND_US`, that a writer's error comes from; None for others.

    Of a full disk safetensors says only the text, and torch something about positions while it handles the answer.
    """
    while error is not None:
        said = re.search(r"\(os error (\d+)\)", str(error))
        number = error.errno if isinstance(error, OSError) else said and int(said[1])
        if number in BEYOND_US:
            return number
        error = error.__context__
    return None


def _sync_folder(folder: Path) -> None:
    """Have a folder's entries on disk, so that a rename outlives a power cut too."""
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


def read_json(path: str | Path) -> object:
    """Read a JSON file.

    Raises
    ------
    ValueError
        If the file is not JSON (``NaN`` is none, nor is half a surrogate pair a text), is nested too deeply to be read,
        or an object in it has a key twice, of which a reader would lose one; the message names the file and the place.
    """
    text = read_text(path)
    try:
        content = json.loads(text, object_pairs_hook=_without_repetition, parse_constant=_no_constant)
        if SURROGATE.search(text):
            json.dumps(content, ensure_ascii=False).encode()
        return content
    except _RepeatedKeyError as error:
        raise ValueError(f"{path}: the key {error.args[0]!r:.200} stands twice in one JSON object") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON, found something else ({error}); {remedy(path)}") from error


SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # the escaped half of a character beyond the first 65,536


class _RepeatedKeyError(Exception):
    """A JSON object has a key twice."""


def _without_repetition(pairs: list[tuple[str, object]]) -> dict:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise _RepeatedKeyError(repeated(name for name, _ in pairs))
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def repeated(values: Iterable[Hashable]) -> object:
    """Return the first of `values` that occurred before, or None."""
    seen = set()
    return next((value for value in values if value in seen or seen.add(value)), None)


def write_parquet(path: str | Path, frame: pd.DataFrame, schema: pa.Schema | None = None) -> None:
    """Write `frame` to `path` as Parquet, atomically and without a trace of when or where.

    Parameters
    ----------
    path : str or Path
        The output.
    frame : DataFrame
        Rows in the order in which they are to be stored; the index is dropped.
    schema : pyarrow.Schema, optional
        Column types and metadata; inferred from `frame` where not given. A frame with other columns is an error.
    """
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    if schema is None:
        table = table.replace_schema_metadata(None)
    with atomic(path) as aside:
        pq.write_table(table, aside, **PARQUET)


def read_parquet(path: str | Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet file.

    Raises
    ------
    ValueError
        If the file is not readable as Parquet or lacks a column; the message names the file.
    """
    with parquet_errors(path):
        return _read_table(path, columns=columns).to_pandas()


def read_arrow(path: str | Path, columns: list[str] | None = None, filters: pc.Expression | None = None) -> pa.Table:
    """Read rows of a Parquet file that `filters` lets through, as Arrow has them; raise what `read_parquet` raises."""
    with parquet_errors(path):
        return _read_table(path, columns=columns, filters=filters)


def _read_table(path: str | Path, **options: object) -> pa.Table:
    """Read a table; each page is compared with its checksum, where the file has them: ours have."""
    return pq.read_table(path, page_checksum_verification=True, **options)


@contextmanager
def parquet_errors(path: str | Path, expected: str = "Parquet file") -> Iterator[None]:
    """Turn whatever Arrow and pandas raise for a damaged or foreign file into a `ValueError` that names it.

    `expected` says what the file should be.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    # Damaged bytes, columns of other types, and damaged notes on them.
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: expected a whole {expected}, found {' '.join(str(error).split())}; {remedy(path)}"
        ) from error


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
