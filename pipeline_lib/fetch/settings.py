"""The numbers that the whole stage works with, named as on the command line."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline_lib.fetch.addresses import Target


@dataclass(frozen=True)
class Settings:
    """How to fetch.

    Attributes
    ----------
    image_size : int or None
        Length of the shortest side in pixels; None keeps the bytes.
    user_agent : str
        Who asks, with a contact.
    respect_robots : bool
        Whether robots.txt counts. X-Robots-Tag always does.
    timeout_s, deadline_s : float
        How long the requests of one attempt, and of all attempts at a URL, may take.
    max_bytes, max_pixels, max_redirects : int
        Caps per image.
    attempts : int
        How often a URL is asked while it fails transiently.
    backoff_s : float
        Wait before the second repetition, and before the first where the host wishes to be left alone; it doubles with
        each further one.
    connections, connections_per_host : int
        Requests open at a time.
    requests_per_second_per_host : float or None
        How many requests to one host are started in a second at the most; None for no limit.
    max_crawl_delay_s : float
        How much of a longer Crawl-delay is kept.
    breaker_failures : int
        After how many unanswered requests in a row a host's breaker opens.
    threads : int
        Threads that decode and resize.
    connect_to : mapping of str to (str, int)
        Address and port by host name suffix.
    """

    image_size: int | None
    user_agent: str
    respect_robots: bool
    timeout_s: float
    deadline_s: float
    max_bytes: int
    max_pixels: int
    max_redirects: int
    attempts: int
    backoff_s: float
    connections: int
    connections_per_host: int
    requests_per_second_per_host: float | None
    max_crawl_delay_s: float
    breaker_failures: int
    threads: int
    connect_to: Mapping[str, Target]

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        for name in ("max_redirects", "backoff_s", "max_crawl_delay_s"):
            self._at_least(name, 0)
        for name in ("max_bytes", "max_pixels", "attempts", "breaker_failures", "connections", "connections_per_host"):
            self._at_least(name, 1)
        self._at_least("threads", 1)
        self._at_least("timeout_s", 0.001)
        self._at_least("deadline_s", self.timeout_s)
        if self.requests_per_second_per_host is not None:
            self._at_least("requests_per_second_per_host", 0.001)
        if self.image_size is not None:
            self._at_least("image_size", 1)
        if not self.user_agent.strip() or not self.user_agent.isprintable():
            raise ValueError(f"--user-agent: expected a name and a contact on one line, found {self.user_agent!r}")

    @property
    def agent_name(self) -> str:
        """What robots.txt and X-Robots-Tag call us: what stands before the first slash or blank of the user agent."""
        return self.user_agent.replace("/", " ").split()[0]

    @property
    def longest_wait_s(self) -> float:
        """How long a host is left alone at most where it asks for longer: a part has to end."""
        return 4 * self.timeout_s

    def _at_least(self, name: str, least: float) -> None:
        if not getattr(self, name) >= least:
            raise ValueError(f"--{name.replace('_', '-')}: expected {least} or more, found {getattr(self, name)}")
