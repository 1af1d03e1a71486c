"""Choose whose turn it is: no host has more than its share of requests open, and no host holds up the others.

Half of all links lie on ten hosts. The host with most rows waiting goes first, so that the big ones are busy from start
to end at their limit while the many small ones fill the other connections; hosts with equally many take turns.
"""

import asyncio
import itertools
from collections import Counter, defaultdict, deque
from dataclasses import dataclass


@dataclass(slots=True)
class Job:
    """A request to be made.

    Attributes
    ----------
    row : int
        Position of the row in the part.
    url, host : str
        What to ask next, and whom: the row's URL or, later, where a redirect leads.
    attempts : int
        How often the row's URL was asked.
    redirects : int
        How many redirects were followed in this attempt.
    spent_s : float
        How much of the deadline this attempt has used, its waits for a turn not counted.
    """

    row: int
    url: str
    host: str
    attempts: int = 0
    redirects: int = 0
    spent_s: float = 0.0


class Schedule:
    """Hands out jobs, at most `per_host` at a time for each host.

    Parameters
    ----------
    per_host : int
        The limit.
    """

    def __init__(self, per_host: int) -> None:
        self._per_host = per_host
        self._waiting: defaultdict[str, deque[Job]] = defaultdict(deque)
        # A turn is the right to one open request to a host. It is in `_turns` or taken, and lapses with nothing to do.
        self._turns: asyncio.PriorityQueue[tuple[int, int, str]] = asyncio.PriorityQueue()
        self._turns_of: Counter[str] = Counter()
        self._order = itertools.count()

    def add(self, job: Job) -> None:
        """Put `job` at the end of its host's line."""
        self._waiting[job.host].append(job)
        if self._turns_of[job.host] < self._per_host:
            self._turns_of[job.host] += 1
            self._offer(job.host)

    async def take(self) -> Job:
        """Wait for a job whose host may be asked; call `release` with its host after the request."""
        while True:
            _, _, host = await self._turns.get()
            if self._waiting[host]:
                return self._waiting[host].popleft()
            self._turns_of[host] -= 1

    def release(self, host: str) -> None:
        """Let `host` be asked once more."""
        if self._waiting[host]:
            self._offer(host)
        else:
            self._turns_of[host] -= 1

    def _offer(self, host: str) -> None:
        self._turns.put_nowait((-len(self._waiting[host]), next(self._order), host))
