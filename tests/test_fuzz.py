"""Damaged and hostile files as every kind of input: read, or refused with words; nothing run, nothing written beside.

``make fuzz COUNT=10000`` tries so many damaged files of every kind: FLAGS="-k tar" for some kinds, FLAGS="--seed 1" for
other files. A file is read, or refused with an error that names its folder. Anything else fails: another exception, a
file written beside the folder, more than a minute, more than 2 GiB of memory.
"""

import traceback
from pathlib import Path

import pytest
from fuzz.inputs import INPUTS
from fuzz.mutations import EDITS, mutated
from hostile import bounded, contents
from hypothesis import HealthCheck, Phase, given, seed, settings

pytestmark = pytest.mark.filterwarnings("ignore")  # a library's warning is no refusal
SETTINGS = settings(database=None, deadline=None, phases=[Phase.generate], suppress_health_check=HealthCheck)
MESSAGE = 20_000  # characters of an error; that of a configuration has a line per key


class Sandbox:
    """Valid files of a kind of input in a folder of their own; one at a time is replaced and read."""

    def __init__(self, name, root):
        self.name, self.input, self.root = name, INPUTS[name], root
        self.folder = root / f"input-{name}"
        self.folder.mkdir()
        self.input.write(self.folder)
        self.paths = sorted(path for path in self.folder.glob(self.input.damaged) if path.is_file())
        self.contents = {path: path.read_bytes() for path in self.paths}
        self.input.read(self.folder)  # undamaged, they are read
        self.before = self.listing()

    def listing(self):
        """What lies in the folder and beside it."""
        return {path for path in self.root.rglob("*") if not path.name.endswith(("-journal", "-wal"))}

    def check(self, path, content):
        """Put `content` in the place of a file, read it, and require a result or an error with words."""
        path.write_bytes(content)
        try:
            with bounded():
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


def fuzz(sandbox, count, number):
    """Check `count` damaged files; return a message for each kind of failure and place in the code."""
    failures = {}

    @seed(number)
    @settings(SETTINGS, max_examples=count)
    @given(EDITS)
    def check(edits):
        path = sandbox.paths[edits[0][2] % len(sandbox.paths)]
        try:
            sandbox.check(path, mutated(sandbox.contents[path], edits))
        except Exception as error:
            cause = error.__cause__ or error
            frames = [frame for frame in traceback.extract_tb(cause.__traceback__) if "hypothesis" not in frame[0]]
            places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[:-4:-1]]
            failures.setdefault(f"{type(cause).__name__} at {' < '.join(places)}", f"{error!s:.300} {edits}")

    check()
    return [f"{place}: {message}" for place, message in failures.items()]


@pytest.mark.parametrize("name", INPUTS)
def test_a_damaged_file_is_read_or_refused_with_words(tmp_path, name, capfd, pytestconfig):
    failures = fuzz(Sandbox(name, tmp_path), pytestconfig.getoption("files"), pytestconfig.getoption("seed"))
    assert not failures, "\n".join(failures)


@pytest.fixture(scope="module")
def hostile_files(tmp_path_factory):
    """The files of `hostile.contents`, and the file that none of them may make."""
    canary = tmp_path_factory.mktemp("canary") / "executed"
    return contents(str(canary)), canary


@pytest.mark.parametrize("name", INPUTS)
def test_no_reader_lets_a_hostile_file_do_harm(tmp_path, hostile_files, name, capfd):
    files, canary = hostile_files
    sandbox = Sandbox(name, tmp_path)
    for path in sandbox.paths:
        for what, content in files.items():
            try:
                sandbox.check(path, content)
            except Exception as error:
                raise AssertionError(f"{what} as {path.name}: {type(error).__name__}: {error!s:.500}") from error
    assert not canary.exists()


def test_a_reader_that_fails_in_another_way_is_found(tmp_path, monkeypatch):
    sandbox = Sandbox("classes", tmp_path)

    def broken(folder):
        raise KeyError("x") if b"dog" not in (folder / "a.txt").read_bytes() else ValueError(str(folder))

    monkeypatch.setattr(sandbox, "input", sandbox.input._replace(read=broken))
    assert any(failure.startswith("KeyError at test_fuzz.py") for failure in fuzz(sandbox, 50, 0))


def test_edits_do_what_they_say():
    assert mutated(b"abcdef", [("cut", 0.5, 0)]) == b"abc"
    assert mutated(b"abcdef", [("flip", 0.0, 1)]) == b"cbcdef"
    assert mutated(b"abcdef", [("drop", 0.0, 0)]) == b"bcdef"
    assert mutated(b'{"a": 1}', [("node", 0.9, 0)]) == b'{"a": null}'
    assert mutated(b'{"a": 1}', [("word", 0.99, 2)]) == b'{"a": -1}'
    assert mutated(b"", [("flip", 0.5, 3), ("double", 0.5, 3), ("node", 0.1, 3)]) == b""
