"""What to do about a damaged file."""

import re
from pathlib import Path

OF_A_RUN = re.compile(r"(?:.*/)?(results/(?:[^/]+/.+|tables\.parquet|active-run\.txt))")


def of_a_run(path: str | Path) -> bool:
    """Whether a file is one that the workflow makes, by its path."""
    return bool(OF_A_RUN.fullmatch(Path(path).as_posix()))


def remedy(path: str | Path) -> str:
    """Return what to do about a damaged file. It is asked for by name: a finished run does not miss it."""
    found = OF_A_RUN.fullmatch(Path(path).as_posix())
    if not found:
        return "delete it and make it, or get it, again"
    return f"delete it and make it again: snakemake --cores 8 {found[1]}, with the run's --configfile"
