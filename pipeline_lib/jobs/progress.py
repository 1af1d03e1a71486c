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


def progress(items: Iterable[Item], what: str, unit: str) -> Iterator[Item]:
    """Yield `items`, and report what is done (such as ``"encode"``) to how many of them; `unit` says what they are."""
    if sys.stderr.isatty():
        yield from tqdm(items, desc=what, unit=f" {unit}")
        return
    of_total = f" of {len(items):,}" if isinstance(items, Sized) else ""
    start = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            print(f"{what}: {done:,}{of_total} {unit}, {done / (now - start):,.1f}/s", file=sys.stderr, flush=True)
    seconds = time.monotonic() - start
    print(f"{what}: {done:,} {unit} in {seconds:.1f} s", file=sys.stderr, flush=True)
