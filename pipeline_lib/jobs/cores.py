"""How many cores this process may use."""

import os


def usable_cores() -> int:
    """Return how many cores a cluster or `taskset` leaves to this process; all of the machine if that is not known."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
