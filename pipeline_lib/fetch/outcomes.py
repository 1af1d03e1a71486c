"""What became of each row, as a record in memory, a line of the Parquet table and the JSON beside the image."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_lib.formats.cc3m import Row
from pipeline_lib.jobs.files import PARQUET, atomic, parquet_errors

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("url", pa.string()),
        ("status", pa.string()),
        ("failure", pa.string()),
        ("permanent", pa.bool_()),
        ("http_code", pa.int32()),
        ("attempts", pa.int32()),
        ("bytes", pa.int64()),
        ("final_host", pa.string()),
        ("sha256", pa.string()),
        ("milliseconds", pa.int32()),
    ]
)
IDENTITY = b"fetched"
# So many rows are in memory at a time, however long the table is.
ROWS_PER_GROUP = 4096


class Sizes(NamedTuple):
    """Pixels of an image: as it is stored, and as it was downloaded, before rotation."""

    width: int
    height: int
    original_width: int
    original_height: int


class Outcome(NamedTuple):
    """A row's line in the outcome table but for key and URL (see `fetch` for the columns), and its image's sizes."""

    status: str
    failure: str | None
    permanent: bool
    http_code: int | None
    attempts: int
    bytes: int | None
    final_host: str | None
    sha256: str | None
    milliseconds: int
    sizes: Sizes | None = None

    def facts(self, row: Row) -> dict[str, str | int]:
        """Return the content of the JSON beside the image."""
        said = {"caption": row.caption, "url": row.url, "status": self.status, "sha256": self.sha256}
        return said | self.sizes._asdict()


class OutcomeTable:
    """Takes rows one by one and writes them in groups; see `outcome_table`."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer, self._group = writer, []

    def add(self, row: Row, outcome: Outcome) -> None:
        """Append a line."""
        self._group.append((row.key, row.url, *outcome[:-1]))
        if len(self._group) == ROWS_PER_GROUP:
            self.write_group()

    def write_group(self) -> None:
        """Write the lines that wait."""
        columns = zip(*self._group, strict=True) if self._group else [()] * len(SCHEMA)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._writer.schema))
        self._group = []


@contextmanager
def outcome_table(path: Path, identity: str) -> Iterator[OutcomeTable]:
    """Yield a table to add lines to; it stands at `path`, whole, when the block ends.

    Parameters
    ----------
    path : Path
        The Parquet file.
    identity : str
        Of the rows and the settings that it was made with, kept in the file's metadata.
    """
    schema = SCHEMA.with_metadata({IDENTITY: identity})
    with atomic(path) as aside, pq.ParquetWriter(aside, schema, **PARQUET) as writer:
        table = OutcomeTable(writer)
        yield table
        table.write_group()


def read_outcomes(path: Path) -> tuple[str, Iterator[tuple[str, str, Outcome]]]:
    """Read an outcome table without holding it in memory.

    Returns
    -------
    identity : str
        As given to `outcome_table`.
    lines : iterator of (str, str, Outcome)
        Key, URL and outcome of each line; `sizes` is None, since the table does not have them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an outcome table.
    """
    with parquet_errors(path):
        table = pq.ParquetFile(path, page_checksum_verification=True)
        found = table.schema_arrow
    if found.names != SCHEMA.names or IDENTITY not in (found.metadata or {}):
        raise ValueError(
            f"{path}: expected an outcome table with the columns {', '.join(SCHEMA.names)}, found "
            f"{', '.join(found.names)}; delete it and fetch the part again"
        )

    def lines() -> Iterator[tuple[str, str, Outcome]]:
        with table, parquet_errors(path):
            for batch in table.iter_batches(ROWS_PER_GROUP):
                for key, url, *values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    yield key, url, Outcome(*values)

    return found.metadata[IDENTITY].decode(errors="replace"), lines()
