"""Take every row of a part to its outcome: ask, follow redirects, try again what may pass, decode, settle.

Rows -> one record per row in a `Journal`, images included. All waiting is done by one thread, all decoding by others.
"""

import asyncio
import random
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from pipeline_lib.fetch.addresses import parse_url
from pipeline_lib.fetch.client import Answer, Client
from pipeline_lib.fetch.failures import Failed
from pipeline_lib.fetch.images import prepare, warm_up
from pipeline_lib.fetch.journal import Journal
from pipeline_lib.fetch.outcomes import Outcome, Sizes
from pipeline_lib.fetch.robots import Robots
from pipeline_lib.fetch.schedule import Job, Schedule
from pipeline_lib.fetch.settings import Settings
from pipeline_lib.fetch.tally import Tally
from pipeline_lib.formats.cc3m import Row

# Rows that are open at a time. So many are enough to find work for every connection while some hosts are slow, and
# memory does not grow with the part.
WINDOW = 8192
BATCH = 256  # so many are let in before others have their turn: nobody's deadline should pass meanwhile
# An attempt that would have less time than this is not made.
LEAST_S = 0.05


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
        self._urls: dict[int, str] = {}  # of the open rows
        self._tally = Tally(what, len(rows), len(journal))

    async def fetch(self) -> None:
        """Ask all hosts until every row is settled."""
        settings = self._settings
        self._schedule, self._finished = Schedule(settings), asyncio.Event()
        self._robots = Robots(self._schedule, settings)
        warm_up(settings.image_size)
        with ThreadPoolExecutor(settings.threads, "decode") as pool:
            async with Client(settings) as client, asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._work(client, pool)) for _ in range(settings.connections)]
                tasks.append(group.create_task(self._tally.show()))
                self._let_in()
                await self._finished.wait()
                for task in tasks:
                    task.cancel()

    def _let_in(self) -> None:
        """Open further rows, until there are `WINDOW` of them or none is left to open."""
        for _ in range(BATCH):
            if len(self._urls) == WINDOW:
                return
            index, row = next(self._coming, (None, None))
            if row is None:
                if not self._urls:
                    self._finished.set()
                return
            if index in self._journal:
                continue
            self._urls[index] = row.url
            if row.problem is None:
                self._begin(index, *self._journal.attempts(index))
            else:
                self._settle(Job(index), Failed("row", permanent=True))
        asyncio.get_running_loop().call_soon(self._let_in)

    def _begin(self, row: int, attempts: int, asked_s: float) -> None:
        """Line up the first request of an attempt at a row."""
        job = Job(row, attempts=attempts, asked_s=asked_s)
        try:
            job.turn_to(parse_url(self._urls[row]))
        except Failed as failed:
            self._settle(job, failed)
        else:
            self._line_up(job)

    def _line_up(self, job: Job) -> None:
        """Let the job have its turn if its site's rules and its host allow it."""
        try:
            self._robots.line_up(job)
        except Failed as failed:
            self._settle(job, failed)

    async def _work(self, client: Client, pool: ThreadPoolExecutor) -> None:
        """Do one job after the other; a job is done when its image is decoded, so few are ever in memory."""
        while True:
            job = await self._schedule.take()
            try:
                answer = await self._ask(client, job)
                if answer.location is not None:
                    self._follow(job, answer)
                elif job.row is None:
                    self._line_up_all(self._robots.learn(job, answer.body))
                else:
                    await self._store(job, answer.body, pool)
            except Failed as failed:
                self._retry_or_settle(job, failed)

    async def _ask(self, client: Client, job: Job) -> Answer:
        """Make the request; what waits for a host that turns out to be down is settled."""
        settings, start = self._settings, time.monotonic()
        job.attempts += job.redirects == 0
        left_s = min(settings.timeout_s - job.attempt_s, settings.deadline_s - job.asked_s)
        failed = None
        try:
            return await (client.ask_rules if job.row is None else client.ask)(job.url, left_s)
        except Failed as error:
            failed = error
            raise
        finally:
            seconds = time.monotonic() - start
            job.attempt_s += seconds
            job.asked_s += seconds
            for waiting in self._schedule.done(job, failed):
                self._settle(waiting, Failed("host-down", permanent=False))

    def _follow(self, job: Job, answer: Answer) -> None:
        """Go on to where a redirect leads."""
        if job.redirects == self._settings.max_redirects or not answer.location:
            raise Failed("redirect", True, answer.http_code)
        try:
            job.turn_to(parse_url(answer.location, str(job.url)))
        except Failed as failed:
            failed.http_code = answer.http_code
            raise
        job.redirects += 1
        self._line_up(job)

    async def _store(self, job: Job, body: bytes, pool: ThreadPoolExecutor) -> None:
        loop, settings = asyncio.get_running_loop(), self._settings
        try:
            picture = await loop.run_in_executor(pool, prepare, body, settings.image_size, settings.max_pixels)
        except Failed as failed:
            failed.http_code = 200
            self._settle(job, failed, len(body))
            return
        sizes = Sizes(picture.width, picture.height, picture.original_width, picture.original_height)
        outcome = Outcome(
            "success", None, False, 200, job.attempts, len(body), job.host, picture.sha256, _ms(job.asked_s), sizes
        )
        self._record(job.row, outcome, picture.content)

    def _retry_or_settle(self, job: Job, failed: Failed) -> None:
        settings = self._settings
        if failed.permanent or job.attempts >= settings.attempts or settings.deadline_s - job.asked_s < LEAST_S:
            self._settle(job, failed)
            return
        delay_s = retry_delay_s(job.attempts, settings) * random.uniform(1, 1.5)
        loop = asyncio.get_running_loop()
        if job.row is None:
            loop.call_later(delay_s, self._line_up, Job.for_rules(job.site, job.attempts, job.asked_s))
        else:
            self._journal.add_attempt(job.row, job.attempts, job.asked_s)
            loop.call_later(delay_s, self._begin, job.row, job.attempts, job.asked_s)

    def _settle(self, job: Job, failed: Failed, size: int | None = None) -> None:
        """Record that a row has no image; for a request for rules, see what becomes of the rows that wait for them."""
        if job.row is None:
            self._line_up_all(self._robots.miss(job, failed))
            return
        outcome = Outcome(
            "failed",
            failed.failure,
            failed.permanent,
            failed.http_code,
            job.attempts,
            size,
            job.host,
            None,
            _ms(job.asked_s),
        )
        self._record(job.row, outcome)

    def _line_up_all(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._line_up(job)

    def _record(self, row: int, outcome: Outcome, content: bytes = b"") -> None:
        del self._urls[row]
        self._journal.add(row, outcome, content)
        self._tally.count(outcome)
        # Not called here: rows that need no request are settled while others are let in.
        asyncio.get_running_loop().call_soon(self._let_in)


def retry_delay_s(attempts: int, settings: Settings) -> float:
    """Return how many seconds after its failure a URL is asked again, at the least.

    Parameters
    ----------
    attempts : int
        How often it was asked.
    settings : Settings
        Backoff. What the host itself wishes is heeded by the schedule, for all of the host's rows.
    """
    return 0.0 if attempts == 1 else settings.backoff_s * 2 ** (attempts - 2)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
