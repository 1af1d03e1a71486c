"""What a site allows: its robots.txt (RFC 9309), asked once, before anything else of the site.

A site is a scheme, a host and a port. Rows of a site wait here until its rules are known. A status of 400 to 499 (but
for those that pass, such as 429) or a redirect to nowhere means that there are no rules. Where the rules cannot be had,
the RFC says that nothing may be asked: the site's rows fail as the request for its rules did, most of them transiently,
and a row that comes after a while asks for the rules again.

Protego reads the rules, since it follows the RFC: the longest match decides, ``*`` and ``$`` mean something. The
standard library's parser takes the first match and knows neither.
"""

import time
from dataclasses import dataclass, field

from protego import Protego

from pipeline_lib.fetch.failures import Failed
from pipeline_lib.fetch.schedule import Job, Schedule
from pipeline_lib.fetch.settings import Settings


@dataclass(slots=True)
class Site:
    """What is known of a site.

    Attributes
    ----------
    rules : Protego or None
        Its rules; None as long as they are not known.
    waiting : list of Job
        Rows that wait for the rules; there are some as long as the request is under way.
    failure : str
        Why the rules could not be had.
    asked_again_at : float
        When they may be asked for again, in the time of `time.monotonic`; infinite if never.
    """

    rules: Protego | None = None
    waiting: list[Job] = field(default_factory=list)
    failure: str = ""
    asked_again_at: float = 0.0


class Robots:
    """Lets jobs into the schedule as their sites' rules allow.

    Parameters
    ----------
    schedule : Schedule
        Where jobs go that are allowed, and requests for rules.
    settings : Settings
        Who asks, and whether rules count.
    """

    def __init__(self, schedule: Schedule, settings: Settings) -> None:
        self._schedule, self._settings = schedule, settings
        self._sites: dict[str, Site] = {}

    def line_up(self, job: Job) -> None:
        """Put `job` in its host's line, once its site's rules are known.

        Raises
        ------
        Failed
            ``robots`` if the rules forbid it; what `miss` says if they cannot be had; ``host-down``.
        """
        if job.row is None or not self._settings.respect_robots:
            self._schedule.add(job)
            return
        site = self._sites.setdefault(job.site, Site())
        if site.rules is not None:
            if not site.rules.can_fetch(str(job.url), self._settings.agent_name):
                raise Failed("robots", permanent=True)
            self._schedule.add(job)
            return
        if time.monotonic() < site.asked_again_at:
            raise Failed(site.failure, permanent=site.asked_again_at == float("inf"))
        if not site.waiting:
            self._schedule.add(Job.for_rules(job.site))
        site.waiting.append(job)

    def learn(self, job: Job, body: bytes) -> list[Job]:
        """Take in a site's rules; return the jobs that waited for them, to line up again.

        Parameters
        ----------
        job : Job
            The request.
        body : bytes
            The answer; empty for no rules.
        """
        site = self._sites[job.site]
        site.rules = Protego.parse(body.decode("utf-8-sig", "replace"))
        delay_s = site.rules.crawl_delay(self._settings.agent_name)
        site.waiting, waiting = [], site.waiting
        if delay_s:
            self._schedule.slow_down(waiting[0].host, min(delay_s, self._settings.max_crawl_delay_s))
        return waiting

    def miss(self, job: Job, failed: Failed) -> list[Job]:
        """Take in that a site's rules could not be had; return the jobs that waited for them, to line up again."""
        if failed.permanent and failed.failure in ("http", "redirect", "url"):
            return self.learn(job, b"")
        site = self._sites[job.site]
        if failed.http_code is None and not job.redirects:
            site.failure, permanent = failed.failure, failed.permanent
        else:
            site.failure, permanent = "robots", False
        site.asked_again_at = float("inf") if permanent else time.monotonic() + self._settings.longest_wait_s
        site.waiting, waiting = [], site.waiting
        return waiting
