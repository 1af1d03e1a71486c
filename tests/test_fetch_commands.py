"""The fetch command against the miniature's server, and the serve command itself."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from fetching import fetch, fetch_command, jpeg, outcomes, serving
from PIL import Image

from pipeline_lib.formats.cc3m import Part
from pipeline_lib.formats.tars import read_samples, write_samples
from pipeline_lib.jobs.files import read_parquet, write_parquet
from pipeline_lib.miniature.serve import Web, read_web
from pipeline_lib.miniature.settings import ANSWERS


def serve_command(folder: Path, command: list[str]) -> list[str]:
    files = ["--web", str(folder / "web.tar"), "--answers", str(folder / "answers.parquet")]
    return [sys.executable, "-m", "pipeline_lib.miniature.serve", *files, "--", *command]


TIMELY = sorted(ANSWERS.keys() - {"silent"})  # those of which no deadline decides


@pytest.fixture
def miniature(tmp_path) -> Path:
    """A web with each answer that comes twice, and a captions file that links to it and has three bad lines."""
    answers = TIMELY * 2
    keys = [f"{number:09d}" for number in range(len(answers))]
    write_samples(tmp_path / "web.tar", ((key, {"jpg": jpeg((int(key), 0, 0), (64, 48))}) for key in keys))
    urls = [f"http://host-{number % 3}.miniature.test/{number}.jpg" for number in range(len(answers))]
    write_parquet(tmp_path / "answers.parquet", pd.DataFrame({"url": urls, "key": keys, "answer": answers}))
    lines = [f'a "quoted caption {key}\t{url}\n' for key, url in zip(keys, urls, strict=True)]
    bad = ["no tab\n", "three\tfields\there\n", "unknown\thttp://host-0.miniature.test/other.jpg\n"]
    (tmp_path / "cc3m.tsv").write_text("".join([*lines, *bad]))
    return tmp_path


def test_every_answer_of_the_miniature_has_its_outcome_and_two_runs_give_the_same_bytes(miniature):
    patient = {"timeout_s": 300.0, "deadline_s": 600.0}  # nothing here takes time, and a busy machine may
    command = fetch_command(miniature / "cc3m.tsv", miniature / "one", **patient)
    ran = subprocess.run(serve_command(miniature, command), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "rows 27, successes 6 (22.2%)" in ran.stdout
    assert sorted(path.name for path in (miniature / "one").iterdir()) == ["out.parquet", "out.tar"]
    rows = list(Part(miniature / "cc3m.tsv"))
    site = read_web(miniature / "web.tar", miniature / "answers.parquet")
    with serving(site.handle, robots=site.handle) as port:
        few = {"connections": 3, "connections_per_host": 1, "threads": 2, "attempts": 2, **patient}
        there = {"miniature.test": f"127.0.0.1:{port}"}
        fetch(miniature / "two", rows, port, connect_to=there, **few)
    assert (miniature / "one" / "out.tar").read_bytes() == (miniature / "two" / "out.tar").read_bytes()
    frame, other = (read_parquet(miniature / name / "out.parquet") for name in ("one", "two"))
    pd.testing.assert_frame_equal(frame.iloc[:, :-1], other.iloc[:, :-1])
    assert frame.columns[-1] == "milliseconds"
    assert list(frame["key"]) == [f"{number:09d}" for number in range(27)]
    expected = {
        "ok": (None, False, 200, 1),
        "redirect": (None, False, 200, 1),
        "busy-once": (None, False, 200, 2),
        "dead": ("http", True, 404, 1),
        "gone": ("http", True, 410, 1),
        "forbidden": ("http", True, 403, 1),
        "failing": ("http", False, 500, 2),
        "mislabelled": ("not-an-image", True, 200, 1),
        "truncated": ("truncated", False, 200, 2),
        "corrupt": ("corrupt", True, 200, 1),
        "noai": ("opt-out", True, 200, 1),
        "disallowed": ("robots", True, None, 0),
    }
    assert sorted(expected) == TIMELY
    bad = ("row", True, None, 0)
    found = outcomes(frame, "failure", "permanent", "http_code", "attempts")
    assert found == [*(expected[answer] for answer in TIMELY * 2), bad, bad, expected["dead"]]

    samples = list(read_samples(miniature / "one" / "out.tar"))
    assert [key for key, _ in samples] == list(frame.loc[frame["status"] == "success", "key"])
    for key, parts in samples:
        facts = json.loads(parts["json"])
        assert facts["caption"] == f'a "quoted caption {key}' and facts["url"] == frame["url"][int(key)]
        assert (facts["width"], facts["height"], facts["original_width"], facts["original_height"]) == (21, 16, 64, 48)
        with Image.open(io.BytesIO(parts["jpg"])) as image:
            assert image.size == (21, 16) and abs(image.getpixel((0, 0))[0] - int(key)) <= 3


def test_a_host_that_never_answers_is_asked_until_the_deadline(tmp_path):
    site = Web({}, {"http://host.miniature.test/1": ("", "silent")})
    with serving(site.handle) as port:
        # The deadline of all attempts is far away: a busy machine may take long to notice that of one.
        limits = {"timeout_s": 0.1, "deadline_s": 600.0, "attempts": 2, "respect_robots": False}
        there = {"miniature.test": f"127.0.0.1:{port}"}
        frame = fetch(tmp_path, ["http://host.miniature.test/1"], port, connect_to=there, **limits)
    assert outcomes(frame, "failure", "permanent", "http_code", "attempts") == [("timeout", False, None, 2)]
    assert frame["milliseconds"][0] >= 200


@pytest.mark.parametrize(("script", "status"), [("exit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_serve_ends_as_its_command_ends(miniature, script, status):
    assert subprocess.run(serve_command(miniature, [sys.executable, "-c", script])).returncode == status


def test_serve_takes_its_command_along_when_it_is_ended(miniature):
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(3600)"
    command = serve_command(miniature, [sys.executable, "-c", script])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving_process:
        pid = int(serving_process.stdout.readline())
        serving_process.terminate()
        assert serving_process.wait() == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("change", [{"answer": "perhaps"}, {"key": "000000099"}, {"url": "http://a.test/"}])
def test_serve_refuses_a_table_that_does_not_fit(miniature, change):
    table = miniature / "answers.parquet"
    write_parquet(table, read_parquet(table).assign(**change))
    with pytest.raises(ValueError, match=next(iter(change.values()))):
        read_web(miniature / "web.tar", table)
