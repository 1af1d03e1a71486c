"""Give damaged files to every reader, a stated number each, and report what is neither read nor refused.

::

    make fuzz COUNT=10000   # all inputs; FLAGS="--inputs tar zip" for some, "--seed 1" for other files
    PYTHONPATH=tests python -m fuzz.run --count 10000

A file is read, or refused with an error that names its folder. Anything else is reported once per kind of input and
place in the code, with the edits that lead there, and ends the command with 1: another exception, a file written
beside the folder, more than `SECONDS` seconds, more than `MEMORY_BYTES` bytes of memory.
"""

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz.inputs import INPUTS
from fuzz.mutations import EDITS, mutated

SECONDS = 60
MESSAGE = 20_000  # characters of an error; that of a configuration has a line per key
MEMORY_BYTES = 2 << 30  # beyond what the readers' libraries take


@contextmanager
def within(seconds: int):
    """Raise an `AssertionError` in what takes longer."""

    def late(*_):
        raise AssertionError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Sandbox:
    """Valid files of a kind of input in a folder of their own; one at a time is damaged and read."""

    def __init__(self, name: str, root: Path) -> None:
        self.name, self.input, self.root = name, INPUTS[name], root
        self.folder = root / f"input-{name}"
        self.folder.mkdir()
        self.input.write(self.folder)
        self.paths = sorted(path for path in self.folder.glob(self.input.damaged) if path.is_file())
        self.contents = {path: path.read_bytes() for path in self.paths}
        self.input.read(self.folder)  # undamaged, they are read
        self.before = self.listing()

    def listing(self) -> set[Path]:
        """Return what lies in the folder and beside it."""
        return {path for path in self.root.rglob("*") if not path.name.endswith(("-journal", "-wal"))}

    def damage(self, edits: list) -> None:
        """Damage a file, and check what becomes of it."""
        path = self.paths[edits[0][2] % len(self.paths)]
        self.check(path, mutated(self.contents[path], edits))

    def check(self, path: Path, content: bytes) -> None:
        """Put `content` in the place of a file, read it, and require a result or an error with words."""
        path.write_bytes(content)
        try:
            with within(SECONDS):
                self.input.read(self.folder)
        except self.input.refusals:
            pass
        except (ValueError, FileNotFoundError) as error:
            if self.folder.name not in str(error) and self.name != "config":
                raise AssertionError(f"does not name the file: {error!r:.500}") from error
            assert len(str(error)) < MESSAGE, f"a message of {len(str(error)):,} characters: {error!s:.300}"
        finally:
            path.write_bytes(self.contents[path])
        assert self.listing() == self.before, "wrote beside its files"


def fuzz(sandbox: Sandbox, count: int, number: int) -> dict[str, list]:
    """Check `count` damaged files; return the edits that lead to each kind of failure."""
    failures: dict[str, list] = {}

    @seed(number)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=HealthCheck
    )
    @given(EDITS)
    def check(edits: list) -> None:
        try:
            sandbox.damage(edits)
        except Exception as error:
            cause = error.__cause__ or error
            frames = [
                frame for frame in traceback.extract_tb(cause.__traceback__) if "hypothesis" not in frame.filename
            ]
            places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[:-4:-1]]
            failures.setdefault(f"{type(cause).__name__} at {' < '.join(places)}", [f"{error!s:.300}", edits])

    check()
    return failures


def main() -> None:
    """Fuzz the inputs that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="damaged files for each kind of input")
    parser.add_argument("--inputs", nargs="+", choices=INPUTS, default=list(INPUTS))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    failed = 0
    for name in args.inputs:
        start = time.monotonic()
        with (
            tempfile.TemporaryDirectory() as root,
            open(os.devnull, "w") as nowhere,
            redirect_stdout(nowhere),
            redirect_stderr(nowhere),
        ):
            sandbox = Sandbox(name, Path(root))
            used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY_BYTES, resource.RLIM_INFINITY))
            failures = fuzz(sandbox, args.count, args.seed)
        print(f"{name}: {args.count:,} files, {len(failures)} failures, {time.monotonic() - start:.0f} s", flush=True)
        for failure, (message, edits) in failures.items():
            print(f"    {failure}: {message}\n        {edits}", flush=True)
        failed += len(failures)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
