"""Fetch from hosts of which one has a robots.txt of 30,000 rules: how long the others wait for it.

::

    python -m bench.fetch_rules

(a minute). A third of the links is on that host. Printed: when the last link of the other hosts was done, when all
were, and the longest time for which the loop that does all asking stood still. The server has a process of its own.
"""

import asyncio
import multiprocessing
import tempfile
import time
from pathlib import Path

from aiohttp import web
from fetching import Site, fetch_settings, rows_of, serving

from pipeline_lib.fetch import fetch as command
from pipeline_lib.fetch.part import PartFetcher
from pipeline_lib.jobs.cli import run

RULES, LINKS, HOSTS = 30_000, 600, 20
KINDS = {"plain": "Disallow: /a/{}\n", "wildcards": "Disallow: /*x{}$\n"}


class Watched(PartFetcher):
    """Notes when rows were done, and how late the loop woke up."""

    def _record(self, row: int, *rest: object) -> None:
        self.done[row % 3 == 0] = time.monotonic()
        super()._record(row, *rest)

    async def _watch(self) -> None:
        while True:
            start = time.monotonic()
            await asyncio.sleep(0.002)
            self.longest_s = max(self.longest_s, time.monotonic() - start)

    async def fetch(self) -> None:
        """Fetch, and print what was noted."""
        self.done, self.longest_s, start = {}, 0.0, time.monotonic()
        watch = asyncio.create_task(self._watch())
        await super().fetch()
        watch.cancel()
        others, big = self.done[False] - start, self.done[True] - start
        print(f"others {others:.1f} s, all {max(others, big):.1f} s, loop at most {self.longest_s:.2f} s")


def serve(kind: str, port: multiprocessing.Queue) -> None:
    """Serve until killed; put the port into the queue."""
    rules = "User-agent: *\n" + "".join(KINDS[kind].format(number) for number in range(RULES))

    async def robots(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=rules) if request.host == "big.test" else web.Response(status=404)

    with serving(Site(), robots) as number:
        port.put(number)
        while True:
            time.sleep(1)


def main() -> None:
    """Fetch once for each kind of rules."""
    urls = [f"http://{f'h{row % HOSTS}' if row % 3 else 'big'}.test/{row}.jpg" for row in range(LINKS)]
    for kind in KINDS:
        port = multiprocessing.Queue()
        server = multiprocessing.Process(target=serve, args=(kind, port), daemon=True)
        server.start()
        print(kind, end=": ", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            settings = fetch_settings(port.get(), image_size=None, connections=32)
            command.PartFetcher = Watched
            command.fetch_part(rows_of(urls), settings, Path(folder) / "out.tar", Path(folder) / "out.parquet")
        server.kill()


if __name__ == "__main__":
    run(main)
