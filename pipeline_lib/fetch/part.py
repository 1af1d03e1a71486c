"""Take every row of a part to its outcome: ask, follow redirects, try again what may pass, decode, spool.

Rows -> one `Outcome` per row, and the images in a `Spool`. All waiting is done by one thread, all decoding by others.
"""

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from pipeline_lib.cc3m import Row
from pipeline_lib.fetch.addresses import parse_url
from pipeline_lib.fetch.client import Client
from pipeline_lib.fetch.failures import Failed
from pipeline_lib.fetch.images import prepare
from pipeline_lib.fetch.schedule import Job, Schedule
from pipeline_lib.fetch.settings import Settings
from pipeline_lib.fetch.spool import Spool
from pipeline_lib.progress import progress

# How long a host is left alone at most where it asks for longer, in deadlines of an attempt: a part has to end.
LONGEST_WAIT = 4


class Outcome(NamedTuple):
    """A row's line in the outcome table, without key and URL, and its image's place in the spool."""

    status: str
    failure: str | None
    permanent: bool
    http_code: int | None
    attempts: int
    bytes: int | None
    final_host: str | None
    place: slice | None = None
    facts: dict | None = None


class PartFetcher:
    """Fetches the images of `rows` into `spool`.

    Parameters
    ----------
    rows : list of Row
        The part.
    settings : Settings
        How.
    spool : Spool
        Takes the images.
    what : str
        What progress is reported under.
    """

    def __init__(self, rows: list[Row], settings: Settings, spool: Spool, what: str) -> None:
        self._rows, self._settings, self._spool = rows, settings, spool
        self._outcomes: list[Outcome | None] = [None] * len(rows)
        self._left = len(rows)
        self._progress = progress(range(len(rows)), what, "rows")

    async def fetch(self) -> list[Outcome]:
        """Ask all hosts; return one outcome per row, in order."""
        settings = self._settings
        self._schedule, self._finished = Schedule(settings.connections_per_host), asyncio.Event()
        for index, row in enumerate(self._rows):
            try:
                if row.problem is not None:
                    raise Failed("row", permanent=True)
                self._schedule.add(Job(index, row.url, parse_url(row.url).raw_host))
            except Failed as failed:
                self._settle(index, _failed(failed, 0, None))
        if self._left:
            with ThreadPoolExecutor(settings.threads, "decode") as pool:
                async with Client(settings) as client, asyncio.TaskGroup() as group:
                    workers = [group.create_task(self._work(client, pool)) for _ in range(settings.connections)]
                    await self._finished.wait()
                    for worker in workers:
                        worker.cancel()
        next(self._progress, None)  # past the last row it prints the total
        return self._outcomes

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
            self._settle(job.row, _failed(failed, job.attempts, job.host, http_code=200, size=len(body)))
            return
        facts = picture._asdict()
        place = self._spool.add(facts.pop("content"))
        self._settle(job.row, Outcome("success", None, False, 200, job.attempts, len(body), job.host, place, facts))

    def _retry_or_settle(self, job: Job, failed: Failed) -> None:
        settings = self._settings
        if failed.permanent or job.attempts == settings.attempts:
            self._settle(job.row, _failed(failed, job.attempts, job.host, failed.http_code))
            return
        row_url = self._rows[job.row].url
        again = Job(job.row, row_url, parse_url(row_url).raw_host, job.attempts)
        delay = retry_delay_s(job.attempts, failed.wait_s, settings) * random.uniform(1, 1.5)
        asyncio.get_running_loop().call_later(delay, self._schedule.add, again)

    def _settle(self, index: int, outcome: Outcome) -> None:
        assert self._outcomes[index] is None
        self._outcomes[index] = outcome
        next(self._progress)
        self._left -= 1
        if not self._left:
            self._finished.set()


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


def _failed(
    failed: Failed, attempts: int, host: str | None, http_code: int | None = None, size: int | None = None
) -> Outcome:
    return Outcome("failed", failed.failure, failed.permanent, http_code, attempts, size, host)
