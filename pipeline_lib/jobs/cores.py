"""How many cores this process may use, and which programs it finds first."""

import os
import sys


def usable_cores() -> int:
    """Return how many cores a cluster or `taskset` leaves to this process; all of the machine if that is not known."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def put_own_programs_first() -> None:
    """Put the folder of this interpreter first on PATH, so that `python` is this one where it is not activated."""
    own, path = os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != own:
        os.environ["PATH"] = os.pathsep.join([own, path])
