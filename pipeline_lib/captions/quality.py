"""Show the quality of a negation table on one page: how much was negated, how good it is, and samples to read.

    python -m pipeline_lib.captions.quality --captions 00000.parquet 00001.parquet --seed 0 --output quality.html

Inputs: the parts of a negation table (`negate`). Output: an HTML page that needs nothing else. Which rows are sampled
depends on the seed and their keys alone, not on how the table is cut; they are shown with the lowest score first.

Two tables judge the run. The curve says how many rows are left, and how good they are expected to be by their scores,
if more or fewer are kept. The blind guesses say how well one expression alone tells the negated caption from its
caption, without the image: half of the guesses are right by chance.
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
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_lib.formats.negation import NEGATION_WORDS, SCHEMA
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import parquet_errors, write_text

SAMPLES = 100
REFUSALS = 30
BATCH_ROWS = 10_000
# Scores are counted in steps of a hundredth.
STEPS = 100
# What a guess without the image could go by.
EXPRESSIONS = (*NEGATION_WORDS, "but not", "does not", "do not", "is not", "are not", "in sight", "nearby")


class Quality(NamedTuple):
    """What the page shows."""

    counts: Counter  # rows by (column, value); ("pairs", n) counts the captions with n predicate-object pairs
    provenance: Counter  # rows by (backend, model, prompt, code, seed)
    negated: list[dict]  # sampled rows of the table
    refused: list[dict]

    def curve(self) -> list[tuple[float, int, float]]:
        """Return (score, rows with that score or more, the share of them that is expected to be good)."""
        found, rows, good = [], 0, 0.0
        for step in range(STEPS, -1, -1):
            count = self.counts["quality", step]
            rows, good = rows + count, good + count * step / STEPS
            if step % 5 == 0 and rows > (found[-1][1] if found else 0):
                found.append((step / STEPS, rows, good / rows))
        return found

    def blind(self) -> list[tuple[str, float, float, float]]:
        """Return expression, its share of negated captions and of their captions, and the right guesses by it alone."""
        negated = max(self.counts["status", "negated"], 1)
        found = []
        for expression in EXPRESSIONS:
            said, known = (self.counts[place, expression] / negated for place in ("negated", "caption"))
            found.append((expression, said, known, 0.5 + abs(said - known) / 2))
        return sorted(found, key=lambda entry: -entry[3])


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
    samples: dict[str, list[tuple[int, dict]]] = {"negated": [], "refused": []}
    for batch in batches:
        for name in ("status", "reason", "rule", "negation_word"):
            for found in batch[name].value_counts().to_pylist():
                if found["values"] is not None:
                    counts[name, found["values"]] += found["counts"]
        columns = [batch[name].to_pylist() for name in ("backend", "model", "prompt", "code", "seed")]
        provenance.update(zip(*columns, strict=True))
        for found in batch["pairs"].value_lengths().value_counts().to_pylist():
            counts["pairs", found["values"]] += found["counts"]
        _count_texts(counts, batch)
        keys, statuses = batch["key"].to_pylist(), batch["status"].to_pylist()
        for status, size in (("negated", SAMPLES), ("refused", REFUSALS)):
            drawn = ((_draw(seed, key), i) for i, key in enumerate(keys) if statuses[i] == status)
            fresh = [(number, batch.slice(i, 1).to_pylist()[0]) for number, i in heapq.nsmallest(size, drawn)]
            samples[status] = heapq.nsmallest(size, samples[status] + fresh, key=lambda entry: entry[0])
    samples["negated"].sort(key=lambda entry: (entry[1]["quality"] or 0.0, entry[0]))
    negated, refused = ([row for _, row in samples[status]] for status in ("negated", "refused"))
    return Quality(counts, provenance, negated, refused)


def _count_texts(counts: Counter, batch: pa.RecordBatch) -> None:
    """Count the scores of the negated captions, and the expressions in them and in their captions."""
    negated = batch.filter(pc.equal(batch["status"], "negated"))
    for score in negated["quality"].drop_null().to_pylist():
        counts["quality", int(score * STEPS + 0.5)] += 1
    for place, column in (("negated", "negated_caption"), ("caption", "caption")):
        for expression in EXPRESSIONS:
            has = pc.match_substring_regex(negated[column], rf"(?i)\b{expression}\b")
            counts[place, expression] += pc.sum(has).as_py() or 0


def _draw(seed: int, key: str) -> int:
    """Return a row's random number; the rows with the smallest are a uniform sample, in whatever order they come."""
    return int.from_bytes(hashlib.blake2b(f"sample:{seed}:{key}".encode(), digest_size=8).digest())


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
        curve=quality.curve(),
        blind=quality.blind() if quality.counts["status", "negated"] else [],
        samples=samples,
        refusals=quality.refused,
    )


def main(flags: list[str] | None = None) -> None:
    """Run the command (see the module) with `flags`, or with those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--captions", required=True, nargs="+", help="negation tables of all parts, Parquet")
    parser.add_argument("--seed", required=True, type=int, help="seed of the random samples")
    parser.add_argument("--output", required=True, help="output: the page, HTML")
    arguments = parser.parse_args(flags)
    write_text(arguments.output, page(measure(read_batches(arguments.captions), arguments.seed)))


if __name__ == "__main__":
    run(main)
