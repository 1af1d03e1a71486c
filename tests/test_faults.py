"""A run that is killed again and again ends with the files of one that is left alone: three minutes on two cores.

`make faults` does the same with every stage, and with full and protected disks.
"""

import random
from collections import Counter

import pytest
from faults.kills import durations, finished_outputs, kill_and_finish
from faults.small import different, leftovers, unpack

KILLED = ("fetch.fetch", "features.encode", "finetune.train", "paper.figures")


@pytest.mark.faults
def test_a_killed_run_goes_on_and_makes_the_same_files_to_the_byte(small_run, tmp_path):
    killed = unpack(tmp_path / "run")
    seen = kill_and_finish(killed, Counter(KILLED), random.Random(0), durations(small_run))
    assert seen.kills.total() >= len(KILLED) - 1  # one may come too late
    assert different(small_run, killed) == []


def test_what_a_run_must_not_leave_is_seen(tmp_path):
    for name in (
        "results/small/shards/.train-00000.tmp.tar",
        "results/small/fetch/00000.journal",
        "results/small/finetune/m/resume.pt",
        "results/tables/.zeroshot.tmp.csv",
        "results/small/shards/train-00000.tar",
        ".snakemake/incomplete/abc",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert len(leftovers(tmp_path)) == 5


def test_a_file_that_is_not_the_same_is_seen(tmp_path):
    for run, text in (("one", "x"), ("other", "y")):
        for name in ("results/tables/a.csv", "results/small/logs/b.log", "results/small/finetune/m/run.json"):
            (tmp_path / run / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / run / name).write_text(text)
    (tmp_path / "one" / "results" / "more.txt").touch()
    assert different(tmp_path / "one", tmp_path / "other") == ["results/more.txt", "results/tables/a.csv"]


def test_finished_outputs_are_read_from_what_the_engine_says():
    log = """[Wed Nov 25 21:48:17 2026]
rule fetch:
    input: a.py
    output: results/a.tar, results/a.parquet
    jobid: 7
    resources: tmpdir=/tmp

[Wed Nov 25 21:48:18 2026]
rule negate:
    output: results/b.parquet
    jobid: 8

[Wed Nov 25 21:48:19 2026]
Finished jobid: 7 (Rule: fetch)
1 of 3 steps (33%) done
"""
    assert finished_outputs(log) == ["results/a.tar", "results/a.parquet"]
