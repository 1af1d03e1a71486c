"""Fetching again: after a kill only what is not settled, and on request what failed transiently."""

import json
import os
import sys

import pandas as pd
import pytest
from aiohttp import web
from faults.fetch_kills import by_path, kill_and_finish
from fetching import Site, fetch, fetch_command, jpeg, serving

from pipeline_lib.fetch import fetch as command
from pipeline_lib.fetch import part
from pipeline_lib.formats.tars import read_samples


def killed(*_):
    raise KeyboardInterrupt


def test_killed_at_random_moments_it_asks_nothing_again_that_it_had_settled_and_gives_the_same_files(tmp_path):
    assert kill_and_finish(tmp_path, n_rows=300, kills=3, longest_s=0.1) >= 0


def test_killed_while_it_writes_it_asks_nothing_again(tmp_path, monkeypatch):
    site = Site(by_path)
    urls = [f"http://a.test/{number}" for number in range(5)]
    with serving(site) as port:
        monkeypatch.setattr(command, "write_samples", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch(tmp_path, urls, port)
        assert [path.name for path in tmp_path.iterdir()] == ["out.journal"]
        monkeypatch.undo()
        frame = fetch(tmp_path, urls, port)
    assert (frame["status"] == "success").all() and len(site.log) == 5


@pytest.mark.parametrize(
    ("settled", "mistake"),
    [
        (b'[4, "success"', OSError),
        (b'[5, "failed"', ValueError),  # which happens in a callback of asyncio
    ],
)
def test_a_full_disk_ends_a_fetch_and_no_row_is_lost(tmp_path, monkeypatch, settled, mistake):
    site, write = Site(by_path), os.write
    urls = [f"http://a.test/{number}" for number in range(5)] + ["no address"]
    monkeypatch.setattr(part, "SLICE_S", 0)  # so that each row is opened in a callback of its own
    with serving(site) as port:
        monkeypatch.setattr(os, "write", lambda file, record: write(file, record[:20] if settled in record else record))
        with pytest.raises(mistake, match=r"out\.(journal|parquet)"):
            fetch(tmp_path, urls, port)
        assert [path.name for path in tmp_path.iterdir()] == ["out.journal"]
        monkeypatch.undo()
        frame = fetch(tmp_path, urls, port)
    assert list(frame["status"]) == ["success"] * 5 + ["failed"]


def test_retry_failed_asks_for_transient_failures_alone_and_takes_over_the_rest_as_it_is(tmp_path):
    log, healed = [], False
    answers = {"/dead": 404, "/busy": 500, "/late": 500, "/down": 500}

    async def handler(request):
        log.append(request.path)
        status = answers.get(request.path, 200)
        if status == 200 or (healed and request.path in ("/busy", "/late")):
            return web.Response(body=jpeg("blue"))
        return web.Response(status=status)

    paths = ["/one", "/busy", "/dead", "/two", "/down", "/late"]
    urls = [f"http://a.test{path}" for path in paths]
    with serving(handler) as port:
        first = fetch(tmp_path, urls, port, attempts=2)
        samples = dict(read_samples(tmp_path / "out.tar"))
        log.clear()
        healed = True
        second = fetch(tmp_path, urls, port, attempts=2, retry_failed=True)
        assert set(log) == {"/busy", "/late", "/down"} and len(log) == 4
        taken_over = [paths.index(path) for path in ("/one", "/two", "/dead")]
        pd.testing.assert_frame_equal(first.loc[taken_over], second.loc[taken_over])
        assert list(second["http_code"]) == [200, 200, 404, 200, 500, 200]
        now = dict(read_samples(tmp_path / "out.tar"))
        assert list(now) == list(second.loc[second["status"] == "success", "key"])
        assert samples.items() < now.items() and json.loads(now["000000001"]["json"])["width"] == 21

        answers["/down"] = 404
        made = (tmp_path / "out.tar").stat().st_mtime_ns
        frame = fetch(tmp_path, urls, port, retry_failed=True)
        assert frame["http_code"][4] == 404 and (tmp_path / "out.tar").stat().st_mtime_ns == made
        log.clear()
        before = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
        fetch(tmp_path, urls, port, retry_failed=True)
        assert log == [] and before == [path.read_bytes() for path in sorted(tmp_path.iterdir())]


def test_a_killed_retry_leaves_the_earlier_outputs_and_goes_on_where_it_was(tmp_path, monkeypatch):
    site = Site(by_path)
    urls = [f"http://a.test/{number}-500" for number in range(3)] + ["http://a.test/3"]
    with serving(site) as port:
        fetch(tmp_path, urls, port, attempts=1)
        before = [(tmp_path / name).read_bytes() for name in ("out.parquet", "out.tar")]
        site.log.clear()
        monkeypatch.setattr(command, "write_outcomes", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch(tmp_path, urls, port, attempts=1, retry_failed=True)
        assert before == [(tmp_path / name).read_bytes() for name in ("out.parquet", "out.tar")]
        monkeypatch.undo()
        frame = fetch(tmp_path, urls, port, attempts=1, retry_failed=True)
    assert len(site.log) == 3 and list(frame["http_code"]) == [500, 500, 500, 200]


def test_retry_failed_needs_the_outputs_of_the_same_rows_and_settings(tmp_path):
    site = Site(by_path)
    with serving(site) as port:
        with pytest.raises(FileNotFoundError, match=r"out\.parquet"):
            fetch(tmp_path, ["http://a.test/1"], port, retry_failed=True)
        fetch(tmp_path, ["http://a.test/1"], port)
        for urls, changes in ((["http://a.test/2"], {}), (["http://a.test/1"], {"image_size": 24})):
            with pytest.raises(ValueError, match=r"out\.parquet: was made with other rows or settings"):
                fetch(tmp_path, urls, port, retry_failed=True, **changes)
        (tmp_path / "out.journal").unlink()
        fetch(tmp_path, ["http://a.test/1"], port, retry_failed=True, timeout_s=9.0, user_agent="other/1")
    assert [request.path for request in site.log] == ["/1"]


def test_the_command_can_be_told_to_retry(tmp_path, monkeypatch):
    (tmp_path / "cc3m.tsv").write_text("a cat\thttp://a.test/1\n")
    monkeypatch.setattr(sys, "argv", [*fetch_command(tmp_path / "cc3m.tsv", tmp_path)[2:], "--retry-failed"])
    with pytest.raises(FileNotFoundError, match=r"out\.parquet"):
        command.main()
