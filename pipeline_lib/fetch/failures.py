"""The closed list of reasons for which a row has no image."""

FAILURES = {
    "row": "the line of the captions file is malformed",
    "url": "not an http or https URL with a host",
    "address": "the host is at a private, loopback, link-local or otherwise non-public address",
    "dns": "the host name cannot be resolved",
    "connect": "no connection: refused or unreachable",
    "tls": "no encrypted connection: certificate or handshake",
    "host-down": "the host did not answer several requests in a row, so this one was not made",
    "timeout": "no complete answer before the deadline",
    "reset": "the connection was closed before an answer",
    "protocol": "the answer is not valid HTTP",
    "http": "an HTTP status other than 200 and a redirect",
    "redirect": "too many redirects, or one to nowhere",
    "robots": "robots.txt forbids it, or (transient) could not be read",
    "opt-out": "X-Robots-Tag forbids the use",
    "truncated": "the body ended before its announced length",
    "too-large": "more bytes than allowed",
    "not-an-image": "the body is in none of the image formats that are read",
    "too-many-pixels": "more pixels than allowed, before or after resizing",
    "corrupt": "the image cannot be decoded",
}


def label(failure: str | None, http_code: int | None) -> str | None:
    """Return how a failure is counted and shown: by its class, a bad HTTP status by its number; None for none."""
    return f"http {http_code}" if failure == "http" else failure


class Failed(Exception):
    """A row's image could not be had.

    Parameters
    ----------
    failure : str
        One of `FAILURES`.
    permanent : bool
        Whether asking again is pointless.
    http_code : int, optional
        The status of the last answer, where there was one.
    wait_s : float, optional
        How many seconds the host wishes to be left alone; 0 if it did not say how many, None if it has no such wish.
    """

    def __init__(
        self, failure: str, permanent: bool, http_code: int | None = None, wait_s: float | None = None
    ) -> None:
        assert failure in FAILURES, failure
        super().__init__(failure)
        self.failure, self.permanent, self.http_code, self.wait_s = failure, permanent, http_code, wait_s

    @property
    def host_is_silent(self) -> bool:
        """Whether the host did not answer, or only that it wishes to be left alone."""
        unanswered = not self.permanent and (self.http_code is None or self.failure == "timeout")
        return unanswered or self.wait_s is not None
