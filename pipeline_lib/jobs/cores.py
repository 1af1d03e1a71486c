"""How many cores this process may use, and the environment in which jobs run."""

import os
import sys
from pathlib import Path


def usable_cores() -> int:
    """Return how many cores a cluster or `taskset` leaves to this process; all of the machine if that is not known."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def settle_environment(source: Path) -> None:
    """Let jobs run the `python` of this process, also where it is not activated, and find our library.

    The library lies in the folder `source`. It need not be installed, and jobs may run in another folder. Options of
    pandas that the environment holds are taken out of it: Parquet files would have other types of columns.
    """
    for name in [name for name in os.environ if name.startswith("PANDAS_")]:
        del os.environ[name]
    _put_first("PATH", os.path.dirname(sys.executable), os.defpath)
    _put_first("PYTHONPATH", os.path.abspath(source), "")


def _put_first(variable: str, folder: str, default: str) -> None:
    folders = os.environ.get(variable, default).split(os.pathsep)
    if folders[0] != folder:
        os.environ[variable] = os.pathsep.join([folder, *filter(None, folders)])
