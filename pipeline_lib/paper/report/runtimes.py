"""What a run's jobs took, by rule, from the files that the workflow's ``benchmark:`` lines leave.

``FOLDER/RULE.tsv`` or ``FOLDER/RULE/.../JOB.tsv``, tab separated, one row: ``s`` (wall-clock seconds), ``cpu_time``
(seconds of processor time) and ``max_rss`` (MB of memory at the peak, children included), among others. A job that ran
several times left its last time.
"""

import csv
import math
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

NEEDED = ("s", "cpu_time", "max_rss")


class RuleTime(NamedTuple):
    """What the jobs of a rule took.

    Attributes
    ----------
    rule : str
    jobs : int
    seconds : float
        Of all jobs one after the other.
    longest : float
        Seconds of the longest job.
    cpu_seconds : float
        Processor time of all jobs.
    peak_mb : float
        Memory of the job that had most.
    """

    rule: str
    jobs: int
    seconds: float
    longest: float
    cpu_seconds: float
    peak_mb: float


def read_times(folder: str | Path) -> list[RuleTime]:
    """Read what the jobs of a run took, a row per rule, the longest first.

    Raises
    ------
    ValueError
        If a file is no such table; the message names it.
    """
    folder = Path(folder)
    jobs = defaultdict(list)
    for path in sorted(folder.rglob("*.tsv")):
        jobs[path.relative_to(folder).parts[0].removesuffix(".tsv")].append(_read(path))
    times = [
        RuleTime(
            rule,
            len(found),
            sum(job["s"] for job in found),
            max(job["s"] for job in found),
            sum(job["cpu_time"] for job in found),
            max(job["max_rss"] for job in found),
        )
        for rule, found in jobs.items()
    ]
    return sorted(times, key=lambda time: (-time.seconds, time.rule))


def _read(path: Path) -> dict[str, float]:
    with open(path, encoding="utf-8", newline="") as content:
        rows = list(csv.DictReader(content, delimiter="\t"))
    try:
        (row,) = rows
        # A job that ended before it was looked at has NA for memory and processor time.
        found = {name: 0.0 if row[name] in ("NA", "-") else float(row[name]) for name in NEEDED}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected one row with numbers {', '.join(NEEDED)} ({error!r}); delete it") from error
    if not all(math.isfinite(value) for value in found.values()):
        raise ValueError(f"{path}: expected finite numbers, found {found}; delete it")
    return found


def clock(seconds: float) -> str:
    """Return a time as a person reads it: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 14 min``."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min"
