"""The negation command on any bytes: rows in are rows out, however the file is cut and whoever works on it."""

import gzip
import re
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_lib.captions.negate import main
from pipeline_lib.captions.rules.checks import Reason
from pipeline_lib.captions.table import MODULE, SCHEMA
from pipeline_lib.clip import length as clip_length
from pipeline_lib.formats.cc3m import Part, count_rows
from pipeline_lib.jobs.code_version import code_version

FLAGS = ["--spacy-model", "lexicon", "--seed", "0", "--word-weights", "no=1,not=1,without=1"]
GOOD = b"a dog on a mat\thttp://a/1.jpg"
BAD = {
    b"a dog on a mat": "columns",
    b"a dog\ton a\tmat\t": "columns",
    b"a dog\0 on a mat\turl": "control-character",
    b"a dog on a mat\tu\x1brl": "control-character",
    b"a dog \xff\xfe on a mat\turl": "encoding",
    b"a dog on a mat\t\xc3\x28": "encoding",
    b"": "columns",
    b"\turl": "empty",
    b"   \turl": "empty",
    b"dog on a mat " * 80_000 + b"\turl": "too-long",
    b"x" * 1_000_000 + b"\turl": "too-long",
    "🐕 🛋 🏖".encode() + b"\turl": "empty",
    "שלום כלב על שטיח אדום".encode() + b"\turl": "not-english",
    "كلب على حصيرة".encode() + b"\turl": "not-english",
    "犬はマットの上にいる".encode() + b"\turl": "not-english",
    b"<b>a dog</b> on a mat\turl": "markup",
    b"a dog &amp; a cat on a mat\turl": "markup",
    b'<a href="x">a dog on a mat\turl': "markup",
}


def negate(captions, output, *flags):
    main(["--captions", str(captions), "--output", str(output), *FLAGS, *map(str, flags)])
    return pq.read_table(output)


def test_every_bad_row_is_a_refusal_between_good_ones(tmp_path):
    lines = [line for bad in BAD for line in (GOOD, bad)]
    (tmp_path / "in.tsv").write_bytes(b"\n".join([*lines, GOOD]))
    rows = negate(tmp_path / "in.tsv", tmp_path / "out.parquet").to_pylist()
    assert [row["key"] for row in rows] == [f"{number:09d}" for number in range(2 * len(BAD) + 1)]
    assert [row["reason"] for row in rows[1::2]] == list(BAD.values())
    assert {row["status"] for row in rows[1::2]} == {"refused"}
    assert {row["status"] for row in rows[::2]} == {"negated"}


def test_a_file_of_which_no_caption_is_negated_is_refused_with_the_commonest_reason(tmp_path):
    rows = ["http://a/1.jpg\thttp://a/1.jpg\n"] * 15 + ["שלום כלב על שטיח אדום\thttp://a/2\n"] * 5
    (tmp_path / "in.tsv").write_text("".join(rows))
    with pytest.raises(ValueError, match=r"in\.tsv: all 20 captions of this part are refused, 15 as markup; expected"):
        negate(tmp_path / "in.tsv", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


PIECES = st.sampled_from(
    [
        b"\n",
        b"\n",
        b"\t",
        b"\t",
        b"\r\n",
        b"\0",
        b"\xff",
        b'"',
        b"a dog on a mat",
        b" and ",
        b"?",
        b"<b>",
        "é犬🐕א".encode(),
    ]
)


@settings(max_examples=50, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=30).map(b"".join)))
def test_any_bytes_in_are_as_many_rows_out(tmp_path, content):
    (tmp_path / "in.tsv").write_bytes(GOOD + b"\n" + content)  # without a row it would be no captions file
    table = negate(tmp_path / "in.tsv", tmp_path / "out.parquet")
    assert table.schema == SCHEMA
    wanted = list(Part(tmp_path / "in.tsv"))
    assert table.num_rows == count_rows(tmp_path / "in.tsv") == len(wanted)
    for row, given_row in zip(table.to_pylist(), wanted, strict=True):
        assert (row["key"], row["caption"]) == (given_row.key, given_row.caption)
        assert (row["status"] == "refused") == (row["reason"] in set(Reason)) == (row["negated_caption"] is None)
        assert (row["backend"], row["model"], row["prompt"], row["seed"]) == ("rules:lexicon", None, None, 0)
        assert row["code"] == code_version(MODULE)


def test_parts_workers_and_packing_do_not_change_a_byte(tmp_path, real_data):
    plain = tmp_path / "in.tsv"  # more than one worker's slice
    plain.write_bytes(b"".join((real_data / "cc3m_captions.tsv").read_bytes().splitlines(keepends=True)[:2300]))
    whole = negate(plain, tmp_path / "one.parquet")
    negate(plain, tmp_path / "two.parquet", "--workers", 2)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    (tmp_path / "in.tsv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    parts = [negate(tmp_path / "in.tsv.gz", tmp_path / "p.parquet", "--part", n, "--parts", 10) for n in range(10)]
    assert pa.concat_tables(parts).equals(whole)


def test_the_lexicon_starts_without_torch(tmp_path):
    (tmp_path / "in.tsv").write_bytes(GOOD)
    flags = ["--captions", str(tmp_path / "in.tsv"), "--output", str(tmp_path / "out.parquet"), *FLAGS]
    code = (
        f"import sys; from pipeline_lib.captions.negate import main; main({flags!r}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


@settings(max_examples=100, deadline=None, database=None)
@given(st.one_of(st.text(max_size=60), st.text(alphabet="ab'sé&; <|>39.!", max_size=60)))
def test_tokens_counted_by_word_are_those_of_clip(text):
    assert clip_length.count_tokens(text) == len(clip_length._tokenizer().encode(text))


def test_an_error_in_a_worker_reaches_the_user(tmp_path):
    (tmp_path / "in.tsv").write_bytes(GOOD)
    with pytest.raises(ValueError, match="python -m spacy download en_none_sm"):
        negate(tmp_path / "in.tsv", tmp_path / "out.parquet", "--workers", 2, "--spacy-model", "en_none_sm")
    assert [path.name for path in tmp_path.iterdir()] == ["in.tsv"]


@pytest.mark.parametrize(
    ("captions", "output", "message"),
    [
        (".", "out.parquet", "expected a captions file that can be read"),
        ("in.tsv/in.tsv", "out.parquet", "expected a captions file that can be read"),
        ("cut.tsv.gz", "out.parquet", "cut.tsv.gz: expected whole gzip data"),
        ("in.tsv", "in.tsv/out.parquet", "in.tsv/out.parquet: the table cannot be written here"),
        ("in.tsv", ".", "the table cannot be written here"),
    ],
)
def test_what_cannot_be_read_or_written_is_a_clear_error(tmp_path, captions, output, message):
    (tmp_path / "in.tsv").write_bytes(GOOD)
    (tmp_path / "cut.tsv.gz").write_bytes(gzip.compress(GOOD * 1000)[:40])
    with pytest.raises(ValueError, match=message):
        negate(tmp_path / captions, tmp_path / output)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.tsv.gz", "in.tsv"]
    assert not list(tmp_path.parent.glob("*.tmp*"))


def test_the_command_ends_in_one_line(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pipeline_lib.captions.negate",
        *FLAGS,
        "--captions",
        str(tmp_path),
        "--output",
        "x",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(r"error: .*expected a captions file that can be read.*\n", done.stderr)
