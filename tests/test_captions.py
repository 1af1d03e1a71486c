"""The captions stage as a command: rows in equal rows out, the same bytes however the work is cut, bad input."""

import re
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.captions.explain import explain
from pipeline_lib.captions.negate import SCHEMA, main
from pipeline_lib.captions.rules.backend import RuleBackend, load_tagger, parse_weights
from pipeline_lib.captions.rules.checks import Reason
from pipeline_lib.captions.rules.phrases import INDEFINITES
from pipeline_lib.formats.cc3m import Row
from pipeline_lib.jobs.files import sha256

WEIGHTS = {"no": 1.0, "not": 1.0, "without": 1.0}
BACKEND = RuleBackend("lexicon", 0, WEIGHTS)
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


def negate(captions, output, *flags):
    options = {"--captions": captions, "--output": output, "--spacy-model": "lexicon", "--seed": 0}
    options |= {"--word-weights": "no=1,not=1,without=1"} | dict(zip(flags[::2], flags[1::2], strict=True))
    main([str(part) for option in options.items() for part in option])


def write_captions(path, captions):
    path.write_bytes(b"".join(line + b"\n" for line in captions))
    return path


def test_every_caption_of_the_miniature_is_negated():
    made = BACKEND.negate(Row(f"{number:09d}", caption, "", None) for number, caption in enumerate(MINIATURE))
    assert [row["status"] for row in made] == ["negated"] * len(MINIATURE)
    for row in made:
        assert row["negation_word"] in row["negated_caption"].replace("cannot", "can not").split()
        assert row["object"] == row["pairs"][row["chosen_pair"]]["object"]
        assert row["object"] not in row["exclusion_caption"]
        assert row["subject"].split()[-1] in row["exclusion_caption"]


def test_the_same_bytes_for_one_worker_and_two(tmp_path, capsys):
    captions = write_captions(tmp_path / "in.tsv", [f"{MINIATURE[n % 13]}\turl".encode() for n in range(4500)])
    for workers in "12":
        negate(captions, tmp_path / f"{workers}.parquet", "--workers", workers)
    assert sha256(tmp_path / "1.parquet") == sha256(tmp_path / "2.parquet")
    assert pq.read_schema(tmp_path / "1.parquet") == SCHEMA
    printed = capsys.readouterr().out
    assert "4,500" in printed and "captions/s" in printed


def test_parts_together_are_the_whole(tmp_path):
    captions = write_captions(tmp_path / "in.tsv", [f"{caption}\turl".encode() for caption in MINIATURE])
    whole = BACKEND.negate(Row(f"{number:09d}", caption, "", None) for number, caption in enumerate(MINIATURE))
    rows = []
    for part in range(3):
        negate(captions, tmp_path / "part.parquet", "--part", part, "--parts", 3)
        rows += pq.read_table(tmp_path / "part.parquet").to_pylist()
    assert rows == [dict(row, reason=None) for row in whole]


def test_bad_rows_are_refused_one_by_one(tmp_path):
    captions = write_captions(
        tmp_path / "in.tsv",
        [
            b"a dog on a mat\turl",
            b"no tab",
            b"three\ttabs\there",
            b"a nul\0 byte\turl",
            b"bad \xff utf-8\turl",
            b"\turl",
            "🐕 🛋".encode() + b"\turl",
            "כלב על שטיח".encode() + b"\turl",
            b"x" * 1_000_000 + b"\turl",
            b"a cat on a mat\turl",
        ],
    )
    negate(captions, tmp_path / "out.parquet")
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["reason"] for row in rows] == [
        None, "columns", "columns", "control-character", "encoding", "empty", "empty", "not-english", "too-long", None,
    ]  # fmt: skip
    assert [row["key"] for row in rows] == [f"{number:09d}" for number in range(10)]


def test_an_empty_file_makes_an_empty_table(tmp_path):
    negate(write_captions(tmp_path / "in.tsv", []), tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--spacy-model", "en_core_web_none"), "python -m spacy download en_core_web_none"),
        (("--word-weights", "no=1,not=1"), "no=1,not=1"),
        (("--word-weights", "no=1,not=1,without=-1"), "without=-1"),
        (("--workers", "0"), "--workers must be 1 or more"),
        (("--part", "3", "--parts", "2"), "part must be between 0 and 1"),
        (("--captions", "missing.tsv"), "missing.tsv"),
    ],
)
def test_mistakes_are_clear_errors_and_leave_no_output(tmp_path, flags, message):
    captions = write_captions(tmp_path / "in.tsv", [b"a dog on a mat\turl"])
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        negate(captions, tmp_path / "out.parquet", *flags)
    assert not (tmp_path / "out.parquet").exists()


def test_the_command_ends_a_mistake_in_one_line(tmp_path):
    command = "-m pipeline_lib.captions.negate --captions missing.tsv --output out --spacy-model lexicon --seed 0"
    done = subprocess.run(
        [sys.executable, *command.split(), "--word-weights", "no=1,not=1,without=1"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "missing.tsv" in done.stderr and "Traceback" not in done.stderr


def words_of(text):
    return re.findall(r"[^\W_]+", text.lower())


SOME_WORDS = (
    "a the two all some no dog dogs woman beach ball red old on in with and of next to is are has wears sitting parked "
    "that , . - ' s not ? very Paris 3 <b> é 犬"
)
WORDS = st.sampled_from(SOME_WORDS.split(" "))
CAPTIONS = st.one_of(st.lists(WORDS, max_size=20).map(" ".join), st.text(max_size=60))


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(CAPTIONS, max_size=5))
def test_any_rows_in_are_rows_out(captions):
    rows = [Row(f"{number:09d}", caption, "", None) for number, caption in enumerate(captions)]
    made = BACKEND.negate(rows)
    assert [row["key"] for row in made] == [row.key for row in rows]
    assert [row["caption"] for row in made] == captions
    for row in made:
        if row["status"] == "refused":
            assert row["reason"] in set(Reason) and row["negated_caption"] is None
            continue
        assert row["reason"] is None and row["rule"]
        check_invariants(row)


PHRASES = st.sampled_from(
    ["a dog", "two red cats", "the old woman", "people", "a bowl of fruit", "his hat", "a white background", "Paris"]
)
LINKS = st.sampled_from(
    ["on", "with", "and", "near", "in front of", "wearing", "is holding", "has", "surrounded by", ", next to", "rides"]
)


@settings(max_examples=300, deadline=None, database=None)
@given(PHRASES, st.lists(st.tuples(LINKS, PHRASES), min_size=1, max_size=4), st.sampled_from(["", " .", " !"]))
def test_what_is_made_of_phrases_holds(first, rest, end):
    caption = " ".join([first, *(f"{link} {phrase}" for link, phrase in rest)]) + end
    (row,) = BACKEND.negate([Row("000000000", caption, "", None)])
    if row["status"] == "negated":
        check_invariants(row)


def check_invariants(row):
    """One negation, the object still there, the exclusion caption without it and shorter, another caption."""
    negated = words_of(row["negated_caption"].replace("cannot", "can not"))
    assert [word for word in negated if word in ("no", "not", "without")] == [row["negation_word"]]
    assert negated != words_of(row["caption"])
    assert row["pairs"][row["chosen_pair"]]["object"] == row["object"]
    kept = words_of(row["object"])
    while len(kept) > 1 and kept[0] in INDEFINITES | {"the"}:
        kept = kept[1:]
    assert " ".join(kept) in " ".join(negated)
    left = words_of(row["exclusion_caption"])
    assert f" {' '.join(kept)} " not in f" {' '.join(left)} "
    assert 0 < len(left) < len(words_of(row["caption"]))


@given(st.permutations(MINIATURE))
@settings(max_examples=20, deadline=None, database=None)
def test_a_row_does_not_depend_on_the_others(captions):
    key = {caption: f"{number:09d}" for number, caption in enumerate(MINIATURE)}
    alone = {caption: BACKEND.negate([Row(key[caption], caption, "", None)]) for caption in MINIATURE}
    assert BACKEND.negate(Row(key[caption], caption, "", None) for caption in captions) == [
        row for caption in captions for row in alone[caption]
    ]


def test_explain_shows_every_step():
    text = explain(BACKEND, "a dog on a red sofa", "000000000")
    for wanted in ("dog/NN", "on | a red sofa", "not-preposition", "exclusion  a dog", "object     a red sofa"):
        assert wanted in text
    assert "refused    no-pair" in explain(BACKEND, "chocolate cake", "000000000")
    assert "refused    empty" in explain(BACKEND, "", "000000000")


def test_weights():
    assert parse_weights("no=1, not=2,without=0.5") == {"no": 1.0, "not": 2.0, "without": 0.5}


def test_a_pipeline_that_is_not_installed_is_an_error():
    with pytest.raises(ValueError, match="python -m spacy download xx_none"):
        load_tagger("xx_none")
