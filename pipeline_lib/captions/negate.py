"""Make the negation table of a captions file: one negated caption, or one reason for refusing it, per row.

    python -m pipeline_lib.captions.negate --captions captions.tsv --output negated.parquet \
        --spacy-model lexicon --seed 0 --part 0 --parts 1 --workers 1 --word-weights no=1,not=1,without=1

or, with a language model behind an OpenAI-compatible endpoint (vLLM, llama.cpp, Ollama),

    python -m pipeline_lib.captions.negate --captions captions.tsv --output negated.parquet \
        --spacy-model lexicon --seed 0 --backend chat --url http://localhost:8000/v1/chat/completions \
        --model Qwen/Qwen2.5-7B-Instruct --temperature 0.7 --top-p 0.95 --max-tokens 400 --concurrency 32 \
        --timeout-s 60 --attempts 4 --backoff-s 1 --cache chat-cache.sqlite --api-key-variable none

Input: the captions file (``caption TAB url``, no header, no quoting). Output: Parquet with the columns of
`table.SCHEMA`, one row per line of the file and in its order: ``key``, ``caption``, ``subject``, ``pairs`` (predicate,
object), ``chosen_pair`` (index into ``pairs``, -1 where refused), ``negation_word``, ``negated_caption``,
``exclusion_caption``, ``object``, ``status`` (``negated`` or ``refused``), ``reason`` (of a refusal), and the
provenance ``backend`` (with the spaCy pipeline, as in ``rules:lexicon``), ``model`` (of the chat backend), ``rule`` (of
the rules), ``prompt`` (hash, of the chat backend), ``code`` (hash of this stage's sources), ``seed``. Texts that do not
exist are null. The bytes do not depend on the number of workers. By rules, about 3,000 captions a second and worker,
after 3 s to start; a language model takes as long as it takes, and what it has answered is never asked again.
"""

import argparse
import gc
import multiprocessing
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from functools import cache
from itertools import islice
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_lib.captions.table import NEGATION_WORDS, SCHEMA
from pipeline_lib.formats.cc3m import Part, Row
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import PARQUET, atomic
from pipeline_lib.jobs.progress import progress

# Rows that a worker takes at once, and rows per Parquet row group: fixed, so that the bytes are.
SLICE_ROWS = 2000
MANY_ROWS = 20  # of which some are negated in any file of captions: about half are in CC3M
RULE_FLAGS = ("word_weights",)
CHAT_FLAGS = (
    "url", "model", "temperature", "top_p", "max_tokens", "concurrency", "timeout_s", "attempts", "backoff_s", "cache",
    "api_key_variable",
)  # fmt: skip


class Slice(NamedTuple):
    """A slice of the table, how many of its rows there are of each kind, and how long it took."""

    table: pa.Table
    counts: Counter
    seconds: float


class Backend(Protocol):
    """What makes the rows of the table."""

    def negate(self, rows: list[Row]) -> list[dict]:
        """Return one row of the table per row of the captions file, in order (see `table.SCHEMA`)."""


def make_backend(arguments: argparse.Namespace) -> Backend:
    """Return the backend that the command line asks for.

    Raises
    ------
    ValueError
        If its settings make no sense or what it needs is not installed.
    """
    # spaCy takes a second to load: a process that only hands out slices does without.
    with _spacy_without_torch(arguments.spacy_model):
        if arguments.backend == "rules":
            from pipeline_lib.captions.rules.backend import RuleBackend, parse_weights

            return RuleBackend(arguments.spacy_model, arguments.seed, parse_weights(arguments.word_weights))
        from pipeline_lib.captions.chat.backend import ChatBackend
        from pipeline_lib.captions.chat.client import ChatSettings

        settings = ChatSettings(**{name: getattr(arguments, name) for name in CHAT_FLAGS})
        return ChatBackend(arguments.spacy_model, arguments.seed, settings)


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


def _collect_rarely() -> None:
    """Look for reference cycles rarely: a caption makes none that count, and looking took a sixth of the time."""
    gc.freeze()
    gc.set_threshold(100_000)


_arguments: argparse.Namespace


def _start(arguments: argparse.Namespace) -> None:
    global _arguments
    _arguments = arguments


@cache
def _worker_backend() -> Backend:
    # Not made in `_start`: an error there would not reach the user, but break the pool.
    backend = make_backend(_arguments)
    _collect_rarely()
    return backend


def _negate_in_worker(rows: list[Row]) -> Slice:
    return negate_slice(_worker_backend(), rows)


def negate_slice(backend: Backend, rows: list[Row]) -> Slice:
    """Negate a slice of the captions file."""
    start = time.monotonic()
    made = backend.negate(rows)
    counts = Counter(rows=len(made))
    for row in made:
        counts[row["status"]] += 1
        counts[("word", row["negation_word"]) if row["reason"] is None else ("reason", str(row["reason"]))] += 1
    return Slice(pa.Table.from_pylist(made, schema=SCHEMA), counts, time.monotonic() - start)


def _slices(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rows = iter(rows)
    while part := list(islice(rows, SLICE_ROWS)):
        yield part


def negate_slices(slices: Iterable[list[Row]], workers: int, arguments: argparse.Namespace) -> Iterator[Slice]:
    """Yield the table slice by slice, in order.

    Parameters
    ----------
    slices : iterable of list of Row
        The captions.
    workers : int
        Processes; 1 works in this one.
    arguments : Namespace
        Of `make_backend`.

    Raises
    ------
    ValueError
        As `make_backend` and the backend do.
    """
    if workers == 1:
        backend = make_backend(arguments)
        _collect_rarely()
        for rows in slices:
            yield negate_slice(backend, rows)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_start, initargs=(arguments,)) as pool:
        waiting: deque = deque()
        try:
            for rows in slices:
                waiting.append(pool.submit(_negate_in_worker, rows))
                if len(waiting) > 2 * workers:  # so that the file is read no faster than it is worked through
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def summary(counts: Counter, busy_s: float, seconds: float) -> str:
    """Return the printed summary: rows, negated, refused by reason, share of the negation words, captions/s.

    Parameters
    ----------
    counts : Counter
        Of all slices.
    busy_s : float
        Sum over the slices of the time that each took in its worker.
    seconds : float
        From start to end.
    """
    rows, negated = counts["rows"], counts["negated"]
    lines = [f"rows       {rows:>9,}", f"negated    {negated:>9,}  {negated / max(rows, 1):6.1%}"]
    lines += [
        f"  {word:<9}{counts['word', word]:>9,}  {counts['word', word] / max(negated, 1):6.1%}"
        for word in NEGATION_WORDS
    ]
    lines.append(f"refused    {rows - negated:>9,}  {(rows - negated) / max(rows, 1):6.1%}")
    reasons = sorted((-count, name[1]) for name, count in counts.items() if name[0] == "reason")
    lines += [f"  {reason:<18}{-count:>9,}" for count, reason in reasons]
    lines.append(f"{rows / max(busy_s, 1e-9):,.0f} captions/s per worker; {seconds:,.1f} s with the start")
    return "\n".join(lines)


def _check_some_negated(captions: str, counts: Counter) -> None:
    """Raise a `ValueError` if many captions are refused and none is negated: the file is of another kind."""
    if counts["rows"] < MANY_ROWS or counts["negated"]:
        return
    reason, count = max((c, name[1]) for name, c in counts.items() if name[0] == "reason")[::-1]
    raise ValueError(
        f"{captions}: all {counts['rows']:,} captions of this part are refused, {count:,} as {reason}; expected "
        "English captions (docs/captions.md has the reasons)"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Make the negation table of a captions file.")
    parser.add_argument("--captions", required=True, help="captions file: caption TAB url, may be .gz")
    parser.add_argument("--output", required=True, help="Parquet file to write")
    parser.add_argument("--spacy-model", required=True, help="'lexicon' or an installed spaCy pipeline")
    parser.add_argument("--seed", required=True, type=int, help="seed of every choice, together with a caption's key")
    parser.add_argument("--part", type=int, default=0, help="which part of the file, from 0")
    parser.add_argument("--parts", type=int, default=1, help="how many parts the file is cut into")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--backend", choices=["rules", "chat"], default="rules", help="what makes the sentences")
    rules = parser.add_argument_group("the rules")
    rules.add_argument("--word-weights", help="no=1,not=1,without=1: weights where several words fit")
    chat = parser.add_argument_group("a language model")
    chat.add_argument("--url", help="OpenAI-compatible chat endpoint")
    chat.add_argument("--model", help="as the endpoint names it")
    chat.add_argument("--temperature", type=float, help="of the sampling")
    chat.add_argument("--top-p", type=float, help="of the sampling")
    chat.add_argument("--max-tokens", type=int, help="of an answer")
    chat.add_argument("--concurrency", type=int, help="requests open at the same time")
    chat.add_argument("--timeout-s", type=float, help="deadline of one attempt")
    chat.add_argument("--attempts", type=int, help="at a request that fails, and at an answer that cannot be used")
    chat.add_argument("--backoff-s", type=float, help="wait before the second attempt; doubles with each further one")
    chat.add_argument("--cache", help="SQLite file that keeps the answers")
    chat.add_argument("--api-key-variable", help="NAME of the environment variable that holds the API key, or none")
    return parser


def _check(arguments: argparse.Namespace) -> None:
    """Check what argparse cannot: flags that belong together, and ranges."""
    wanted, other = (RULE_FLAGS, CHAT_FLAGS) if arguments.backend == "rules" else (CHAT_FLAGS, RULE_FLAGS)
    for names, is_missing, problem in ((wanted, True, "needs"), (other, False, "does not take")):
        found = [f"--{name.replace('_', '-')}" for name in names if (getattr(arguments, name) is None) == is_missing]
        if found:
            raise ValueError(f"--backend {arguments.backend} {problem} {', '.join(found)}")
    if arguments.workers < 1:
        raise ValueError(f"--workers must be 1 or more, found {arguments.workers}")
    if arguments.backend == "rules":
        return
    if arguments.workers > 1:
        raise ValueError(f"--backend chat takes --workers 1 and more --concurrency, found {arguments.workers} workers")
    for name, low in (("concurrency", 1), ("attempts", 1), ("max_tokens", 1), ("temperature", 0), ("backoff_s", 0)):
        if not getattr(arguments, name) >= low:
            raise ValueError(f"--{name.replace('_', '-')}: expected at least {low}, found {getattr(arguments, name)}")
    for name in ("timeout_s", "top_p"):
        if not getattr(arguments, name) > 0:
            raise ValueError(f"--{name.replace('_', '-')}: expected more than 0, found {getattr(arguments, name)}")
    if arguments.api_key_variable == "none":
        arguments.api_key_variable = None


def main(flags: list[str] | None = None) -> None:
    """Run the command (see the module) with `flags`, or with those of the command line."""
    arguments = _parser().parse_args(flags)
    _check(arguments)
    try:
        rows = Part(arguments.captions, arguments.part, arguments.parts, links=False)
    except (IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise ValueError(f"{arguments.captions}: expected a captions file that can be read, {error}") from error
    rows = progress(rows, what="negate captions", unit="captions")
    counts: Counter = Counter()
    busy_s = 0.0
    start = time.monotonic()
    try:
        with atomic(arguments.output) as aside, closing(pq.ParquetWriter(aside, SCHEMA, **PARQUET)) as writer:
            for part in negate_slices(_slices(rows), arguments.workers, arguments):
                writer.write_table(part.table)
                counts += part.counts
                busy_s += part.seconds
            _check_some_negated(arguments.captions, counts)
    except OSError as error:
        raise ValueError(f"{arguments.output}: the table cannot be written here ({error})") from error
    print(summary(counts, busy_s, time.monotonic() - start), file=sys.stdout, flush=True)


if __name__ == "__main__":
    run(main)
