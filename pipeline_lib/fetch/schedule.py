"""Choose whose turn it is: no host is asked more than it bears, and no host holds up the others.

Half of all links lie on ten hosts. The host with most rows waiting goes first, so that the big ones are busy from start
to end at their limit while the many small ones fill the other connections; hosts with equally many take turns. What a
host allows (`robots`) is asked before anything else, so that hosts that never answer are found at the start.

A host that stops answering has a circuit breaker. It opens after some requests in a row without an answer: then one
request at a time goes out, each after a longer pause, and any answer closes it. If a whole deadline passes without an
answer, the host is down: what waits for it fails at once, and after each pause one of the rows that come is asked.
"""

import asyncio
import itertools
import sys
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Self

from yarl import URL

from pipeline_lib.fetch.failures import Failed
from pipeline_lib.fetch.settings import Settings


@dataclass(slots=True)
class Job:
    """A request to be made.

    Attributes
    ----------
    row : int or None
        Position of the row in the part; None where the request is for a site's robots.txt.
    url : URL
        What to ask next: the row's URL, as `parse_url` returns it, or, later, where a redirect leads.
    host, site : str
        Of the URL: its host; its scheme, host and port. A request for robots.txt keeps its site through redirects.
    attempts : int
        How often the row's URL was asked.
    redirects : int
        How many redirects were followed in this attempt.
    attempt_s, asked_s : float
        How long the requests of this attempt, and of all, have taken; waits between them are not counted.
    """

    row: int | None
    url: URL | None = None
    host: str | None = None
    site: str | None = None
    attempts: int = 0
    redirects: int = 0
    attempt_s: float = 0.0
    asked_s: float = 0.0

    @classmethod
    def for_rules(cls, site: str, attempts: int = 0, asked_s: float = 0.0) -> Self:
        """Return the request for a site's robots.txt."""
        job = cls(None, site=site, attempts=attempts, asked_s=asked_s)
        job.turn_to(URL(f"{site}/robots.txt"))
        return job

    def turn_to(self, url: URL) -> None:
        """Ask `url` next."""
        self.url, self.host = url, url.raw_host
        if self.row is not None:
            self.site = str(url.origin())


@dataclass(slots=True)
class Host:
    """A host's line and its manners. Times are those of `time.monotonic`.

    Attributes
    ----------
    waiting : deque of Job
        Its line.
    open : int
        How many requests are open.
    offered : bool
        Whether its next turn is in the queue, or a timer will put it there.
    free_at : float
        When it may be asked next.
    interval_s : float
        From the start of a request to the start of the next one, at the least.
    silences : int
        Requests without an answer since the last one with an answer. Repetitions count only when the breaker is open: a
        URL that fails three times says little about its host.
    answered_at : float
        When it answered last; before that, when it was first asked.
    """

    interval_s: float
    waiting: deque[Job] = field(default_factory=deque)
    open: int = 0
    offered: bool = False
    free_at: float = 0.0
    silences: int = 0
    answered_at: float | None = None


class Schedule:
    """Hands out jobs, each host's within its limits.

    Parameters
    ----------
    settings : Settings
        The limits, and when a breaker opens.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        rate = settings.requests_per_second_per_host
        interval_s = 1 / rate if rate else 0.0
        self._hosts: defaultdict[str, Host] = defaultdict(lambda: Host(interval_s))
        self._turns: asyncio.PriorityQueue[tuple[int, int, str]] = asyncio.PriorityQueue()
        self._order = itertools.count()

    def add(self, job: Job) -> None:
        """Put `job` at the end of its host's line; a request for robots.txt goes first.

        Raises
        ------
        Failed
            ``host-down`` if the host is down and its pause is not over.
        """
        host, now = self._hosts[job.host], time.monotonic()
        if self._is_down(host, now) and now < host.free_at:
            raise Failed("host-down", permanent=False)
        if job.row is None:
            host.waiting.appendleft(job)
        else:
            host.waiting.append(job)
        self._offer(job.host, host)

    async def take(self) -> Job:
        """Wait for a job whose host may be asked; call `done` after the request."""
        while True:
            _, _, name = await self._turns.get()
            host, now = self._hosts[name], time.monotonic()
            host.offered = False
            job = None
            if host.waiting and host.open < self._limit(host) and host.free_at <= now:
                job = host.waiting.popleft()
                host.open += 1
                host.free_at = now + host.interval_s
                host.answered_at = host.answered_at or now
            self._offer(name, host)
            if job is not None:
                return job

    def done(self, job: Job, failed: Failed | None = None) -> list[Job]:
        """Take note that the request has ended.

        Parameters
        ----------
        job : Job
            As `take` gave it.
        failed : Failed, optional
            If it failed.

        Returns
        -------
        list of Job
            Jobs that waited for the host and will not be asked, since it is down.
        """
        host, now, settings = self._hosts[job.host], time.monotonic(), self._settings
        host.open -= 1
        given_up = []
        if failed is None or not failed.host_is_silent:
            host.silences, host.answered_at = 0, now
        elif job.attempts == 1 or self._is_open(host):
            host.silences += 1
        if failed is not None and failed.wait_s is not None:
            self._hold(host, now + max(settings.backoff_s, min(failed.wait_s, settings.longest_wait_s)))
        if self._is_open(host):
            doublings = min(host.silences - settings.breaker_failures, 30)
            self._hold(host, now + min(settings.backoff_s * 2**doublings, settings.longest_wait_s))
            if self._is_down(host, now):
                given_up, host.waiting = list(host.waiting), deque()
        self._offer(job.host, host)
        return given_up

    def slow_down(self, name: str, interval_s: float) -> None:
        """Leave at least so many seconds between the starts of two requests to a host."""
        host = self._hosts[name]
        host.interval_s = max(host.interval_s, interval_s)
        self._hold(host, time.monotonic() + interval_s)

    def _is_open(self, host: Host) -> bool:
        return host.silences >= self._settings.breaker_failures

    def _is_down(self, host: Host, now: float) -> bool:
        return self._is_open(host) and now - host.answered_at >= self._settings.deadline_s

    def _limit(self, host: Host) -> int:
        return 1 if self._is_open(host) else self._settings.connections_per_host

    @staticmethod
    def _hold(host: Host, until: float) -> None:
        host.free_at = max(host.free_at, until)

    def _offer(self, name: str, host: Host) -> None:
        """See to it that the host's next turn comes, if it has one; at most one turn per host is in the queue."""
        if host.offered or not host.waiting or host.open >= self._limit(host):
            return
        host.offered = True
        wait_s = host.free_at - time.monotonic()
        if wait_s > 0:
            asyncio.get_running_loop().call_later(wait_s, self._queue, name)
        else:
            self._queue(name)

    def _queue(self, name: str) -> None:
        waiting = self._hosts[name].waiting
        rank = -sys.maxsize if waiting and waiting[0].row is None else -len(waiting)
        self._turns.put_nowait((rank, next(self._order), name))
