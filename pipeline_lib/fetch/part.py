"""Take every row of a part to its outcome: ask, follow redirects, repeat what failed transiently, decode, settle.

Rows -> one record per row in a `Journal`, images included. One thread does all waiting, others all decoding. On a
terminal a bar shows how it goes; in a log there is a line a minute, with means since the start::

    fetch part 0 of 64: 12,000 of 31,368 rows, 110.2 images/s, 17.1 MB/s, 83.1 % have an image; http 404 812, ...
"""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

from tqdm import tqdm

from pipeline_lib.fetch import Failed, label
from pipeline_lib.fetch.addresses import parse_url
from pipeline_lib.fetch.client import Answer, ask, open_session
from pipeline_lib.fetch.images import prepare, warm_up
from pipeline_lib.fetch.outcomes import Journal, Outcome
from pipeline_lib.fetch.schedule import Job, Robots, Schedule, read_rules
from pipeline_lib.fetch.settings import FetchSettings
from pipeline_lib.formats.cc3m import Row
from pipeline_lib.jobs.retry import back_off_s

# Rows that are open at a time. So many are enough to find work for every connection while some hosts are slow, and
# memory does not grow with the part.
WINDOW = 8192
SLICE_S = 0.02  # for so long rows are opened or lined up before others have as long: rules may be long to search
LEAST_S = 0.05  # an attempt that would have less time than this is not made
SECONDS_BETWEEN_LINES, SECONDS_BETWEEN_BARS = 60.0, 0.5
MOST_FREQUENT = 3  # failures that are shown


class PartFetcher:
    """Fetches the images of `rows`, which are read once, little by little, into `journal`; rows in it are not asked."""

    def __init__(self, rows: Collection[Row], settings: FetchSettings, journal: Journal, what: str) -> None:
        self._coming, self._settings, self._journal = enumerate(rows), settings, journal
        self._n_open = 0  # rows
        self._tally = Tally(what, len(rows), len(journal))

    async def fetch(self) -> None:
        """Ask all hosts until every row is settled."""
        settings = self._settings
        self.schedule, self._finished = Schedule(settings), asyncio.Event()
        self._robots = Robots(self.schedule, settings)
        warm_up(settings.image_size)
        with ThreadPoolExecutor(settings.threads, "decode") as self._pool:
            async with aclosing(open_session(settings)) as self._session, asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._work()) for _ in range(settings.connections)]
                tasks.append(group.create_task(self._tally.show()))
                self._open_rows()
                await self._finished.wait()
                for task in tasks:
                    task.cancel()

    def _open_rows(self) -> None:
        """Open further rows, until there are `WINDOW` of them or none is left to open."""
        start = time.monotonic()
        while self._n_open < WINDOW:
            index, row = next(self._coming, (None, None))
            if row is None:
                if not self._n_open:
                    self._finished.set()
                return
            if index in self._journal:
                continue
            self._n_open += 1
            attempts, asked_s = self._journal.attempts(index)
            job = Job(index, attempts=attempts, asked_s=asked_s)
            try:
                if row.problem is not None:
                    raise Failed("row", permanent=True)
                job.start = parse_url(row.url)
            except Failed as failed:
                self._settle(job, failed)
            else:
                self._begin(job)
            if (taken_s := time.monotonic() - start) >= SLICE_S:
                asyncio.get_running_loop().call_later(taken_s, self._open_rows)
                return

    def _begin(self, job: Job) -> None:
        """Line up the first request of an attempt."""
        self._line_up(job.begin())

    def _line_up(self, *jobs: Job) -> None:
        """Let jobs have their turns if their sites' rules and their hosts allow it."""
        start = time.monotonic()
        for number, job in enumerate(jobs, 1):
            try:
                self._robots.line_up(job)
            except Failed as failed:
                self._settle(job, failed)
            if (taken_s := time.monotonic() - start) >= SLICE_S:
                asyncio.get_running_loop().call_later(taken_s, self._line_up, *jobs[number:])
                return

    async def _work(self) -> None:
        """Do one job after the other; a job is done when its image is decoded, so few are ever in memory."""
        while True:
            job = await self.schedule.take()
            try:
                answer = await self._ask(job)
                if answer.location is not None:
                    self._follow(job, answer)
                elif job.row is None:
                    rules = await asyncio.get_running_loop().run_in_executor(self._pool, read_rules, answer.body)
                    self._line_up(*self._robots.learn(job, rules))
                else:
                    await self._store(job, answer)
            except Failed as failed:
                self._retry_or_settle(job, failed)

    async def _ask(self, job: Job) -> Answer:
        """Make the request; what waits for a host that turns out to be down is settled."""
        settings, start = self._settings, time.monotonic()
        job.attempts += job.redirects == 0
        left_s = min(settings.timeout_s - job.attempt_s, settings.deadline_s - job.asked_s)
        failed = None
        try:
            return await ask(self._session, settings, job.url, left_s, rules=job.row is None, alone=job.attempts > 1)
        except Failed as error:
            failed = error
            raise
        finally:
            seconds = time.monotonic() - start
            job.attempt_s += seconds
            job.asked_s += seconds
            for waiting in self.schedule.done(job, failed):
                self._settle(waiting, self.schedule.spared(waiting))

    def _follow(self, job: Job, answer: Answer) -> None:
        """Go on to where a redirect leads."""
        if job.redirects == self._settings.max_redirects:
            raise Failed("redirect", True, answer.http_code)
        try:
            job.turn_to(parse_url(answer.location, str(job.url)))
        except Failed as failed:
            failed.http_code = answer.http_code
            raise
        job.redirects += 1
        self._line_up(job)

    async def _store(self, job: Job, answer: Answer) -> None:
        loop, settings, body, code = asyncio.get_running_loop(), self._settings, answer.body, answer.http_code
        try:
            picture = await loop.run_in_executor(self._pool, prepare, body, settings.image_size, settings.max_pixels)
        except Failed as failed:
            if failed.failure in ("not-an-image", "corrupt"):
                if code == 206:  # we asked for the whole
                    raise Failed("truncated", False, code) from failed
                if code // 100 == 3:  # to nowhere, and there is no image here either
                    failed = Failed("redirect", True)
            failed.http_code = code
            self._settle(job, failed, len(body))
            return
        asked = job.attempts, len(body), job.host, picture.sha256, round(1000 * job.asked_s)
        self._record(job.row, Outcome("success", None, False, code, *asked, *picture.sides), picture.content)

    def _retry_or_settle(self, job: Job, failed: Failed) -> None:
        settings = self._settings
        # An attempt over a used connection, that hangs as any other may, is not the last.
        is_last = job.attempts >= settings.attempts and not failed.reused
        if failed.permanent or failed.later or is_last or settings.deadline_s - job.asked_s < LEAST_S:
            self._settle(job, failed)
            return
        # At once the first time. What the host itself wants is heeded by the schedule, for all of the host's rows.
        jitter, repetitions = random.uniform(1, 1.5), job.attempts - 1
        delay_s = back_off_s(settings.backoff_s, repetitions, jitter=jitter) if repetitions else 0.0
        if job.row is not None:
            self._journal.add_attempt(job.row, job.attempts, job.asked_s)
        asyncio.get_running_loop().call_later(delay_s, self._begin, job)

    def _settle(self, job: Job, failed: Failed, n_bytes: int | None = None) -> None:
        """Record that a row has no image; for a request for rules, see what becomes of the rows that wait for them."""
        if job.row is None:
            self._line_up(*self._robots.miss(job, failed))
            return
        asked = job.attempts, n_bytes, job.host, None, round(1000 * job.asked_s)
        self._record(job.row, Outcome("failed", failed.failure, failed.permanent, failed.http_code, *asked))

    def _record(self, row: int, outcome: Outcome, content: bytes = b"") -> None:
        self._n_open -= 1
        self._journal.add(row, outcome, content)
        self._tally.count(outcome)
        # Not called here: rows that need no request are settled while others are opened.
        if self._n_open in (0, WINDOW - 1):  # no row was left, or the window was full, so that opening had ended
            asyncio.get_running_loop().call_soon(self._open_rows)


class Tally:
    """Counts and shows what becomes of a part's rows; those that an earlier process settled count as done only."""

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

    def __str__(self) -> str:
        """Return images and megabytes per second, the share of rows with an image, and the most frequent failures."""
        seconds, settled = time.monotonic() - self._start, self._images + self._failures.total()
        frequent = ", ".join(f"{failure} {count:,}" for failure, count in self._failures.most_common(MOST_FREQUENT))
        return (
            f"{self._images / seconds:,.1f} images/s, {self._bytes / 1e6 / seconds:,.1f} MB/s, "
            f"{100 * self._images / max(settled, 1):.1f} % have an image" + (f"; {frequent}" if frequent else "")
        )

    async def show(self) -> None:
        """Report until cancelled, and once more then."""
        on_terminal = sys.stderr.isatty()
        seconds = SECONDS_BETWEEN_BARS if on_terminal else SECONDS_BETWEEN_LINES
        look = {"desc": self._what, "total": self._n_rows, "initial": self._before, "unit": " rows"}
        with tqdm(disable=not on_terminal, **look) as bar:
            try:
                while True:
                    await asyncio.sleep(seconds)
                    self._report(bar)
            finally:
                self._report(bar)

    def _report(self, bar: tqdm) -> None:
        done = self._before + self._images + self._failures.total()
        if bar.disable:
            print(f"{self._what}: {done:,} of {self._n_rows:,} rows, {self}", file=sys.stderr, flush=True)
        else:
            bar.set_postfix_str(str(self), refresh=False)
            bar.update(done - bar.n)
