"""The captions file reader: rows in are rows out, whatever the bytes."""

import gzip

import pytest
from conftest import REAL_DATA
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_lib.formats import MAX_LINE_BYTES
from pipeline_lib.formats.cc3m import Part, Row, part_range

# Bytes that mean something to some reader of tables, and text that means something to none.
FRAGMENTS = st.sampled_from(
    [b"\t", b'"', b"'", b",", b"\\", b"\r", b"\0", b"\x1a", b"\xff", b"\xc3", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"#"]
)
LINE = st.lists(FRAGMENTS | st.binary(max_size=4), max_size=8).map(b"".join).map(lambda line: line.replace(b"\n", b""))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=st.lists(LINE, max_size=12), last=st.booleans(), zipped=st.booleans(), parts=st.integers(1, 5))
def test_rows_in_are_rows_out(tmp_path, lines, last, zipped, parts):
    lines = [b"a dog\thttp://a/0", *lines]  # without a row it would be no captions file
    content = b"\n".join(lines) + (b"\n" if last else b"")
    number_of_lines = content.count(b"\n") + (not content.endswith(b"\n") and content != b"")
    path = tmp_path / ("rows.tsv.gz" if zipped else "rows.tsv")
    path.write_bytes(gzip.compress(content) if zipped else content)

    rows = list(Part(path))
    assert len(rows) == len(Part(path)) == number_of_lines
    assert [row.key for row in rows] == [f"{number:09d}" for number in range(number_of_lines)]
    assert {row.problem for row in rows} <= {None, "columns", "encoding", "control-character"}
    assert [row for part in range(parts) for row in Part(path, part, parts)] == rows
    again = Part(path, parts - 1, parts)
    assert list(again) == list(again) and len(again) == len(list(again))
    for line, row in zip(content.splitlines(keepends=True) if b"\r" not in content else [], rows, strict=False):
        assert row.problem == expected_problem(line.rstrip(b"\n").removeprefix(b"\xef\xbb\xbf"))


def expected_problem(line: bytes) -> str | None:
    """Say what is wrong with a line without a carriage return, the slow and obvious way."""
    try:
        line.decode("utf-8", errors="strict")
    except UnicodeDecodeError:
        return "encoding"
    if line.count(b"\t") not in (1, 4):
        return "columns"
    forbidden = {*range(32), 127}
    return "control-character" if forbidden & set(b"".join(line.split(b"\t")[:2])) else None


CLEAN = st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufeff"), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(CLEAN, CLEAN), min_size=1, max_size=6), st.sampled_from(["", "\ta,b\t/m/1,/m/2\t0.9,0.5"]))
def test_text_comes_back_as_it_was(tmp_path, fields, extra):
    path = tmp_path / "rows.tsv"
    fields = [("a dog", "http://a/0"), *fields]
    path.write_bytes("".join(f"{caption}\t{url}{extra}\n" for caption, url in fields).encode())
    assert [(row.caption, row.url, row.problem) for row in Part(path)] == [(*pair, None) for pair in fields]


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (b'a "big" dog\thttp://a/1', ('a "big" dog', "http://a/1", None)),
        (b'"unclosed\thttp://a/1\r', ('"unclosed', "http://a/1", None)),
        (b"a\thttp://a/1\tdog,cat\t/m/1,/m/2\t0.9,0.5", ("a", "http://a/1", None, ("dog", "cat"))),
        (b"only a caption", ("only a caption", "", "columns")),
        (b"", ("", "", "columns")),
        (b"a\thttp://a/1\tlabels", ("a", "http://a/1", "columns")),
        (b"caf\xe9\thttp://a/1", ("caf\ufffd", "http://a/1", "encoding")),
        (b"a\x00b\thttp://a/1", ("a\x00b", "http://a/1", "control-character")),
        (b"a\thttp://a/1\x7f", ("a", "http://a/1\x7f", "control-character")),
        (b"a" * (MAX_LINE_BYTES + 9) + b"\thttp://a/1", ("", "", "columns")),
    ],
)
def test_lines(tmp_path, line, row):
    path = tmp_path / "rows.tsv"
    path.write_bytes(b"first\thttp://a/0\n" + line + b"\nlast\thttp://a/2")
    assert list(Part(path))[1] == Row("000000001", *row)
    assert list(Part(path, 2, 3)) == [Row("000000002", "last", "http://a/2", None)]


def test_a_line_may_be_long_and_gzip_data_may_come_in_pieces(tmp_path):
    long = f"{'w' * 3_000_000}\thttp://a/{'x' * 2_000_000}\n".encode()
    pieces = (b"first\thttp://a/0\n" + long[:1000], long[1000:] + b"last\thttp://a/2")
    (tmp_path / "rows.tsv.gz").write_bytes(b"".join(map(gzip.compress, pieces)))
    first, row, last = Part(tmp_path / "rows.tsv.gz")
    assert (len(row.caption), len(row.url), row.problem) == (3_000_000, 2_000_009, None)
    assert (first.caption, last.url, last.key) == ("first", "http://a/2", "000000002")


def test_parts_cover_all_rows_evenly():
    for n_rows in (0, 1, 7, 3_318_333):
        ranges = [part_range(n_rows, part, 10) for part in range(10)]
        assert [ranges[0].start, *(part.stop for part in ranges)] == [*(part.start for part in ranges), n_rows]
        assert max(map(len, ranges)) - min(map(len, ranges)) <= 1
    for part in (-1, 10):
        with pytest.raises(ValueError, match="between 0 and 9"):
            part_range(7, part, 10)


def test_files_that_cannot_be_read_or_have_another_number_of_rows_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.tsv"):
        list(Part(tmp_path / "missing.tsv"))
    row = b"a\thttp://a/1\n"
    (tmp_path / "cut.tsv.gz").write_bytes(gzip.compress(row * 1000)[:-9])
    with pytest.raises(ValueError, match=r"cut\.tsv\.gz: expected whole gzip data"):
        list(Part(tmp_path / "cut.tsv.gz"))
    path = tmp_path / "cut.tsv"
    path.write_text("a dog\thttp://h.test/1.jpg\n" * 3)
    assert len(Part(path, 1, 2, count=3)) == 2
    with pytest.raises(ValueError, match=r"cut\.tsv: expected 4 rows, found 3; is the copy complete"):
        Part(path, 0, 2, count=4)


@pytest.mark.skipif(not REAL_DATA.exists(), reason="needs the CC3M sample in ../shared/data")
def test_real_rows():
    rows = list(Part(REAL_DATA / "cc3m_captions.tsv"))
    assert len(rows) == 4000
    assert all(row.problem is None and row.url.startswith("http") and row.caption for row in rows)
