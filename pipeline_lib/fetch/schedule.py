"""Decide which request is next: no host is asked more than it bears or wants, and no host holds up the others.

Half of all links lie on ten hosts. The host with most rows waiting goes first, so that the big ones are busy from start
to end at their limit while the many small ones fill the other connections; hosts with equally many take turns.

Before anything else, a site (a scheme, a host and a port) is asked for its robots.txt (RFC 9309), so that hosts that
never answer are found at the start. The site's rows wait for the rules. A permanent HTTP error, such as 404, a redirect
to nowhere, or an answer of which no rules can be read means that there are none. If a site cannot say its rules now (no
answer, 429, 5xx), the RFC says that nothing may be asked: the site's rows fail as the request for its rules did, and a
row that comes after a while asks for the rules again. Protego reads the rules, since it follows the RFC: the longest
match decides, ``*`` and ``$`` mean something. The standard library's parser takes the first match and knows neither.

A port that stops answering has a circuit breaker. It opens after some requests in a row to which the port sent not a
byte, or only that it wants to be left alone: then one request at a time goes out, each after a longer pause, and any
other answer, good or bad, closes it. If a whole deadline passes without one, the port is down or busy: what waits for
it fails at once, and after each pause one of the rows that come is asked.

What spares a host counts for all its ports together: connections, requests per second, Crawl-delay and the pauses that
it asks for. Whether anybody answers counts for each: that nobody listens for https says nothing about http.
"""

import asyncio
import itertools
import sys
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Self

from protego import Protego
from yarl import URL

from pipeline_lib.fetch import Failed
from pipeline_lib.fetch.settings import FetchSettings
from pipeline_lib.jobs.retry import back_off_s


@dataclass(slots=True)
class Job:
    """A request to be made."""

    row: int | None  # number of the row in the part; None where the request is for a robots.txt
    start: URL | None = None  # what every attempt asks first: the row's URL
    url: URL | None = None  # what to ask next: `start` or, later, where a redirect leads
    host: str | None = None  # of the URL
    port: int | None = None  # of the URL
    site: str | None = None  # of the URL; a request for robots.txt keeps its site through redirects
    attempts: int = 0  # how often `start` was asked
    redirects: int = 0  # how many were followed in this attempt
    attempt_s: float = 0.0  # how long the requests of this attempt have taken, waits between them not counted
    asked_s: float = 0.0  # the same, of all attempts

    def begin(self) -> Self:
        """Ask `start` next, in a new attempt."""
        self.redirects, self.attempt_s = 0, 0.0
        self.turn_to(self.start)
        return self

    def turn_to(self, url: URL) -> None:
        """Ask `url` next."""
        self.url, self.host, self.port = url, url.raw_host, url.port
        if self.row is not None:
            self.site = str(url.origin())


@dataclass(slots=True)
class _Host:
    """What spares a host, whichever of its ports is asked; times are those of `time.monotonic`."""

    interval_s: float  # from the start of a request to the start of the next one, at the least
    open: int = 0  # requests
    free_at: float = 0.0  # when it may be asked next
    ports: dict[int | None, "_Port"] = field(default_factory=dict)


@dataclass(slots=True)
class _Port:
    """The line of jobs for a port of a host, and how it answers."""

    host: _Host
    waiting: deque[Job] = field(default_factory=deque)
    open: int = 0  # requests
    has_turn: bool = False  # its next turn is in the queue, or a timer will put it there
    free_at: float = 0.0  # when it may be asked next, as far as its breaker says
    # Requests in a row to which it sent nothing, or that it wants to be left alone. Repetitions count only when the
    # breaker is open: a URL that fails three times says little about its host.
    silences: int = 0
    busy_code: int | None = None  # the status of the last answer, if that was that it wants to be left alone
    answered_at: float | None = None  # the last time; before that, when it was first asked


class Schedule:
    """Hands out jobs, each host's within its limits; `hosts_asked` are those of which it did."""

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings
        rate = settings.requests_per_second_per_host
        interval_s = 1 / rate if rate else 0.0
        self._hosts: defaultdict[str, _Host] = defaultdict(lambda: _Host(interval_s))
        self.hosts_asked: set[str] = set()
        self._turns: asyncio.PriorityQueue[tuple[int, int, _Port]] = asyncio.PriorityQueue()
        self._order = itertools.count()

    def _port(self, job: Job) -> _Port:
        host = self._hosts[job.host]
        return host.ports.setdefault(job.port, _Port(host))

    def add(self, job: Job) -> None:
        """Put `job` at the end of its port's line; a request for robots.txt goes first.

        Raises `Failed`, ``host-down`` or ``host-busy``, if the port is down and its pause is not over.
        """
        port, now = self._port(job), time.monotonic()
        if self._is_down(port, now) and now < self._free_at(port):
            raise self.spared(job)
        if job.row is None:
            port.waiting.appendleft(job)
        else:
            port.waiting.append(job)
        self._plan_turn(port)

    async def take(self) -> Job:
        """Wait for a job that may be asked; call `done` after the request."""
        while True:
            _, _, port = await self._turns.get()
            host, now = port.host, time.monotonic()
            port.has_turn = False
            if port.waiting and self._has_room(port) and self._free_at(port) <= now:
                job = port.waiting.popleft()
                self.hosts_asked.add(job.host)
                host.open += 1
                port.open += 1
                host.free_at = now + host.interval_s
                port.answered_at = port.answered_at or now
                self._plan_turn(port)
                return job
            self._plan_turn(port)

    def spared(self, job: Job) -> Failed:
        """Return the failure of a job that is not asked, since its port is down."""
        code = self._port(job).busy_code
        return Failed("host-busy" if code else "host-down", False, code)

    def done(self, job: Job, failed: Failed | None = None) -> list[Job]:
        """Note that the request ended; return the jobs that will not be asked since their port turns out to be down."""
        port, now, settings = self._port(job), time.monotonic(), self._settings
        host, given_up = port.host, []
        host.open -= 1
        port.open -= 1
        wants_peace = failed is not None and failed.wait_s is not None
        port.busy_code = failed.http_code if wants_peace else None
        if failed is None or not (failed.host_is_silent or wants_peace):
            port.silences, port.answered_at = 0, now
        elif job.attempts == 1 or self._is_open(port):
            port.silences += 1
        if wants_peace:
            wait_s = max(settings.backoff_s, min(failed.wait_s, settings.longest_wait_s))
            host.free_at = max(host.free_at, now + wait_s)
        if self._is_open(port):
            failures = port.silences - settings.breaker_failures + 1
            port.free_at = max(port.free_at, now + back_off_s(settings.backoff_s, failures, settings.longest_wait_s))
            if self._is_down(port, now):
                given_up, port.waiting = list(port.waiting), deque()
        for other in host.ports.values():  # which may have waited for this one's connection
            self._plan_turn(other)
        return given_up

    def slow_down(self, name: str, interval_s: float) -> None:
        """Leave at least so many seconds between the starts of two requests to a host."""
        host = self._hosts[name]
        host.interval_s = max(host.interval_s, interval_s)
        host.free_at = max(host.free_at, time.monotonic() + interval_s)

    def _is_open(self, port: _Port) -> bool:
        return port.silences >= self._settings.breaker_failures

    def _is_down(self, port: _Port, now: float) -> bool:
        return self._is_open(port) and now - port.answered_at >= self._settings.deadline_s

    def _has_room(self, port: _Port) -> bool:
        return port.host.open < self._settings.connections_per_host and not (self._is_open(port) and port.open)

    def _free_at(self, port: _Port) -> float:
        return max(port.free_at, port.host.free_at)

    def _plan_turn(self, port: _Port) -> None:
        """See to it that the port's next turn comes, if it has one; at most one turn per port is in the queue."""
        if port.has_turn or not port.waiting or not self._has_room(port):
            return
        port.has_turn = True
        wait_s = self._free_at(port) - time.monotonic()
        if wait_s > 0:
            asyncio.get_running_loop().call_later(wait_s, self._queue_turn, port)
        else:
            self._queue_turn(port)

    def _queue_turn(self, port: _Port) -> None:
        rank = -sys.maxsize if port.waiting and port.waiting[0].row is None else -len(port.waiting)
        self._turns.put_nowait((rank, next(self._order), port))


@dataclass(slots=True)
class _Site:
    rules: Protego | None = None  # None until they are known
    waiting: list[Job] = field(default_factory=list)  # for the rules; not empty while these are being asked for
    failed: Failed | None = None  # why the rules could not be read
    ask_again_at: float = 0.0  # in the time of `time.monotonic`; infinite for never


def read_rules(body: bytes) -> Protego:
    """Return the rules in a robots.txt; half a second's work at the length that `client` allows, so for a thread."""
    return Protego.parse(body.decode("utf-8-sig", "replace"))


class Robots:
    """Lets jobs into the schedule as their sites' rules allow."""

    def __init__(self, schedule: Schedule, settings: FetchSettings) -> None:
        self._schedule, self._settings = schedule, settings
        self._sites: defaultdict[str, _Site] = defaultdict(_Site)

    def line_up(self, job: Job) -> None:
        """Put `job` in its host's line, once its site's rules are known.

        Raises `Failed`: ``robots`` if the rules forbid it, the failure of their request if they could not be read, or
        ``host-down`` or ``host-busy``.
        """
        if job.row is not None and self._settings.respect_robots:
            site = self._sites[job.site]
            if site.rules is None:
                if time.monotonic() < site.ask_again_at:
                    raise Failed(site.failed.failure, site.failed.permanent)
                if not site.waiting:
                    self._schedule.add(Job(None, URL(f"{job.site}/robots.txt"), site=job.site).begin())
                site.waiting.append(job)
                return
            if not site.rules.can_fetch(str(job.url), self._settings.agent_name):
                raise Failed("robots", permanent=True)
        self._schedule.add(job)

    def learn(self, job: Job, rules: Protego) -> list[Job]:
        """Take over what a request for rules found; return the jobs that waited for them, to line up again."""
        site = self._sites[job.site]
        delay_s = rules.crawl_delay(self._settings.agent_name)
        site.rules, site.waiting, waiting = rules, [], site.waiting
        if delay_s:
            self._schedule.slow_down(waiting[0].host, min(delay_s, self._settings.max_crawl_delay_s))
        return waiting

    def miss(self, job: Job, failed: Failed) -> list[Job]:
        """Note that a request for rules failed; return the jobs that waited for them, to line up again."""
        unreadable = failed.answered and failed.failure in ("protocol", "timeout")
        if unreadable or (failed.permanent and failed.failure in ("http", "redirect", "url")):
            return self.learn(job, Protego())
        site = self._sites[job.site]
        passes = failed.http_code is not None or job.redirects > 0
        site.failed = Failed("robots", permanent=False) if passes else failed
        never = not passes and (failed.permanent or failed.later)
        site.ask_again_at = float("inf") if never else time.monotonic() + self._settings.longest_wait_s
        site.waiting, waiting = [], site.waiting
        return waiting
