"""What became of each row: a record in memory, in the journal of a part under way, and in the table of a finished one.

The journal keeps what was fetched so far where a kill cannot take it away: an append-only file beside the outputs. Each
settled row is one record, written with one system call as soon as it is settled: a killed process loses nothing that it
had settled, and the operating system keeps it. Nothing is synced to disk, so a power cut may lose the last records, but
a torn one is never believed: each has a checksum, and the file is cut off before the first that is not whole. (A SQLite
file of the same speed is lost as a whole when its end is.) The images lie in the file too; in memory there are eight
bytes per row.

::

    file    = record*, of which the first has the note {"identity": ...} and no content
    record  = crc32 of the rest, length of note, length of content (4 bytes each, little-endian), note, content
    note    = JSON: number of the row in the part, then its `Outcome`, the sides as a list;
              or number, attempts and seconds of a row that is to be tried again
    content = the image as it will be stored; empty for a failure
"""

import errno
import fcntl
import json
import os
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_lib.formats.cc3m import Row
from pipeline_lib.jobs.files import PARQUET, atomic, parquet_errors

IDENTITY = b"fetched"
ROWS_PER_GROUP = 4096  # in memory at a time, however long the table is
CRC, LENGTHS = struct.Struct("<I"), struct.Struct("<II")
HEAD_BYTES = CRC.size + LENGTHS.size


class Outcome(NamedTuple):
    """A row's line in the outcome table but for key and URL (see `fetch`), and its image's `SIDES` in pixels."""

    status: str
    failure: str | None
    permanent: bool
    http_code: int | None
    attempts: int
    bytes: int | None
    final_host: str | None
    sha256: str | None
    milliseconds: int
    width: int | None = None
    height: int | None = None
    original_width: int | None = None  # as downloaded, before rotation
    original_height: int | None = None

    def facts(self, row: Row) -> dict[str, str | int]:
        """Return the content of the JSON beside the image."""
        said = {"caption": row.caption, "url": row.url, "status": self.status, "sha256": self.sha256}
        return said | {name: getattr(self, name) for name in SIDES}


def schema_of(names: Iterable[str], **not_text: pa.DataType) -> pa.Schema:
    """Return a schema of text columns, but for those whose type is given."""
    return pa.schema([(name, not_text.get(name, pa.string())) for name in names])


SIDES = ("width", "height", "original_width", "original_height")
N_COLUMNS = len(Outcome._fields) - len(SIDES)
COUNTS = dict.fromkeys(("http_code", "attempts", "milliseconds"), pa.int32())
SCHEMA = schema_of(("key", "url", *Outcome._fields[:N_COLUMNS]), permanent=pa.bool_(), bytes=pa.int64(), **COUNTS)


class Journal:
    """The settled rows of a part of `n_rows` rows.

    What the file at `path` holds is taken over if `identity`, of the rows and of the settings on which an image
    depends, is the same; otherwise it starts anew and says so. Raises `ValueError` if another process has it open.
    """

    def __init__(self, path: Path, identity: str, n_rows: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._places = array("Q", bytes(8 * n_rows))  # of each row's record; 0, the place of the identity, for none
        self._attempts: dict[int, tuple[int, float]] = {}
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise ValueError(f"{path}: another process is fetching this part; wait for it or end it") from None
        self._end = self._take_over(identity)
        os.ftruncate(self._file, self._end)
        if not self._end:
            self._append({"identity": identity})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, and keep it."""
        os.close(self._file)

    def __len__(self) -> int:
        return len(self._places) - self._places.count(0)

    def __contains__(self, row: int) -> bool:
        return self._places[row] > 0

    def add(self, row: int, outcome: Outcome, content: bytes = b"") -> None:
        """Settle the row of a number in the part; `content` is the image as it will be stored."""
        assert row not in self
        self._mark(row, self._append([row, *outcome[:N_COLUMNS], outcome[N_COLUMNS:]], content))

    def add_attempt(self, row: int, attempts: int, asked_s: float) -> None:
        """Note that a row was tried `attempts` times, which took `asked_s`, and is to be tried again."""
        self._append([row, attempts, asked_s])
        self._attempts[row] = attempts, asked_s

    def attempts(self, row: int) -> tuple[int, float]:
        """Return how often a row that is not settled was tried, and how many seconds that took."""
        return self._attempts.get(row, (0, 0.0))

    def read(self, row: int) -> tuple[Outcome, bytes]:
        """Return what `add` was given for a row."""
        place = self._places[row]
        n_note, n_content = LENGTHS.unpack(os.pread(self._file, LENGTHS.size, place + CRC.size))
        record = os.pread(self._file, n_note + n_content, place + HEAD_BYTES)
        _, *values, sides = json.loads(record[:n_note])
        return Outcome(*values, *(sides or ())), record[n_note:]

    def remove(self) -> None:
        """Delete the file: everything in it stands elsewhere."""
        self._path.unlink()

    def _append(self, said: object, content: bytes = b"") -> int:
        """Write a record; return its place."""
        note = json.dumps(said).encode()
        record = b"".join((LENGTHS.pack(len(note), len(content)), note, content))
        record = CRC.pack(zlib.crc32(record)) + record
        try:
            written = os.write(self._file, record)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        if written != len(record):
            os.ftruncate(self._file, self._end)  # or the next record would not be where it is looked for
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        place, self._end = self._end, self._end + len(record)
        return place

    def _mark(self, row: int, place: int) -> None:
        self._places[row] = place
        self._attempts.pop(row, None)

    def _take_over(self, identity: str) -> int:
        """Note where the file's records are; return where the last whole one ends, 0 if the file is to start anew."""
        size, end = os.fstat(self._file).st_size, 0
        while len(head := os.pread(self._file, HEAD_BYTES, end)) == HEAD_BYTES:
            place, n_note, n_content = end, *LENGTHS.unpack_from(head, CRC.size)
            if place + HEAD_BYTES + n_note + n_content > size:  # asked before reading: torn lengths may say anything
                break
            record = os.pread(self._file, n_note + n_content, place + HEAD_BYTES)
            if CRC.unpack_from(head) != (zlib.crc32(record, zlib.crc32(head[CRC.size :])),):
                break
            end = place + HEAD_BYTES + len(record)
            said = json.loads(record[:n_note])
            if place and len(said) == 3:
                self._attempts[said[0]] = said[1], said[2]
            elif place:
                self._mark(said[0], place)
            elif said != {"identity": identity}:
                print(f"{self._path}: was made with other rows or settings; starting over", file=sys.stderr)
                return 0
        if size:
            torn = f", {size - end:,} bytes of a torn record cut off" if end < size else ""
            print(f"{self._path}: {len(self):,} of {len(self._places):,} rows are settled{torn}", file=sys.stderr)
        return end


def write_outcomes(path: Path, identity: str, lines: Iterable[tuple[Row, Outcome]]) -> None:
    """Write an outcome table; `identity` is of the rows and the settings that it was made with."""
    schema, lines = SCHEMA.with_metadata({IDENTITY: identity}), iter(lines)
    with atomic(path) as aside, pq.ParquetWriter(aside, schema, **PARQUET) as writer:
        while group := list(islice(lines, ROWS_PER_GROUP)):
            rows = [{"key": row.key, "url": row.url, **outcome._asdict()} for row, outcome in group]
            writer.write_table(pa.Table.from_pylist(rows, schema))


def check_columns(path: Path) -> pa.Schema:
    """Return the schema of a file, which must be an outcome table."""
    with parquet_errors(path):
        found = pq.read_schema(path)
    if found.names != SCHEMA.names or IDENTITY not in (found.metadata or {}):
        raise ValueError(
            f"{path}: expected an outcome table with the columns {', '.join(SCHEMA.names)}, found "
            f"{', '.join(found.names)}; delete it and fetch the part again"
        )
    return found


def read_outcomes(path: Path) -> tuple[str, Iterator[tuple[str, Outcome]]]:
    """Return an outcome table's identity, and key and outcome of each line, without holding it in memory.

    The sides are None, since the table does not have them.
    """

    def lines() -> Iterator[tuple[str, Outcome]]:
        with parquet_errors(path), pq.ParquetFile(path, page_checksum_verification=True) as table:
            for batch in table.iter_batches(ROWS_PER_GROUP):
                for key, _, *values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    yield key, Outcome(*values)

    return check_columns(path).metadata[IDENTITY].decode(errors="replace"), lines()
