"""The summary of all parts: counts, and images that several rows share."""

import hashlib
import json

import pytest
from conftest import call

from pipeline_lib.fetch import summary
from pipeline_lib.fetch.outcomes import Outcome, write_outcomes
from pipeline_lib.formats.cc3m import Part
from pipeline_lib.jobs.files import read_parquet, sha256

ROWS = [
    # host, image or failure, caption
    ("a.test", "cat", "a cat"),
    ("b.test", "cat", "another cat"),  # the same picture elsewhere
    ("a.test", "gone", "a dog on a sofa"),  # one picture for three captions: a placeholder
    ("a.test", ("http", 404, True), "a door"),
    ("a.test", "gone", "two birds"),
    ("a.test", "gone", "a boat at sea"),
    ("c.test", "sea", "the sea"),  # a page that shows its picture under three captions that are not all different
    ("c.test", "sea", "the sea"),
    ("c.test", "sea", "waves"),
    ("c.test", ("timeout", None, False), "a wall"),
    ("a.test", ("http", 404, True), "a hill"),
    (None, ("row", None, True), "a tree"),
    ("b.test", "lamp", "a lamp"),
]


def outcome_of(host, what) -> Outcome:
    if isinstance(what, str):
        image = hashlib.sha256(what.encode()).hexdigest()
        return Outcome("success", None, False, 200, 1, 100, host, image, 5)
    failure, code, permanent = what
    return Outcome("failed", failure, permanent, code, 1, None, host, None, 5)


@pytest.fixture
def files(tmp_path):
    """A captions file and the outcome tables of its three parts."""
    captions = tmp_path / "cc3m.tsv"
    captions.write_text("".join(f"{text}\thttp://x/{number}\n" for number, (_, _, text) in enumerate(ROWS)))
    tables = [tmp_path / f"{part}.parquet" for part in range(3)]
    for part, path in enumerate(tables):
        rows = Part(captions, part, 3)
        write_outcomes(path, "any", ((row, outcome_of(*ROWS[int(row.key)][:2])) for row in rows))
    return captions, tables


def summarise(folder, captions, tables):
    outputs = ["--summary", folder / "summary.json", "--duplicates", folder / "duplicates.parquet"]
    return call(summary.main, "--captions", captions, "--outcomes", *tables, *outputs)


def test_rows_failures_hosts_and_shared_images_are_counted(files, tmp_path):
    assert summarise(tmp_path, *files) is None
    found = json.loads((tmp_path / "summary.json").read_text())
    size, digest = files[0].stat().st_size, sha256(files[0])
    assert found["captions"] == {"file": str(files[0]), "bytes": size, "sha256": digest, "rows": 13}
    assert (found["rows"], found["successes"], found["bytes"]) == (13, 9, 900)
    columns = ("label", "failure", "http_code", "permanent", "rows")
    assert [tuple(row[name] for name in columns) for row in found["failures"]] == [
        ("http 404", "http", 404, True, 2),
        ("row", "row", None, True, 1),
        ("timeout", "timeout", None, False, 1),
    ]
    assert found["hosts"] == [
        {"host": "a.test", "rows": 6, "failed": 2, "failures": {"http 404": 2}},
        {"host": "c.test", "rows": 4, "failed": 1, "failures": {"timeout": 1}},
        {"host": "b.test", "rows": 2, "failed": 0, "failures": {}},
    ]
    counted = found["duplicates"]
    numbers = [counted[name] for name in ("images", "rows", "placeholder_images", "placeholder_rows")]
    assert numbers == [3, 8, 1, 3]
    assert sorted((image["rows"], image["placeholder"], tuple(image["hosts"])) for image in counted["top"]) == [
        (2, False, ("a.test", "b.test")),
        (3, False, ("c.test",)),
        (3, True, ("a.test",)),
    ]
    frame = read_parquet(tmp_path / "duplicates.parquet")
    assert frame["rows"].is_monotonic_decreasing
    assert list(frame.loc[frame["placeholder"], "key"]) == ["000000002", "000000004", "000000005"]
    assert list(frame.loc[frame["final_host"] == "b.test", "caption"]) == ["another cat"]


def test_rows_that_are_missing_or_out_of_order_are_named(files, tmp_path):
    captions, tables = files
    for wrong, message in (
        (tables[:2], "cc3m.tsv: expected 8 rows"),
        ([tables[1], tables[0], tables[2]], "1.parquet: expected the rows from number 0"),
        ([tables[0], tables[0]], "0.parquet: expected the rows from number 4"),
    ):
        assert message in summarise(tmp_path, captions, wrong)
    assert not (tmp_path / "summary.json").exists()


def test_a_run_without_images_has_no_duplicates(files, tmp_path):
    (tmp_path / "none.tsv").write_text("a dog\thttp://x/0\n")
    lost = Outcome("failed", "http", True, 404, 1, None, "x", None, 5)
    write_outcomes(tmp_path / "none.parquet", "any", [(row, lost) for row in Part(tmp_path / "none.tsv")])
    assert summarise(tmp_path, tmp_path / "none.tsv", [tmp_path / "none.parquet"]) is None
    assert json.loads((tmp_path / "summary.json").read_text())["duplicates"]["top"] == []
