"""Make the negation table of a captions file: one negated caption, or one reason for refusing it, per row.

    python -m pipeline_lib.captions.negate --captions captions.tsv --output negated.parquet \
        --spacy-model lexicon --seed 0 --part 0 --parts 1 --workers 1 --min-quality 0.7 \
        --word-weights no=1,not=1,without=1

docs/captions.md has the command for a language model. Input: the captions file (`pipeline_lib.formats.cc3m`). Output:
Parquet with the columns of `formats.negation.SCHEMA`, one row per line of the file and in its order. Texts that do not
exist are null. The bytes do not depend on the number of workers. What a language model has answered is never asked
again. ``--sample 200`` is a pilot: it negates 200 random rows, and prints what became of them, the tokens they took,
and what the whole file would take.
"""

import argparse
import gc
import hashlib
import heapq
import multiprocessing
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import fields
from functools import cache, partial
from itertools import count, islice
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_lib.captions.chat import ChatSettings
from pipeline_lib.formats.cc3m import Part, Row
from pipeline_lib.formats.negation import NEGATION_WORDS, SCHEMA
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import PARQUET, atomic
from pipeline_lib.jobs.progress import progress

# Rows that a worker takes at once, and rows per Parquet row group: fixed, so that the bytes are.
SLICE_ROWS = 2000

MANY_ROWS = 20  # of which some are negated in any file of captions: about half are in CC3M
# Where all of them are refused for a reason that does not lie in the captions.
REMEDIES = {"doubtful": "lower captions.min_quality", "no-answer": "choose another language model"}


class Slice(NamedTuple):
    """A slice of the table, how many of its rows there are of each kind, and how long it took."""

    table: pa.Table
    counts: Counter
    seconds: float


@cache
def _backend(spacy_model: str, seed: int, min_quality: float, word_weights: str | None, chat: ChatSettings | None):
    """Return the rules' backend, or the language model's where it has settings; made once in a process."""
    # spaCy takes a second to load: a process that only hands out slices does without.
    with _spacy_without_torch(spacy_model):
        if chat is None:
            from pipeline_lib.captions.rules.backend import RuleBackend, parse_weights

            backend = RuleBackend(spacy_model, seed, parse_weights(word_weights), min_quality)
        else:
            from pipeline_lib.captions.chat.backend import ChatBackend

            backend = ChatBackend(spacy_model, seed, chat, min_quality)
    # Look for reference cycles rarely: a caption makes none that count, and looking took a sixth of the time.
    gc.freeze()
    gc.set_threshold(100_000)
    return backend


@contextmanager
def _spacy_without_torch(spacy_model: str) -> Iterator[None]:
    """Keep spaCy from importing torch, which it does where it finds it; the lexicon needs none of it.

    That is 1.4 of 2 seconds to start, and 150 MB, per process.
    """
    if spacy_model != "lexicon" or "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # what makes `import torch` an ImportError
    try:
        yield
    finally:
        del sys.modules["torch"]


def _negate_slice(settings: tuple, rows: list[Row]) -> Slice:
    backend = _backend(*settings)
    start = time.monotonic()
    made = backend.negate(rows)
    counts = Counter(rows=len(made))
    for row in made:
        counts[row["status"]] += 1
        counts[("word", row["negation_word"]) if row["reason"] is None else ("reason", str(row["reason"]))] += 1
    return Slice(pa.Table.from_pylist(made, schema=SCHEMA), counts, time.monotonic() - start)


def _negate_slices(rows: Iterator[Row], workers: int, settings: tuple) -> Iterator[Slice]:
    """Yield the table slice by slice, in order; one worker is this process."""
    slices = iter(lambda: list(islice(rows, SLICE_ROWS)), [])
    work = partial(_negate_slice, settings)
    if workers == 1:
        _backend(*settings)
        yield from map(work, slices)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        waiting: deque = deque()
        try:
            for captions in slices:
                waiting.append(pool.submit(work, captions))
                if len(waiting) > 2 * workers:  # the file is read no faster than it is worked through
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _summary(counts: Counter, busy_s: float, seconds: float) -> str:
    """Return the printed summary: rows, negated, refused by reason, share of the negation words, captions/s.

    `busy_s` is the sum of the times that the slices took in their workers, `seconds` the time from start to end.
    """
    rows, negated = counts["rows"], counts["negated"]
    lines = [f"rows       {rows:>9,}", f"negated    {negated:>9,}  {negated / max(rows, 1):6.1%}"]
    for word in NEGATION_WORDS:
        count = counts["word", word]
        lines.append(f"  {word:<9}{count:>9,}  {count / max(negated, 1):6.1%}")
    lines.append(f"refused    {rows - negated:>9,}  {(rows - negated) / max(rows, 1):6.1%}")
    reasons = sorted((-count, name[1]) for name, count in counts.items() if name[0] == "reason")
    lines += [f"  {reason:<18}{-count:>9,}" for count, reason in reasons]
    lines.append(f"{rows / max(busy_s, 1e-9):,.0f} captions/s per worker; {seconds:,.1f} s including start-up")
    return "\n".join(lines)


def _check_some_negated(captions: str, counts: Counter) -> None:
    """Raise a `ValueError` if many captions are refused and none is negated: the file or an option is wrong."""
    if counts["rows"] < MANY_ROWS or counts["negated"]:
        return
    reason, count = max((c, name[1]) for name, c in counts.items() if name[0] == "reason")[::-1]
    raise ValueError(
        f"{captions}: all {counts['rows']:,} captions of this part are refused, {count:,} as {reason}; "
        f"{REMEDIES.get(reason, 'expected English captions')} (docs/captions.md has the reasons)"
    )


def _sampled(rows: Iterable[Row], size: int, seed: int) -> tuple[list[Row], int]:
    """Return random rows in their order, by seed and key, and how many rows there are."""
    numbers = count(1)
    total = 0

    def drawn() -> Iterator[tuple[bytes, int, Row]]:
        nonlocal total
        for total, row in zip(numbers, rows, strict=False):
            yield hashlib.blake2b(f"pilot:{seed}:{row.key}".encode(), digest_size=8).digest(), total, row

    chosen = heapq.nsmallest(size, drawn())
    return [row for _, _, row in sorted(chosen, key=lambda entry: entry[1])], total


def _forecast(spent: Counter, sampled: int, total: int, seconds: float) -> str:
    """Return what the pilot took, and what the whole file would take at the same rate."""
    times = total / max(sampled, 1)
    lines = [f"whole file {total:>9,} rows, {times:,.1f} times the sample: about {times * seconds / 3600:,.1f} hours"]
    for name in ("requests", "prompt_tokens", "completion_tokens"):
        if spent["requests"]:
            lines.append(f"  {name:<18}{spent[name]:>9,} for the sample, about {times * spent[name]:,.0f} for all")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Make the negation table of a captions file.")
    parser.add_argument("--captions", required=True, help="captions file, such as CC3M's; may be .gz")
    parser.add_argument("--output", required=True, help="output: the negation table, Parquet")
    parser.add_argument(
        "--spacy-model", required=True, help="'lexicon', our own tagger, or the name of an installed spaCy pipeline"
    )
    parser.add_argument("--seed", required=True, type=int, help="seed of all choices, together with a caption's key")
    parser.add_argument(
        "--min-quality", type=float, default=0.0, help="least score, 0 to 1, of a sentence that is kept (default: 0)"
    )
    parser.add_argument("--part", type=int, default=0, help="which part of the file, counted from 0 (default: 0)")
    parser.add_argument("--parts", type=int, default=1, help="number of parts that the file is cut into (default: 1)")
    parser.add_argument("--workers", type=int, default=1, help="number of processes (default: 1)")
    parser.add_argument(
        "--backend",
        choices=["rules", "chat"],
        default="rules",
        help="what makes the sentences: rules, or a language model over HTTP (default: rules)",
    )
    parser.add_argument(
        "--sample", type=int, help="negate only so many rows, drawn at random, and estimate the cost of all"
    )
    rules = parser.add_argument_group("the rules")
    rules.add_argument(
        "--word-weights", help="how often each negation word is chosen where several fit, such as no=1,not=1,without=1"
    )
    chat = parser.add_argument_group("a language model")
    for setting in fields(ChatSettings):
        chat.add_argument(f"--{setting.name.replace('_', '-')}", type=setting.type, help=setting.metadata["help"])
    return parser


def _backend_settings(arguments: argparse.Namespace) -> tuple:
    """Return the arguments of `_backend`; check what argparse cannot: flags that belong together, and ranges."""
    chat = {setting.name: getattr(arguments, setting.name) for setting in fields(ChatSettings)}
    rules = {"word_weights": arguments.word_weights}
    needed, other = (rules, chat) if arguments.backend == "rules" else (chat, rules)
    missing = [name for name, value in needed.items() if value is None]
    foreign = [name for name, value in other.items() if value is not None]
    for names, problem in ((missing, "needs"), (foreign, "does not take")):
        if names:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in names)
            raise ValueError(f"--backend {arguments.backend} {problem} {flags}")
    if not 0 <= arguments.min_quality <= 1:
        raise ValueError(f"--min-quality must be from 0 to 1, found {arguments.min_quality}")
    if arguments.sample is not None and (arguments.sample < 1 or arguments.workers > 1):
        raise ValueError(f"--sample takes 1 row or more and --workers 1, found {arguments.sample}")
    if arguments.workers < 1:
        raise ValueError(f"--workers must be 1 or more, found {arguments.workers}")
    if arguments.backend == "chat" and arguments.workers > 1:
        raise ValueError(f"--backend chat takes --workers 1 and more --concurrency, found {arguments.workers} workers")
    settings = None if arguments.backend == "rules" else ChatSettings(**chat)
    return arguments.spacy_model, arguments.seed, arguments.min_quality, arguments.word_weights, settings


def main(flags: list[str] | None = None) -> None:
    """Run the command (see the module) with `flags`, or with those of the command line."""
    arguments = _parser().parse_args(flags)
    settings = _backend_settings(arguments)
    rows = Part(arguments.captions, arguments.part, arguments.parts, links=False)
    total = None
    if arguments.sample is not None:
        rows, total = _sampled(rows, arguments.sample, arguments.seed)
    rows = progress(rows, what="negate captions", unit="captions")
    counts: Counter = Counter()
    busy_s = 0.0
    start = time.monotonic()
    with atomic(arguments.output) as aside, closing(pq.ParquetWriter(aside, SCHEMA, **PARQUET)) as writer:
        for part in _negate_slices(rows, arguments.workers, settings):
            writer.write_table(part.table)
            counts += part.counts
            busy_s += part.seconds
        _check_some_negated(arguments.captions, counts)
    seconds = time.monotonic() - start
    print(_summary(counts, busy_s, seconds), flush=True)
    if total is not None:
        spent = getattr(_backend(*settings), "spent", Counter())
        print(_forecast(spent, counts["rows"], total, seconds), flush=True)


if __name__ == "__main__":
    run(main)
