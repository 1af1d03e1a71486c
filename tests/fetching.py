"""What the tests of the fetch stage share: images, a server on loopback, calls that fetch, a time of their own."""

import asyncio
import contextlib
import sys
import threading
from pathlib import Path

import pandas as pd
from aiohttp import web
from PIL import Image

from pipeline_lib.fetch import schedule
from pipeline_lib.fetch.fetch import fetch_part
from pipeline_lib.fetch.settings import FetchSettings
from pipeline_lib.formats.cc3m import Row
from pipeline_lib.formats.pixels import encoded
from pipeline_lib.jobs.files import read_parquet

AGENT = "conclip-test/1.0 (+mailto:test@example.org)"


def jpeg(colour="red", size=(40, 30), form="JPEG", **save) -> bytes:
    """An encoded image of one colour."""
    return encoded(Image.new("RGB", size, colour), form, **save)


def turned(orientation: int) -> Image.Exif:
    """EXIF data that say how an image is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


class Site:
    """Answers each request with an image, unless `answer` has something else for it, and keeps it in `log`."""

    def __init__(self, answer=lambda request: None, delay_s=0.0):
        self.log, self._answer, self._delay_s = [], answer, delay_s

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.log.append(request)
        response = self._answer(request) or web.Response(body=jpeg())
        await asyncio.sleep(self._delay_s)
        return response


def moved(to: str) -> web.Response:
    """A redirect."""
    return web.Response(status=302, headers={"Location": to})


@contextlib.contextmanager
def serving(handler, robots=None):
    """Serve `handler` from a thread, and `robots` for robots.txt, by default 404; yield the port."""
    loop = asyncio.new_event_loop()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/robots.txt":
            return await robots(request) if robots else web.Response(status=404)
        return await handler(request)

    async def start() -> web.ServerRunner:
        server = web.Server(handle, handler_cancellation=True, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield runner.addresses[0][1]
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def fetch_options(port: int = 1, **changes) -> dict:
    """Settings for hosts of the domain ``test``, at a port of this machine."""
    return {
        "image_size": 16,
        "user_agent": AGENT,
        "respect_robots": True,
        "timeout_s": 300.0,  # a busy machine may be slow; what waits for a deadline sets its own
        "deadline_s": 1200.0,
        "max_bytes": 100_000,
        "max_pixels": 1_000_000,
        "max_redirects": 3,
        "attempts": 3,
        "backoff_s": 0.01,
        "connections": 16,
        "connections_per_host": 4,
        "requests_per_second_per_host": None,
        "max_crawl_delay_s": 1.0,
        "breaker_failures": 1000,
        "threads": 1,
        "connect_to": {"test": f"127.0.0.1:{port}"},
        **changes,
    }


def fetch_settings(port: int = 1, **changes) -> FetchSettings:
    """The same, checked."""
    return FetchSettings(**fetch_options(port, **changes))


def rows_of(urls: list[str]) -> list[Row]:
    """Rows of a captions file with these links."""
    return [Row(f"{number:09d}", f"caption {number}", url, None) for number, url in enumerate(urls)]


def fetch(folder: Path, rows: list[str] | list[Row], port: int = 1, retry_failed=False, **changes) -> pd.DataFrame:
    """Fetch rows, or links, into ``out.tar`` and ``out.parquet``; return the table."""
    if rows and isinstance(rows[0], str):
        rows = rows_of(rows)
    files = folder / "out.tar", folder / "out.parquet"
    fetch_part(rows, fetch_settings(port, **changes), *files, retry_failed=retry_failed)
    assert sorted(path.name for path in folder.glob("*out*")) == ["out.parquet", "out.tar"]
    return read_parquet(folder / "out.parquet")


def outcomes(frame: pd.DataFrame, *columns: str) -> list[tuple]:
    """Columns of a table, a tuple for each row, with None where there is nothing."""
    kept = frame[list(columns)].astype(object)
    return list(kept.where(kept.notna(), None).itertuples(index=False, name=None))


def fetch_command(captions: Path, out: Path, **changes) -> list[str]:
    """The command that fetches the only part of `captions` into `out`."""
    options = {"captions": captions, "images": out / "out.tar", "outcomes": out / "out.parquet", "part": 0, "parts": 1}
    options |= fetch_options(attempts=2, breaker_failures=5) | changes
    del options["connect_to"]
    values = {name: "none" if value is None else str(value) for name, value in options.items()}
    pairs = [text for name, value in values.items() for text in (f"--{name.replace('_', '-')}", value)]
    return [sys.executable, "-m", "pipeline_lib.fetch.fetch", *pairs]


class Clock:
    """A time that passes only when told, for `modules` and the timers that they set on the running loop."""

    def __init__(self, monkeypatch, *modules):
        self.now, self.timers, self._patch = 1000.0, [], monkeypatch
        for module in (schedule, *modules):
            monkeypatch.setattr(module, "time", self)

    def monotonic(self) -> float:
        return self.now

    def catch_timers(self) -> None:
        """From now on no timer of the running loop goes off by itself."""
        loop = asyncio.get_running_loop()
        self._patch.setattr(loop, "call_later", lambda delay, *call: self.timers.append((delay, call)))

    def pass_pause(self) -> float:
        """Let the only timer go off; return how long that took."""
        ((delay, (function, *arguments)),) = self.timers
        self.timers.clear()
        self.now += delay
        function(*arguments)
        return delay
