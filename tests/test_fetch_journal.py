"""The journal: what was written whole comes back, and nothing that was not."""

import errno
import os

import pytest

from pipeline_lib.fetch.outcomes import Journal, Outcome

HAD = Outcome("success", None, False, 200, 2, 31, "a.test", "ab" * 32, 17, 4, 3, 40, 30)
LOST = Outcome("failed", "dns", True, None, 1, None, "b.test", None, 3)
ROWS = {2: (HAD, b"\x00image\xff" * 5), 0: (LOST, b""), 3: (HAD._replace(sha256=None), b"")}


def settled(journal: Journal) -> dict[int, tuple[Outcome, bytes]]:
    return {row: journal.read(row) for row in range(4) if row in journal}


@pytest.fixture
def path(tmp_path):
    """A journal of four rows, three of them settled."""
    with Journal(tmp_path / "part.journal", "one", 4) as journal:
        for row, (outcome, content) in ROWS.items():
            journal.add(row, outcome, content)
        assert settled(journal) == ROWS and len(journal) == 3
    return tmp_path / "part.journal"


def test_rows_come_back(path, capsys):
    with Journal(path, "one", 4) as journal:
        assert settled(journal) == ROWS
        journal.add_attempt(1, 2, 0.5)
    with Journal(path, "one", 4) as journal:
        assert [journal.attempts(row) for row in range(4)] == [(0, 0), (2, 0.5), (0, 0), (0, 0)]
        assert 1 not in journal
        journal.add(1, LOST)
    with Journal(path, "one", 4) as journal:
        assert settled(journal) == {**ROWS, 1: (LOST, b"")} and journal.attempts(1) == (0, 0)
    assert "part.journal: 3 of 4 rows are settled\n" in capsys.readouterr().err


def test_wherever_the_file_ends_whole_records_alone_are_believed_and_the_rest_can_be_added_again(path):
    whole = path.read_bytes()
    numbers = []
    for length in range(0, len(whole), 5):
        for tail in (b"", bytes(40), b"\xff" * 40):
            path.write_bytes(whole[:length] + tail)
            with Journal(path, "one", 4) as journal:
                found = settled(journal)
                assert found == {row: ROWS[row] for row in list(ROWS)[: len(found)]}
                for row in set(ROWS) - set(found):
                    journal.add(row, *ROWS[row])
            with Journal(path, "one", 4) as journal:
                assert settled(journal) == ROWS
        numbers.append(len(found))
    assert numbers == sorted(numbers) and set(numbers) == {0, 1, 2}


def test_a_changed_byte_is_noticed(path):
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with Journal(path, "one", 4) as journal:
            assert len(journal) < 3 and settled(journal).items() <= ROWS.items()


def test_other_rows_or_settings_start_over_and_say_so(path, capsys):
    with Journal(path, "two", 4) as journal:
        assert len(journal) == 0
        journal.add(1, LOST)
    assert "part.journal: was made with other rows or settings; starting over" in capsys.readouterr().err
    with Journal(path, "two", 4) as journal:
        assert settled(journal) == {1: (LOST, b"")}


def test_two_processes_do_not_share_a_journal(path):
    with Journal(path, "one", 4), pytest.raises(ValueError, match="another process is fetching this part"):
        Journal(path, "one", 4)
    with Journal(path, "one", 4) as journal:
        journal.remove()
    assert not path.exists()


def test_a_record_that_does_not_fit_on_the_disk_leaves_no_trace(tmp_path, monkeypatch):
    write = os.write
    with Journal(tmp_path / "j", "a", 3) as journal:
        journal.add(0, LOST, b"one")
        monkeypatch.setattr(os, "write", lambda file, record: write(file, record[: len(record) // 2]))
        with pytest.raises(OSError, match="No space left on device") as found:
            journal.add(1, LOST, b"two")
        assert found.value.errno == errno.ENOSPC and 1 not in journal
        monkeypatch.undo()
        journal.add(2, LOST, b"three")
        assert journal.read(2) == (LOST, b"three") and journal.read(0) == (LOST, b"one")
    with Journal(tmp_path / "j", "a", 3) as journal:
        assert [row in journal for row in range(3)] == [True, False, True]
