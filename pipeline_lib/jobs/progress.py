"""Show progress: a bar on a terminal, plain lines in a log file.

Snakemake sends a rule's output through ``tee``, so its logs have plain lines; a person who runs the command sees a bar.
"""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 10.0


def progress(items: Iterable[Item], what: str, unit: str, total: int | None = None) -> Iterator[Item]:
    """Yield `items`, and report what is done (such as ``"encode"``) to how many of them; `unit` says what they are."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=what, unit=f" {unit}")
        return
    start = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            of_total = f" of {total:,}" if total is not None else ""
            print(f"{what}: {done:,}{of_total} {unit}, {done / (now - start):,.1f}/s", file=sys.stderr, flush=True)
    seconds = time.monotonic() - start
    print(f"{what}: {done:,} {unit} in {seconds:.1f} s", file=sys.stderr, flush=True)
