"""Keep a language model's answers on disk, so that a killed run loses none and a second run asks nothing.

One SQLite file holds what was answered to each request, under the SHA-256 of the whole request: model, prompt, sampling
settings and caption. Headers, and with them the API key, are no part of it. Processes on one machine may share the
file; on a network file system that cannot lock, give each its own.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

# Another process writes for milliseconds at a time.
LOCK_TIMEOUT_S = 60.0


class AnswerCache:
    """Answers by request; made by `open_cache`."""

    def __init__(self, database: sqlite3.Connection):
        self._database = database

    def get(self, request: dict) -> str | None:
        """Return the answer to `request`, or None."""
        found = self._database.execute("SELECT answer FROM answers WHERE request = ?", (_digest(request),)).fetchone()
        return found[0] if found else None

    def put(self, request: dict, answer: str) -> str:
        """Store an answer unless there is one already; return the stored one, which is what every later run reads."""
        with self._database:
            self._database.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (_digest(request), answer))
        return self.get(request)


@contextmanager
def open_cache(path: str | Path) -> Iterator[AnswerCache]:
    """Open the cache, or make it; close it at the end.

    Raises
    ------
    ValueError
        If `path` cannot be opened or is no such file.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT_S)) as database:
            with database:
                database.execute("CREATE TABLE IF NOT EXISTS answers (request BLOB PRIMARY KEY, answer TEXT NOT NULL)")
            yield AnswerCache(database)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # of a damaged schema SQLite's own message may not decode
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path}: expected a SQLite file of answers that can be read and written, found a problem ({error}); if it is "
        "the disk's, mend that; else choose another path or delete the file (its answers are then asked for again)"
    )


def _digest(request: dict) -> bytes:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()
