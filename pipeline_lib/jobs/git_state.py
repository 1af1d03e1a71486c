"""Which code a result was made with: the repository's commit, and whether files differed from it."""

import subprocess
from typing import NamedTuple


class Commit(NamedTuple):
    """The checked-out commit, None where there is no history, and whether tracked files differ from it."""

    commit: str | None
    dirty: bool


def checked_out() -> Commit:
    """Return what is checked out in the working directory."""
    return Commit(_git("rev-parse", "HEAD"), bool(_git("status", "--porcelain", "--untracked-files=no")))


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None  # an unpacked archive has no history
    return done.stdout.strip()
