"""Hostile files at every door: refused with words, nothing run, nothing written, no memory without bound."""

import pytest
from fuzz.doors import DOORS
from fuzz.run import Stand
from hostile import contents


@pytest.fixture(scope="module")
def hostile_files(tmp_path_factory):
    """The files of `hostile.contents`, and the file that none of them may make."""
    canary = tmp_path_factory.mktemp("canary") / "executed"
    return contents(str(canary)), canary


@pytest.mark.filterwarnings("ignore")  # a library's warning is no refusal; what a job prints does no harm
@pytest.mark.parametrize("name", DOORS)
def test_no_door_lets_a_hostile_file_do_harm(tmp_path, hostile_files, name, capfd):
    files, canary = hostile_files
    stand = Stand(name, tmp_path)
    for path, _ in stand.files:
        for what, content in files.items():
            try:
                stand.check(path, content)
            except Exception as error:
                raise AssertionError(f"{what} as {path.name}: {type(error).__name__}: {error!s:.500}") from error
    assert not canary.exists()
