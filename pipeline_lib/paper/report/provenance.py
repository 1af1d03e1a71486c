"""What a run's results come from and what its jobs took: code, configuration, versions, hashes, times, memory.

Time of making and state of the repository are those of the page; each trained model's ``run.json`` has its own.
"""

import csv
import json
import math
import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pandas as pd

from pipeline_lib.config.inputs import external_files, fetched_weights
from pipeline_lib.jobs.code_version import checked_out
from pipeline_lib.jobs.files import read_json, sha256
from pipeline_lib.jobs.text import read_text

#: Larger files from outside are listed without a hash: reading 100 GB of images takes longer than the page is worth.
MOST_HASHED_BYTES = 2_000_000_000
TIMED = ("s", "cpu_time", "max_rss")  # columns of a job's times


def code_and_machine() -> list[tuple[str, str]]:
    """Return when, with which code and on what the page was made."""
    state = checked_out()
    commit = state.commit or "unknown: git finds no checkout in this folder"
    return [
        ("made", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("commit", commit + (", with changes that are not committed" if state.dirty else "")),
        ("python", platform.python_version()),
        ("machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"),
    ]


def packages() -> list[tuple[str, str]]:
    """Return name and version of every installed package."""
    found = {distribution.name.lower(): distribution.version for distribution in metadata.distributions()}
    return sorted(found.items())


def inputs(config: dict) -> list[tuple[str, str, int | None, str]]:
    """Return what the run took from outside: the configuration's key, path, bytes and SHA-256.

    Folders have no bytes, and neither they nor files above `MOST_HASHED_BYTES` a hash. What is not there is left out:
    a run may do without.
    """
    rows = []
    for key, files in (external_files(config) | fetched_weights(config)).items():
        for path in map(Path, files):
            if path.is_dir():
                rows.append((key, str(path), None, "a folder"))
            elif path.is_file():
                size = path.stat().st_size
                rows.append((key, str(path), size, sha256(path) if size <= MOST_HASHED_BYTES else "not hashed"))
    return rows


def read_record(path: str) -> list[tuple[str, str]]:
    """Return a ``run.json`` as (key, value) pairs of text; keys of nested objects are joined by dots."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; the stage that makes the model makes it")
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a JSON object, found {type(content).__name__}")
    (flat,) = pd.json_normalize(content).to_dict("records")
    return [
        (key, said if isinstance(said, str) else json.dumps(said, ensure_ascii=False))
        for key, said in sorted(flat.items())
    ]


def stage_and_model(path: str) -> str:
    """Return ``STAGE/MODEL`` of a file ``.../STAGE/MODEL/NAME``."""
    return "/".join(Path(path).parts[-3:-1])


def read_times(folder: str | Path) -> pd.DataFrame:
    """Read what the jobs of a run took from the files that the workflow's ``benchmark:`` lines leave.

    ``FOLDER/RULE.tsv`` or ``FOLDER/RULE/.../JOB.tsv``, one row each: ``s`` (wall-clock seconds), ``cpu_time`` (seconds
    of processor time) and ``max_rss`` (MB of memory at the peak, children included), among others. A job that ran
    several times left its last time.

    Returns rule, jobs, seconds (of all jobs one after the other), longest (job, in seconds), cpu_seconds (of all),
    peak_mb (of the job with most memory): a row per rule, that with most seconds first.
    """
    folder = Path(folder)
    jobs = [
        {"rule": path.relative_to(folder).parts[0].removesuffix(".tsv"), **_read_job(path)}
        for path in sorted(folder.rglob("*.tsv"))
    ]
    by_rule = pd.DataFrame(jobs, columns=["rule", *TIMED]).groupby("rule")
    times = by_rule.agg(
        jobs=("s", "size"), seconds=("s", "sum"), longest=("s", "max"), cpu_seconds=("cpu_time", "sum"),
        peak_mb=("max_rss", "max"),
    )  # fmt: skip
    return times.sort_values("seconds", ascending=False, kind="stable").reset_index()


def _read_job(path: Path) -> dict[str, float]:
    try:
        (row,) = csv.DictReader(read_text(path).splitlines(), delimiter="\t")
        # A job that ended before it was looked at has NA for memory and processor time.
        found = {name: 0.0 if row[name] in ("NA", "-") else float(row[name]) for name in TIMED}
        if not all(map(math.isfinite, found.values())):
            raise ValueError(f"found {found}")
        return found
    except (ValueError, KeyError, TypeError) as error:
        expected = f"one row with finite numbers {', '.join(TIMED)}"
        raise ValueError(f"{path}: expected {expected} ({error!r}); delete it") from error


def duration(seconds: float) -> str:
    """Return a time in words: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 14 min``."""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min"
