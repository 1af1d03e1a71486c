"""Write files so that a reader never meets half of one, and so that the same content gives the same bytes.

A killed process leaves a temporary file beside the output, never a truncated output under its final name: content is
written aside, synced to disk and renamed.
"""

import hashlib
import json
import os
import re
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


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
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # One job writes a file, so the name needs no process number; what a killed job left is overwritten by the next.
    aside = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        yield aside
        with open(aside, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


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
    try:
        text = Path(path).read_text(encoding="utf-8")
        content = json.loads(text, object_pairs_hook=_without_repetition, parse_constant=_no_constant)
        if SURROGATE.search(text):
            json.dumps(content, ensure_ascii=False).encode()
        return content
    except _RepeatedKeyError as error:
        raise ValueError(f"{path}: the key {error.args[0]!r:.200} stands twice in one JSON object") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON, found something else ({error})") from error


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
        pq.write_table(table, aside, compression="zstd")


def read_parquet(path: str | Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet file.

    Raises
    ------
    ValueError
        If the file is not readable as Parquet or lacks a column; the message names the file.
    """
    with parquet_errors(path):
        return pq.read_table(path, columns=columns).to_pandas()


@contextmanager
def parquet_errors(path: str | Path) -> Iterator[None]:
    """Turn whatever Arrow and pandas raise for a damaged or foreign file into a `ValueError` that names it."""
    try:
        yield
    except FileNotFoundError:
        raise
    # Damaged bytes, columns of other types, and damaged notes on them.
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: expected a Parquet file, found something else ({' '.join(str(error).split())}); delete it and "
            "run the workflow again"
        ) from error


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
