"""Show how a part's fetching goes: a bar on a terminal, a plain line once a minute in a log.

::

    fetch part 0 of 64: 12,000 of 31,368 rows, 110.2 images/s, 17.1 MB/s, 83.1 % have an image; http 404 812, ...

Rates are means since the start. Rows that an earlier process settled count as done, and for nothing else.
"""

import asyncio
import sys
import time
from collections import Counter

from tqdm import tqdm

from pipeline_lib.fetch.failures import label
from pipeline_lib.fetch.outcomes import Outcome

SECONDS_BETWEEN_LINES = 60.0
SECONDS_BETWEEN_BARS = 0.5
MOST_FREQUENT = 3


class Tally:
    """Counts what becomes of a part's rows.

    Parameters
    ----------
    what : str
        What it is reported under.
    n_rows : int
        How many rows there are.
    n_settled : int
        How many of them were settled before.
    """

    def __init__(self, what: str, n_rows: int, n_settled: int) -> None:
        self._what, self._n_rows, self._before = what, n_rows, n_settled
        self._images = self._bytes = 0
        self._failures: Counter[str] = Counter()
        self._start = time.monotonic()

    def count(self, outcome: Outcome) -> None:
        """Count a settled row."""
        self._bytes += outcome.bytes or 0
        if outcome.status == "success":
            self._images += 1
        else:
            self._failures[label(outcome.failure, outcome.http_code)] += 1

    @property
    def done(self) -> int:
        """How many rows are settled."""
        return self._before + self._settled

    @property
    def _settled(self) -> int:
        return self._images + self._failures.total()

    def __str__(self) -> str:
        """Return images and megabytes per second, the share of rows with an image, and the most frequent failures."""
        seconds = time.monotonic() - self._start
        frequent = ", ".join(f"{failure} {count:,}" for failure, count in self._failures.most_common(MOST_FREQUENT))
        return (
            f"{self._images / seconds:,.1f} images/s, {self._bytes / 1e6 / seconds:,.1f} MB/s, "
            f"{100 * self._images / max(self._settled, 1):.1f} % have an image" + (f"; {frequent}" if frequent else "")
        )

    async def show(self) -> None:
        """Report until cancelled, and once more then."""
        if not sys.stderr.isatty():
            try:
                while True:
                    await asyncio.sleep(SECONDS_BETWEEN_LINES)
                    self._print()
            finally:
                self._print()
        with tqdm(desc=self._what, total=self._n_rows, initial=self._before, unit=" rows") as bar:
            try:
                while True:
                    await asyncio.sleep(SECONDS_BETWEEN_BARS)
                    self._draw(bar)
            finally:
                self._draw(bar)

    def _print(self) -> None:
        print(f"{self._what}: {self.done:,} of {self._n_rows:,} rows, {self}", file=sys.stderr, flush=True)

    def _draw(self, bar: tqdm) -> None:
        bar.set_postfix_str(str(self), refresh=False)
        bar.update(self.done - bar.n)
