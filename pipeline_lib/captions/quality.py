"""Show the quality of a negation table on one page: how much was negated, why the rest was not, and samples to read.

    python -m pipeline_lib.captions.quality --captions 00000.parquet 00001.parquet --seed 0 --output quality.html

Inputs: the parts of a negation table (`negate`). Output: an HTML page that needs nothing else. Which rows are sampled
depends on the seed and their keys alone, not on how the table is cut. About 300,000 rows a second.
"""

import argparse
import difflib
import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import jinja2
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_lib.formats.negation import NEGATION_WORDS, SCHEMA
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import parquet_errors, write_text

SAMPLES = 100
REFUSALS = 30
BATCH_ROWS = 10_000


class Sample:
    """The `size` rows with the smallest random numbers among those that pass: a uniform sample of a stream.

    A row's number comes from the seed and its key, so the order of the stream does not matter.
    """

    def __init__(self, size: int, seed: int):
        self._size, self._seed = size, seed
        self._heap: list[tuple[int, str, dict]] = []

    def offer(self, key: str, batch: pa.RecordBatch, i: int) -> None:
        """Let row `i` of `batch`, whose key is `key`, take part."""
        drawn = int.from_bytes(hashlib.blake2b(f"sample:{self._seed}:{key}".encode(), digest_size=8).digest())
        if len(self._heap) == self._size and -drawn <= self._heap[0][0]:
            return
        entry = (-drawn, key, batch.slice(i, 1).to_pylist()[0])
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heapreplace(self._heap, entry)

    def rows(self) -> list[dict]:
        """Return the sample, in the order of the drawn numbers."""
        return [row for _, _, row in sorted(self._heap, key=lambda entry: -entry[0])]


class Quality(NamedTuple):
    """What the page shows."""

    counts: Counter  # rows by (column, value); ("pairs", n) counts the captions with n predicate-object pairs
    provenance: Counter  # rows by (backend, model, prompt, code, seed)
    negated: list[dict]  # sampled rows of the table
    refused: list[dict]


def read_batches(paths: Iterable[str | Path]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of negation tables, a batch at a time; an error names the file that is none."""
    for path in paths:
        with (
            parquet_errors(path, "negation table of this version"),
            pq.ParquetFile(path, page_checksum_verification=True) as table,
        ):
            if table.schema_arrow != SCHEMA:
                raise ValueError(f"columns {table.schema_arrow.names}")
            yield from table.iter_batches(BATCH_ROWS)


def measure(batches: Iterable[pa.RecordBatch], seed: int) -> Quality:
    """Count the rows of a negation table (columns: `formats.negation.SCHEMA`) and draw the samples."""
    counts: Counter = Counter()
    provenance: Counter = Counter()
    negated, refused = Sample(SAMPLES, seed), Sample(REFUSALS, seed)
    for batch in batches:
        for name in ("status", "reason", "rule", "negation_word"):
            for found in batch[name].value_counts().to_pylist():
                if found["values"] is not None:
                    counts[name, found["values"]] += found["counts"]
        columns = [batch[name].to_pylist() for name in ("backend", "model", "prompt", "code", "seed")]
        provenance.update(zip(*columns, strict=True))
        for found in batch["pairs"].value_lengths().value_counts().to_pylist():
            counts["pairs", found["values"]] += found["counts"]
        for i, (key, status) in enumerate(zip(batch["key"].to_pylist(), batch["status"].to_pylist(), strict=True)):
            (negated if status == "negated" else refused).offer(key, batch, i)
    return Quality(counts, provenance, negated.rows(), refused.rows())


def marked_words(before: str, after: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Return the words of two texts, each with whether the other text lacks it in this place."""
    old, new = before.split(), after.split()
    marks_old, marks_new = [True] * len(old), [True] * len(new)
    for block in difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        marks_old[block.a : block.a + block.size] = [False] * block.size
        marks_new[block.b : block.b + block.size] = [False] * block.size
    return list(zip(old, marks_old, strict=True)), list(zip(new, marks_new, strict=True))


def _tables(counts: Counter) -> list[dict]:
    """Return the count tables: heading, what the shares are of, and (value, rows) with the most frequent first."""
    rows = sum(count for (name, _), count in counts.items() if name == "status")
    negated = counts["status", "negated"]
    whole = {
        "status": ("Status", rows, "all rows"),
        "reason": ("Reasons of refusal", rows, "all rows"),
        "negation_word": ("Negation words", negated, "negated captions"),
        "pairs": ("Predicate-object pairs in a caption", rows, "all rows"),
        "rule": ("Rules", negated, "negated captions"),
    }
    tables = []
    for name, (heading, total, of) in whole.items():
        found = {value: count for (column, value), count in counts.items() if column == name}
        if name == "negation_word":
            found = dict.fromkeys(NEGATION_WORDS, 0) | found
        order = sorted(found) if name == "pairs" else sorted(found, key=lambda value: (-found[value], value))
        entries = [(value, found[value], found[value] / max(total, 1)) for value in order]
        tables.append({"name": name, "heading": heading, "of": of, "total": total, "entries": entries})
    return tables


def page(quality: Quality) -> str:
    """Return the page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    samples = []
    for row in quality.negated:
        caption, negated = marked_words(row["caption"], row["negated_caption"])
        samples.append(row | {"caption_words": caption, "negated_words": negated})
    return environment.get_template("quality.html.j2").render(
        tables=_tables(quality.counts),
        rows=sum(quality.provenance.values()),
        negated=quality.counts["status", "negated"],
        provenance=sorted(quality.provenance.items(), key=lambda item: -item[1]),
        samples=samples,
        refusals=quality.refused,
    )


def main(flags: list[str] | None = None) -> None:
    """Run the command (see the module) with `flags`, or with those of the command line."""
    parser = argparse.ArgumentParser(description="Show the quality of a negation table on one page.")
    parser.add_argument("--captions", required=True, nargs="+", help="the parts of a negation table")
    parser.add_argument("--seed", required=True, type=int, help="seed of the samples")
    parser.add_argument("--output", required=True, help="HTML page to write")
    arguments = parser.parse_args(flags)
    write_text(arguments.output, page(measure(read_batches(arguments.captions), arguments.seed)))


if __name__ == "__main__":
    run(main)
