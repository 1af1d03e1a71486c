"""Fetch: the images that a captions file links to, politely, with an outcome for every row.

To read in this order: `fetch` (the command and what it writes), `part` (the way of one row), `schedule` (whose turn it
is, and robots.txt), `client` (one request), `exchange` and `connection` (HTTP), `addresses` (what may be asked),
`images` (bytes to JPEG), `outcomes` (journal and table), `summary`.
"""

import csv
from pathlib import Path

# Why a row has no image: the closed list, with what each class means.
with Path(__file__).with_name("failures.tsv").open(encoding="utf-8", newline="") as _lines:
    FAILURES = dict(csv.reader(_lines, delimiter="\t"))


def label(failure: str | None, http_code: int | None) -> str | None:
    """Return how a failure is counted and shown: by its class, a bad HTTP status by its number; None for none."""
    return f"http {http_code}" if failure == "http" else failure


class Failed(Exception):
    """A row gets no image, or not at this attempt.

    `permanent` says that asking again is pointless; `later`, that it is in this run, but the fault may be ours (names,
    certificates, the network). `http_code` is the status of the last answer, if there was one. `wait_s` is how many
    seconds the host wants to be left alone: 0 if it did not say how many, None if it does not. `answered` says that the
    host sent something, whatever it was; `reused`, that nothing came over a connection that had been used before.
    """

    def __init__(
        self,
        failure: str,
        permanent: bool,
        http_code: int | None = None,
        wait_s: float | None = None,
        later: bool = False,
    ) -> None:
        assert failure in FAILURES, failure
        super().__init__(failure)
        self.failure, self.permanent, self.http_code, self.wait_s = failure, permanent, http_code, wait_s
        self.later, self.answered, self.reused = later, False, False

    @property
    def host_is_silent(self) -> bool:
        """Whether the host was asked and sent nothing: a failure with an answer says nothing against the host."""
        return not (self.permanent or self.later or self.answered or self.reused)
