"""Keep what was fetched so far where a kill cannot take it away: an append-only file beside the outputs.

Each settled row is one record, written with one system call as soon as it is settled: a killed process loses nothing
that it had settled, and the operating system keeps it. Nothing is synced to disk, so a power cut may lose the last
records, but a torn one is never believed: each has a checksum, and the file is cut off before the first that is not
whole. The images lie in the file too; in memory there are eight bytes per row.

::

    file    = record*, of which the first has the note {"identity": ...} and no content
    record  = crc32 of the rest, length of note, length of content (4 bytes each, little-endian), note, content
    note    = JSON: number of the row in the part, then its `Outcome`, or how often it was tried so far and for how long
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
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from pipeline_lib.fetch.outcomes import Outcome, Sizes

CRC = struct.Struct("<I")
LENGTHS = struct.Struct("<II")
HEAD_BYTES = CRC.size + LENGTHS.size


class Journal:
    """The settled rows of a part.

    Parameters
    ----------
    path : Path
        The file. What it holds is taken over if it is of the same identity; otherwise it starts anew and says so.
    identity : str
        Of the rows and of the settings on which an image depends.
    n_rows : int
        How many rows the part has.

    Raises
    ------
    ValueError
        If another process has the file open.
    """

    def __init__(self, path: Path, identity: str, n_rows: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._n_rows = path, n_rows
        self._places = array("Q", bytes(8 * n_rows))  # of each row's record; 0, the place of the identity, for none
        self._settled = 0
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
            self._append(json.dumps({"identity": identity}).encode(), b"")

    def __enter__(self) -> Self:
        """Return the journal itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, and keep it."""
        os.close(self._file)

    def __len__(self) -> int:
        """Return the number of settled rows."""
        return self._settled

    def __contains__(self, row: int) -> bool:
        """Return whether a row is settled."""
        return self._places[row] > 0

    def add(self, row: int, outcome: Outcome, content: bytes = b"") -> None:
        """Settle a row.

        Parameters
        ----------
        row : int
            Its number in the part.
        outcome : Outcome
            What became of it.
        content : bytes
            The image as it will be stored.
        """
        assert row not in self
        self._mark(row, self._append(json.dumps([row, *outcome]).encode(), content))

    def add_attempt(self, row: int, attempts: int, asked_s: float) -> None:
        """Note that a row was tried `attempts` times, which took `asked_s`, and is to be tried again."""
        self._append(json.dumps([row, attempts, asked_s]).encode(), b"")
        self._attempts[row] = attempts, asked_s

    def attempts(self, row: int) -> tuple[int, float]:
        """Return how often a row that is not settled was tried, and how many seconds that took."""
        return self._attempts.get(row, (0, 0.0))

    def read(self, row: int) -> tuple[Outcome, bytes]:
        """Return what `add` was given for a row."""
        place = self._places[row]
        note_bytes, content_bytes = LENGTHS.unpack(os.pread(self._file, LENGTHS.size, place + CRC.size))
        record = os.pread(self._file, note_bytes + content_bytes, place + HEAD_BYTES)
        _, *values, sizes = json.loads(record[:note_bytes])
        return Outcome(*values, sizes and Sizes(*sizes)), record[note_bytes:]

    def remove(self) -> None:
        """Delete the file: everything in it stands elsewhere."""
        self._path.unlink()

    def _append(self, note: bytes, content: bytes) -> int:
        """Write a record; return its place."""
        lengths = LENGTHS.pack(len(note), len(content))
        record = b"".join((CRC.pack(_checksum(lengths, note, content)), lengths, note, content))
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
        self._settled += row not in self
        self._places[row] = place
        self._attempts.pop(row, None)

    def _take_over(self, identity: str) -> int:
        """Note where the file's records are; return where the last whole one ends, 0 if the file is to start anew."""
        with open(self._path, "rb", buffering=1 << 20) as file:
            size, end = os.fstat(file.fileno()).st_size, 0
            for place, note, stop in _records(file, size):
                end, said = stop, json.loads(note)
                if place and len(said) == 3:
                    self._attempts[said[0]] = said[1], said[2]
                elif place:
                    self._mark(said[0], place)
                elif said != {"identity": identity}:
                    print(f"{self._path}: is of other rows or settings; starting over", file=sys.stderr)
                    return 0
        if size:
            torn = f", {size - end:,} bytes of a torn record cut off" if end < size else ""
            print(f"{self._path}: {len(self):,} of {self._n_rows:,} rows are settled{torn}", file=sys.stderr)
        return end


def _records(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes, int]]:
    """Yield place, note and end of each record up to the first that is not whole."""
    place = 0
    while len(head := file.read(HEAD_BYTES)) == HEAD_BYTES:
        (crc,), lengths = CRC.unpack_from(head), head[CRC.size :]
        end = place + HEAD_BYTES + sum(LENGTHS.unpack(lengths))
        if end > size:  # asked before reading: lengths of a torn record may say anything
            return
        note, content = (file.read(length) for length in LENGTHS.unpack(lengths))
        if _checksum(lengths, note, content) != crc:
            return
        yield place, note, end
        place = end


def _checksum(*pieces: bytes) -> int:
    crc = 0
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    return crc
