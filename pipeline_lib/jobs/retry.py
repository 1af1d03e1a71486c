"""When to ask a server again, and how long to wait first.

Pure functions for every HTTP client of the pipeline: which answers are transient, how long to back off, and what a
``Retry-After`` header asks for.
"""

import contextlib
import time
from email.utils import parsedate_to_datetime

# A proxy on the way that wants a password (not the host's doing), request timeout, misdirected request, too early, too
# many requests; besides these, every 5xx.
TRANSIENT_STATUSES = frozenset({407, 408, 421, 425, 429})


def is_transient(status: int) -> bool:
    """Whether an answer with this HTTP status may be another one at the next attempt."""
    return status in TRANSIENT_STATUSES or status >= 500


def parse_retry_after(header: str | None) -> float | None:
    """Return for how many seconds a ``Retry-After`` header asks to wait (RFC 9110, section 10.2.3).

    The header holds a number of seconds or a date. None where there is no header, or it is neither of the two.
    """
    if header is None:
        return None
    with contextlib.suppress(ValueError):
        return max(0, int(header))
    with contextlib.suppress(ValueError, OverflowError):
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    return None


def back_off_s(base_s: float, failures: int, longest_s: float = float("inf"), jitter: float = 1.0) -> float:
    """Return how many seconds to wait after a number of failures: `base_s` after the first, doubled by each further.

    The wait never gets longer than `longest_s`. `jitter` is a factor, such as ``random.uniform(0.5, 1)``, that keeps
    clients which failed together from coming back together.
    """
    return min(base_s * 2.0 ** min(failures - 1, 60) * jitter, longest_s)
