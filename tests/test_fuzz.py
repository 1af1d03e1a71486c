"""Damaged and hostile files as every kind of input: read, or refused with words; nothing run, nothing written beside.

`make fuzz` tries thousands of damaged files.
"""

import pytest
from fuzz.inputs import INPUTS
from fuzz.mutations import mutated
from fuzz.run import Sandbox, fuzz
from hostile import contents

pytestmark = pytest.mark.filterwarnings("ignore")  # a library's warning is no refusal


@pytest.mark.parametrize("count", [15, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", INPUTS)
def test_a_damaged_file_is_read_or_refused_with_words(tmp_path, name, count, capfd):
    failures = fuzz(Sandbox(name, tmp_path), count, 0)
    assert not failures, "\n".join(f"{place}: {message} {edits}" for place, (message, edits) in failures.items())


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
    assert any(place.startswith("KeyError at test_fuzz.py") for place in fuzz(sandbox, 50, 0))


def test_edits_do_what_they_say():
    assert mutated(b"abcdef", [("cut", 0.5, 0)]) == b"abc"
    assert mutated(b"abcdef", [("flip", 0.0, 1)]) == b"cbcdef"
    assert mutated(b"abcdef", [("drop", 0.0, 0)]) == b"bcdef"
    assert mutated(b'{"a": 1}', [("node", 0.9, 0)]) == b'{"a": null}'
    assert mutated(b'{"a": 1}', [("word", 0.99, 2)]) == b'{"a": -1}'
    assert mutated(b"", [("flip", 0.5, 3), ("double", 0.5, 3), ("node", 0.1, 3)]) == b""
