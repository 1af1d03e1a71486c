"""Make the negation table of a captions file: one negated caption, or one reason for refusing it, per row.

    python -m pipeline_lib.captions.negate --captions captions.tsv --output negated.parquet \
        --spacy-model lexicon --seed 0 --part 0 --parts 1 --workers 1 --word-weights no=1,not=1,without=1

Input: the captions file (``caption TAB url``, no header, no quoting). Output: Parquet with the columns of `SCHEMA`, one
row per line of the file and in its order: ``key``, ``caption``, ``subject``, ``pairs`` (predicate, object),
``chosen_pair`` (index into ``pairs``, -1 where refused), ``negation_word``, ``negated_caption``, ``exclusion_caption``,
``object``, ``status`` (``negated`` or ``refused``), ``reason`` (of a refusal), and the provenance ``backend``,
``rule``, ``seed``. Texts that do not exist are null. The bytes do not depend on the
number of workers. About 3,000 captions a second and worker, after 3 s to start.
"""

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_lib.captions.rules import NEGATION_WORDS, RuleBackend, parse_weights
from pipeline_lib.cc3m import Row, count_rows, part_range, read_rows
from pipeline_lib.command import run
from pipeline_lib.files import atomic
from pipeline_lib.progress import progress

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("caption", pa.string()),
        ("subject", pa.string()),
        ("pairs", pa.list_(pa.struct([("predicate", pa.string()), ("object", pa.string())]))),
        ("chosen_pair", pa.int32()),
        ("negation_word", pa.string()),
        ("negated_caption", pa.string()),
        ("exclusion_caption", pa.string()),
        ("object", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("backend", pa.string()),
        ("rule", pa.string()),
        ("seed", pa.int64()),
    ]
)
# Rows that a worker takes at once, and rows per Parquet row group: fixed, so that the bytes are.
SLICE_ROWS = 2000

_backend: RuleBackend


def _start(*arguments) -> None:
    global _backend
    _backend = RuleBackend(*arguments)


def _negate(rows: list[Row]) -> list[dict]:
    return _backend.negate(rows)


def _slices(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rows = iter(rows)
    while part := list(islice(rows, SLICE_ROWS)):
        yield part


def negate_slices(slices: Iterable[list[Row]], workers: int, *arguments) -> Iterator[list[dict]]:
    """Yield the table's rows slice by slice, in order.

    Parameters
    ----------
    slices : iterable of list of Row
        The captions.
    workers : int
        Processes; 1 works in this one.
    *arguments
        Of `RuleBackend`.

    Raises
    ------
    ValueError
        If the spaCy pipeline is not installed, or `workers` is below 1.
    """
    if workers < 1:
        raise ValueError(f"--workers must be 1 or more, found {workers}")
    _start(*arguments)
    if workers == 1:
        yield from map(_negate, slices)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, initializer=_start, initargs=arguments) as pool:
        waiting = []
        for rows in slices:
            waiting.append(pool.apply_async(_negate, (rows,)))
            if len(waiting) > 2 * workers:  # Pool.imap would read the whole file into its queue
                yield waiting.pop(0).get()
        for result in waiting:
            yield result.get()


def summary(counts: Counter, seconds: float) -> str:
    """Return the printed summary: rows, negated, refused by reason, share of the negation words, captions/s."""
    rows, negated = counts["rows"], counts["negated"]
    lines = [f"rows       {rows:>9,}", f"negated    {negated:>9,}  {negated / max(rows, 1):6.1%}"]
    lines += [
        f"  {word:<9}{counts['word', word]:>9,}  {counts['word', word] / max(negated, 1):6.1%}"
        for word in NEGATION_WORDS
    ]
    lines.append(f"refused    {rows - negated:>9,}  {(rows - negated) / max(rows, 1):6.1%}")
    reasons = sorted((-count, name[1]) for name, count in counts.items() if name[0] == "reason")
    lines += [f"  {reason:<18}{-count:>9,}" for count, reason in reasons]
    lines.append(f"{rows / seconds:,.0f} captions/s")
    return "\n".join(lines)


def main(flags: list[str] | None = None) -> None:
    """Run the command (see the module) with `flags`, or with those of the command line."""
    parser = argparse.ArgumentParser(description="Make the negation table of a captions file.")
    parser.add_argument("--captions", required=True, help="captions file: caption TAB url, may be .gz")
    parser.add_argument("--output", required=True, help="Parquet file to write")
    parser.add_argument("--spacy-model", required=True, help="'lexicon' or an installed spaCy pipeline")
    parser.add_argument("--seed", required=True, type=int, help="seed of every choice, together with a caption's key")
    parser.add_argument("--part", type=int, default=0, help="which part of the file, from 0")
    parser.add_argument("--parts", type=int, default=1, help="how many parts the file is cut into")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--word-weights", required=True, help="no=1,not=1,without=1: weights where several words fit")
    arguments = parser.parse_args(flags)

    weights = parse_weights(arguments.word_weights)
    total = len(part_range(count_rows(arguments.captions), arguments.part, arguments.parts))
    rows = read_rows(arguments.captions, arguments.part, arguments.parts)
    rows = progress(rows, what="negate captions", unit="captions", total=total)
    counts: Counter = Counter()
    start = time.monotonic()
    with atomic(arguments.output) as aside, closing(pq.ParquetWriter(aside, SCHEMA, compression="zstd")) as writer:
        for made in negate_slices(_slices(rows), arguments.workers, arguments.spacy_model, arguments.seed, weights):
            writer.write_table(pa.Table.from_pylist(made, schema=SCHEMA))
            for row in made:
                counts["rows"] += 1
                counts[row["status"]] += 1
                counts[("word", row["negation_word"]) if row["reason"] is None else ("reason", str(row["reason"]))] += 1
    print(summary(counts, time.monotonic() - start), file=sys.stdout, flush=True)


if __name__ == "__main__":
    run(main)
