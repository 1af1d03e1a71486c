"""The negation command: any bytes in, as many rows out, the same however the work is cut; and what always holds."""

import gzip
import re
import subprocess
import sys

import pyarrow as pa
import pytest
from captioning import BACKEND, FLAGS, negate, rows_of
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_lib.captions.explain import explain
from pipeline_lib.captions.rules.backend import MODULE, parse_weights
from pipeline_lib.captions.rules.checks import Reason
from pipeline_lib.captions.rules.forms import WORDS
from pipeline_lib.clip.tokenizer import encode, simple_tokenizer
from pipeline_lib.formats.cc3m import Part
from pipeline_lib.formats.negation import SCHEMA
from pipeline_lib.jobs.code_version import code_version

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
MINIATURE = """\
a red ball next to a small blue box on a beach
red ball and a green star in the snow
photo of a striped purple fish above a yellow ring
a large ball sits in front of a tree at night
a white kite floating over two black boxes in a forest
view of a desert with a white tent and a black kite
a group of three things in a meadow
a single heart in the snow
two red stars and a cross on a beach
a dotted flower under an orange mushroom
a small boat stands below a moon
this is a photo of a pink ring at night
a green house with white stripes behind a large tree""".splitlines()


def test_every_caption_of_the_miniature_is_negated():
    made = BACKEND.negate(rows_of(MINIATURE))
    assert [row["status"] for row in made] == ["negated"] * len(MINIATURE)
    for row in made:
        check_invariants(row)
        assert row["subject"].split()[-1] in row["exclusion_caption"]


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
    (tmp_path / "in.tsv").write_bytes(b"\n".join([GOOD] * 20))
    with pytest.raises(ValueError, match=r"refused, 20 as doubtful; lower captions\.min_quality"):
        negate(tmp_path / "in.tsv", tmp_path / "out.parquet", "--min-quality", 1)


PIECES = st.sampled_from(
    [b"\n", b"\t", b"\r\n", b"\0", b"\xff", b'"', b"a dog on a mat", b" and ", b"?", b"<b>", "é犬🐕א".encode()]
)  # fmt: skip


@settings(max_examples=30, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=30).map(b"".join)))
def test_any_bytes_in_are_as_many_rows_out(tmp_path, content):
    (tmp_path / "in.tsv").write_bytes(GOOD + b"\n" + content)  # without a row it would be no captions file
    table = negate(tmp_path / "in.tsv", tmp_path / "out.parquet")
    assert table.schema == SCHEMA
    wanted = list(Part(tmp_path / "in.tsv"))
    assert table.num_rows == len(Part(tmp_path / "in.tsv", links=False)) == len(wanted)
    for row, given_row in zip(table.to_pylist(), wanted, strict=True):
        assert (row["key"], row["caption"]) == (given_row.key, given_row.caption)
        assert (row["status"] == "refused") == (row["reason"] in set(Reason)) == (row["negated_caption"] is None)
        assert (row["backend"], row["model"], row["prompt"], row["seed"]) == ("rules:lexicon", None, None, 0)
        assert row["code"] == code_version(MODULE)


def test_parts_workers_and_packing_do_not_change_a_byte(tmp_path, capsys):
    lines = [f"{MINIATURE[n % 13]}\turl\n".encode() for n in range(2300)]  # more than one worker's slice
    (tmp_path / "in.tsv").write_bytes(b"".join(lines))
    (tmp_path / "in.tsv.gz").write_bytes(gzip.compress(b"".join(lines)))
    whole = negate(tmp_path / "in.tsv", tmp_path / "one.parquet")
    printed = capsys.readouterr().out
    assert "2,300" in printed and "captions/s" in printed
    negate(tmp_path / "in.tsv", tmp_path / "two.parquet", "--workers", 2)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    parts = [negate(tmp_path / "in.tsv.gz", tmp_path / "p.parquet", "--part", n, "--parts", 3) for n in range(3)]
    assert pa.concat_tables(parts).equals(whole)


def test_the_lexicon_starts_without_torch(tmp_path):
    (tmp_path / "in.tsv").write_bytes(GOOD)
    flags = ["--captions", str(tmp_path / "in.tsv"), "--output", str(tmp_path / "out.parquet"), *FLAGS]
    code = (
        f"import sys; from pipeline_lib.captions.negate import main; main({flags!r}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)


@pytest.mark.parametrize(
    ("captions", "output", "flags", "message"),
    [
        (".", "out.parquet", (), "Is a directory"),
        ("in.tsv/in.tsv", "out.parquet", (), "in.tsv/in.tsv: no such file"),
        ("missing.tsv", "out.parquet", (), "missing.tsv"),
        ("cut.tsv.gz", "out.parquet", (), "cut.tsv.gz: expected whole gzip data"),
        ("in.tsv", "in.tsv/out.parquet", (), "File exists: .*in.tsv/out.parquet"),
        ("in.tsv", ".", (), "Is a directory"),
        ("in.tsv", "out.parquet", ("--spacy-model", "en_none_sm"), "python -m spacy download en_none_sm"),
        ("in.tsv", "out.parquet", ("--spacy-model", "en_none_sm", "--workers", 2), "spacy download en_none_sm"),
        ("in.tsv", "out.parquet", ("--word-weights", "no=1,not=1"), "each of no, not and without, .*'no=1,not=1'"),
        ("in.tsv", "out.parquet", ("--word-weights", "no=1,not=1,without=-1"), "without=-1"),
        ("in.tsv", "out.parquet", ("--word-weights", "no=1,not=1,without=1,no=1"), "no=1'"),
        ("in.tsv", "out.parquet", ("--word-weights", "no=1,not=x,without=1"), "not=x"),
        ("in.tsv", "out.parquet", ("--workers", 0), "--workers must be 1 or more"),
        ("in.tsv", "out.parquet", ("--part", 3, "--parts", 2), "part must be between 0 and 1"),
    ],
)
def test_mistakes_are_clear_errors_and_leave_no_output(tmp_path, captions, output, flags, message):
    (tmp_path / "in.tsv").write_bytes(GOOD)
    (tmp_path / "cut.tsv.gz").write_bytes(gzip.compress(GOOD * 1000)[:40])
    with pytest.raises((ValueError, OSError), match=message):
        negate(tmp_path / captions, tmp_path / output, *flags)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.tsv.gz", "in.tsv"]
    assert not list(tmp_path.parent.glob("*.tmp*"))


def test_the_command_ends_a_mistake_in_one_line(tmp_path):
    command = [sys.executable, "-m", "pipeline_lib.captions.negate", *FLAGS, "--captions", tmp_path, "--output", "x"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path}: Is a directory; mend that and run the same command again\n"


def words_of(text):
    return re.findall(r"[^\W_]+", text.lower())


# What may change in a list that is denied: "a hat and a scarf" -> "no hat or scarf".
JOINING = {"and", "or", "a", "an", "the"}


def check_invariants(row):
    """One negation, the object still there, the exclusion caption without it and shorter, another caption."""
    negated = words_of(row["negated_caption"].replace("cannot", "can not"))
    assert [word for word in negated if word in ("no", "not", "without")] == [row["negation_word"]]
    assert negated != words_of(row["caption"])
    assert row["pairs"][row["chosen_pair"]]["object"] == row["object"]
    kept = words_of(row["object"])
    while len(kept) > 1 and kept[0] in WORDS.indefinites | {"the"}:
        kept = kept[1:]
    said, members = ([word for word in words if word not in JOINING] for words in (negated, kept))
    assert " ".join(members) in " ".join(said)
    left = words_of(row["exclusion_caption"])
    assert f" {' '.join(kept)} " not in f" {' '.join(left)} "
    assert 0 < len(left) < len(words_of(row["caption"]))


SOME_WORDS = (
    "a the two all some no dog dogs woman beach ball red old on in with and of next to is are has wears sitting parked "
    "that , . - ' s not ? very Paris 3 <b> é 犬"
)
PHRASES = st.sampled_from(
    ["a dog", "two red cats", "the old woman", "people", "a bowl of fruit", "his hat", "a white background", "Paris"]
)
LINKS = st.sampled_from(
    ["on", "with", "and", "near", "in front of", "wearing", "is holding", "has", "surrounded by", ", next to", "rides"]
)
OF_PHRASES = st.tuples(
    PHRASES,
    st.lists(st.tuples(LINKS, PHRASES).map(" ".join), min_size=1, max_size=4),
    st.sampled_from(["", " .", " !"]),
).map(lambda parts: " ".join([parts[0], *parts[1]]) + parts[2])
OF_WORDS = st.lists(st.sampled_from(SOME_WORDS.split(" ")), max_size=20).map(" ".join)


@settings(max_examples=200, deadline=None, database=None)
@given(st.lists(st.one_of(OF_WORDS, OF_PHRASES, st.text(max_size=60)), max_size=5))
def test_any_rows_in_are_rows_out_that_do_not_depend_on_each_other(captions):
    rows = rows_of(captions)
    made = BACKEND.negate(rows)
    assert [(row["key"], row["caption"]) for row in made] == [(row.key, row.caption) for row in rows]
    assert BACKEND.negate(rows[::-1]) == made[::-1]
    for row in made:
        if row["status"] == "refused":
            assert row["reason"] in set(Reason) and row["negated_caption"] is None
        else:
            assert row["reason"] is None and row["rule"]
            check_invariants(row)


@settings(max_examples=100, deadline=None, database=None)
@given(st.one_of(st.text(max_size=60), st.text(alphabet="ab'sé&; <|>39.!", max_size=60)))
def test_tokens_by_word_are_those_of_clip(text):
    assert encode(text) == simple_tokenizer().encode(text)


def test_explain_shows_every_step():
    text = explain(BACKEND, "a dog on a red sofa", "000000000")
    for wanted in ("dog/NN", "on | a red sofa", "that-is-not", "exclusion  a dog", "object     a red sofa"):
        assert wanted in text
    assert "refused    no-pair" in explain(BACKEND, "chocolate cake", "000000000")
    assert "refused    empty" in explain(BACKEND, "", "000000000")


def test_weights():
    assert parse_weights("no=1, not=2,without=0.5") == {"no": 1.0, "not": 2.0, "without": 0.5}
