"""What is shown while a part is fetched."""

import asyncio
import io
import sys
from types import SimpleNamespace

import pytest

from pipeline_lib.fetch import tally as module
from pipeline_lib.fetch.outcomes import Outcome
from pipeline_lib.fetch.tally import Tally


def failed(failure: str, http_code: int | None = None) -> Outcome:
    return Outcome("failed", failure, True, http_code, 1, None, "a.test", None, 1)


@pytest.fixture
def tally(monkeypatch) -> Tally:
    """Of a part with 20 rows, 5 of which were settled before; 10 more are, in 2 seconds."""
    now = 100.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))  # the event loop keeps the real one
    tally = Tally("part", 20, 5)
    for _ in range(4):
        tally.count(Outcome("success", None, False, 200, 1, 500_000, "a.test", "0", 1))
    for outcome in [failed("http", 404)] * 2 + [failed("timeout")] * 2 + [failed("dns"), failed("http", 403)]:
        tally.count(outcome)
    now += 2.0
    return tally


def test_rates_share_and_the_three_most_frequent_failures(tally):
    assert str(tally) == "2.0 images/s, 1.0 MB/s, 40.0 % have an image; http 404 2, timeout 2, dns 1"


async def shown(tally: Tally, seconds: float) -> None:
    task = asyncio.create_task(tally.show())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait([task])


def test_lines_come_while_nothing_else_happens_and_a_last_one_at_the_end(tally, monkeypatch, capsys):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.01)
    asyncio.run(shown(tally, 0.3))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 3 and set(lines) == {f"part: 15 of 20 rows, {tally}"}


def test_a_terminal_shows_a_bar(tally, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    asyncio.run(shown(tally, 0.0))
    bar = sys.stderr.getvalue().split("\r")[-1]
    assert "75%" in bar and "15/20" in bar and "2.0 images/s, 1.0 MB/s, 40.0 % have an image; http 404 2" in bar
