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
    timeout_s : float
        Deadline of one attempt.
    max_bytes, max_pixels, max_redirects : int
        Caps per image.
    attempts : int
        How often a URL is asked while it fails transiently.
    backoff_s : float
        Wait before the second repetition, and before the first where the host wishes to be left alone; it doubles with
        each further one.
    connections, connections_per_host : int
        Requests open at a time.
    threads : int
        Threads that decode and resize.
    connect_to : mapping of str to (str, int)
        Address and port by host name suffix.
    """

    image_size: int | None
    user_agent: str
    timeout_s: float
    max_bytes: int
    max_pixels: int
    max_redirects: int
    attempts: int
    backoff_s: float
    connections: int
    connections_per_host: int
    threads: int
    connect_to: Mapping[str, Target]

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        for name, least in (("timeout_s", 0.001), ("max_redirects", 0), ("backoff_s", 0)):
            self._at_least(name, least)
        for name in ("max_bytes", "max_pixels", "attempts", "connections", "connections_per_host", "threads"):
            self._at_least(name, 1)
        if self.image_size is not None:
            self._at_least("image_size", 1)
        if not self.user_agent.strip() or not self.user_agent.isprintable():
            raise ValueError(f"--user-agent: expected a name and a contact on one line, found {self.user_agent!r}")

    def _at_least(self, name: str, least: float) -> None:
        if not getattr(self, name) >= least:
            raise ValueError(f"--{name.replace('_', '-')}: expected {least} or more, found {getattr(self, name)}")
