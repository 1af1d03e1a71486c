"""Take every row of a part to its outcome: ask, follow redirects, try again what may pass, decode, settle.

Rows -> one record per row in a `Journal`, images included. All waiting is done by one thread, all decoding by others.
"""

import asyncio
import random
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipeline_lib.cc3m import Row
from pipeline_lib.fetch.addresses import parse_url
from pipeline_lib.fetch.client import Client
from pipeline_lib.fetch.failures import Failed
from pipeline_lib.fetch.images import prepare
from pipeline_lib.fetch.journal import Journal
from pipeline_lib.fetch.outcomes import Outcome, Sizes
from pipeline_lib.fetch.schedule import Job, Schedule
from pipeline_lib.fetch.settings import Settings
from pipeline_lib.progress import progress

# How long a host is left alone at most where it asks for longer, in deadlines of an attempt: a part has to end.
LONGEST_WAIT = 4
# Rows that are open at a time. So many are enough to find work for every connection while some hosts are slow, and
# memory does not grow with the part.
WINDOW = 8192


@dataclass(slots=True)
class Open:
    """A row that is not settled.

    Attributes
    ----------
    url : str
        As in the captions file.
    asked_s : float
        How long its requests have taken so far, in seconds; waits between them are not counted.
    """

    url: str
    asked_s: float = 0.0


class PartFetcher:
    """Fetches the images of `rows` into `journal`.

    Parameters
    ----------
    rows : collection of Row
        The part. It is read once, little by little.
    settings : Settings
        How.
    journal : Journal
        Takes outcomes and images; rows that it holds are not asked.
    what : str
        What progress is reported under.
    """

    def __init__(self, rows: Collection[Row], settings: Settings, journal: Journal, what: str) -> None:
        self._coming, self._settings, self._journal = enumerate(rows), settings, journal
        self._open: dict[int, Open] = {}
        self._progress = progress(range(len(rows)), what, "rows")

    async def fetch(self) -> None:
        """Ask all hosts until every row is settled."""
        settings = self._settings
        self._schedule, self._finished = Schedule(settings.connections_per_host), asyncio.Event()
        for _ in range(len(self._journal)):
            next(self._progress)
        self._let_in()
        if not self._finished.is_set():
            with ThreadPoolExecutor(settings.threads, "decode") as pool:
                async with Client(settings) as client, asyncio.TaskGroup() as group:
                    workers = [group.create_task(self._work(client, pool)) for _ in range(settings.connections)]
                    await self._finished.wait()
                    for worker in workers:
                        worker.cancel()
        next(self._progress, None)  # past the last row it prints the total

    def _let_in(self) -> None:
        """Open further rows, until there are `WINDOW` of them or none is left to open."""
        while len(self._open) < WINDOW:
            index, row = next(self._coming, (None, None))
            if row is None:
                if not self._open:
                    self._finished.set()
                return
            if index in self._journal:
                continue
            self._open[index] = Open(row.url)
            try:
                if row.problem is not None:
                    raise Failed("row", permanent=True)
                host = parse_url(row.url).raw_host
                self._schedule.add(Job(index, row.url, host, self._journal.attempts(index)))
            except Failed as failed:
                self._settle(index, failed, 0, None)

    async def _work(self, client: Client, pool: ThreadPoolExecutor) -> None:
        """Do one job after the other; a job is done when its image is decoded, so few are ever in memory."""
        while True:
            job = await self._schedule.take()
            try:
                body = await self._ask(client, job)
                if body is not None:
                    await self._store(job, body, pool)
            except Failed as failed:
                self._retry_or_settle(job, failed)

    async def _ask(self, client: Client, job: Job) -> bytes | None:
        """Return the body, or None if the job went on to where a redirect leads."""
        start = time.monotonic()
        job.attempts += job.redirects == 0
        try:
            url = parse_url(job.url)
            answer = await client.ask(url, self._settings.timeout_s - job.spent_s)
        finally:
            self._schedule.release(job.host)
            self._open[job.row].asked_s += time.monotonic() - start
        if answer.location is None:
            return answer.body
        if job.redirects == self._settings.max_redirects or not answer.location:
            raise Failed("redirect", True, answer.http_code)
        try:
            target = parse_url(answer.location, job.url)
        except Failed as failed:
            failed.http_code = answer.http_code
            raise
        job.url, job.host = str(target), target.raw_host
        job.redirects += 1
        job.spent_s += time.monotonic() - start
        self._schedule.add(job)
        return None

    async def _store(self, job: Job, body: bytes, pool: ThreadPoolExecutor) -> None:
        loop, settings = asyncio.get_running_loop(), self._settings
        try:
            picture = await loop.run_in_executor(pool, prepare, body, settings.image_size, settings.max_pixels)
        except Failed as failed:
            failed.http_code = 200
            self._settle(job.row, failed, job.attempts, job.host, len(body))
            return
        sizes = Sizes(picture.width, picture.height, picture.original_width, picture.original_height)
        milliseconds = round(self._open.pop(job.row).asked_s * 1000)
        outcome = Outcome(
            "success", None, False, 200, job.attempts, len(body), job.host, picture.sha256, milliseconds, sizes
        )
        self._record(job.row, outcome, picture.content)

    def _retry_or_settle(self, job: Job, failed: Failed) -> None:
        settings = self._settings
        if failed.permanent or job.attempts >= settings.attempts:
            self._settle(job.row, failed, job.attempts, job.host)
            return
        self._journal.add_attempt(job.row, job.attempts)
        row_url = self._open[job.row].url
        again = Job(job.row, row_url, parse_url(row_url).raw_host, job.attempts)
        delay = retry_delay_s(job.attempts, failed.wait_s, settings) * random.uniform(1, 1.5)
        asyncio.get_running_loop().call_later(delay, self._schedule.add, again)

    def _settle(self, row: int, failed: Failed, attempts: int, host: str | None, size: int | None = None) -> None:
        """Record that a row has no image."""
        milliseconds = round(self._open.pop(row).asked_s * 1000)
        self._record(
            row,
            Outcome(
                "failed", failed.failure, failed.permanent, failed.http_code, attempts, size, host, None, milliseconds
            ),
        )

    def _record(self, row: int, outcome: Outcome, content: bytes = b"") -> None:
        self._journal.add(row, outcome, content)
        next(self._progress)
        # Not called here: rows that need no request are settled while others are let in.
        asyncio.get_running_loop().call_soon(self._let_in)


def retry_delay_s(attempts: int, wait_s: float | None, settings: Settings) -> float:
    """Return how many seconds after its failure a URL is asked again, at the least.

    Parameters
    ----------
    attempts : int
        How often it was asked.
    wait_s : float or None
        What the host wishes, see `Failed`. It gets no immediate repetition then, and at most `LONGEST_WAIT` deadlines.
    settings : Settings
        Backoff and deadline.
    """
    if wait_s is None and attempts == 1:
        return 0.0
    backoff_s = settings.backoff_s * 2 ** max(attempts - 2, 0)
    return max(backoff_s, min(wait_s or 0.0, LONGEST_WAIT * settings.timeout_s))
