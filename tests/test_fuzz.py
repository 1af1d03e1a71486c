"""Damaged files at every door, the same few in each run; `make fuzz` throws thousands."""

import pytest
from fuzz.doors import DOORS
from fuzz.mutations import mutated
from fuzz.run import Stand, fuzz

COUNT = 50


@pytest.mark.filterwarnings("ignore")  # a library's warning is no refusal
@pytest.mark.parametrize("name", DOORS)
def test_a_damaged_file_is_read_or_refused_with_words(tmp_path, name, capfd):
    failures = fuzz(Stand(name, tmp_path), COUNT, 0)
    assert not failures, "\n".join(f"{place}: {message} {edits}" for place, (message, edits) in failures.items())


def test_a_reader_that_fails_in_another_way_is_found(tmp_path, monkeypatch):
    stand = Stand("classes", tmp_path)

    def broken(folder):
        raise KeyError("x") if b"dog" not in (folder / "a.txt").read_bytes() else ValueError(str(folder))

    monkeypatch.setattr(stand, "door", stand.door._replace(read=broken))
    assert any(place.startswith("KeyError at test_fuzz.py") for place in fuzz(stand, COUNT, 0))


def test_edits_do_what_they_say():
    assert mutated(b"abcdef", [("cut", 0.5, 0)]) == b"abc"
    assert mutated(b"abcdef", [("flip", 0.0, 1)]) == b"cbcdef"
    assert mutated(b"abcdef", [("drop", 0.0, 0)]) == b"bcdef"
    assert mutated(b'{"a": 1}', [("node", 0.9, 0)]) == b'{"a": null}'
    assert mutated(b'{"a": 1}', [("word", 0.99, 2)]) == b'{"a": -1}'
    assert mutated(b"", [("flip", 0.5, 3), ("double", 0.5, 3), ("node", 0.1, 3)]) == b""
