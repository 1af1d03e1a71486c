"""What the tests of the fetch stage share: images, a server on the loopback interface, one call that fetches."""

import asyncio
import contextlib
import io
import threading
from pathlib import Path

import pandas as pd
from aiohttp import web
from PIL import Image

from pipeline_lib.fetch.fetch import fetch_part
from pipeline_lib.fetch.settings import Settings
from pipeline_lib.formats.cc3m import Row
from pipeline_lib.jobs.files import read_parquet

AGENT = "conclip-test/1.0 (+mailto:test@example.org)"


def jpeg(colour="red", size=(40, 30), **save) -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", size, colour).save(encoded, **{"format": "JPEG", **save})
    return encoded.getvalue()


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


def fetch_settings(port: int = 1, **changes) -> Settings:
    return Settings(
        **{
            "image_size": 16,
            "user_agent": AGENT,
            "respect_robots": True,
            "timeout_s": 5.0,
            "deadline_s": 20.0,
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
            "connect_to": {"test": ("127.0.0.1", port)},
            **changes,
        }
    )


def rows_of(urls: list[str]) -> list[Row]:
    return [Row(f"{number:09d}", f"caption {number}", url, None) for number, url in enumerate(urls)]


def fetch(folder: Path, rows: list[str] | list[Row], port: int = 1, **changes) -> pd.DataFrame:
    settings = fetch_settings(port, **changes)
    if rows and isinstance(rows[0], str):
        rows = rows_of(rows)
    fetch_part(rows, settings, folder / "out.tar", folder / "out.parquet")
    return read_parquet(folder / "out.parquet")
