"""Serve the miniature's hosts on the loopback interface while a command runs.

::

    python -m pipeline_lib.miniature.serve --web web.tar --answers answers.parquet -- \\
        python -m pipeline_lib.fetch.fetch --captions cc3m.tsv ...

The command gets ``--connect-to miniature.test=127.0.0.1:PORT`` appended, with a port that the system chose; its exit
status is ours. Inputs: a tar of ``KEY.jpg`` and a table with `url`, `key` and `answer`, one of `settings.ANSWERS`, per
URL. Each host has a robots.txt; any other URL is answered 404.
"""

import argparse
import asyncio
import signal
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from pipeline_lib.formats.tars import read_samples
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet
from pipeline_lib.miniature.settings import ANSWERS

SUFFIX = "miniature.test"

STATUSES = {"dead": 404, "gone": 410, "forbidden": 403, "failing": 500}
HTML = b"<!doctype html><title>Not here</title><p>The image that you look for has moved."
GRACE_S = 5.0  # how long a command that was asked to end may take to do so


class Web:
    """The hosts of the miniature world: JPEG by key; key and answer by URL."""

    def __init__(self, images: Mapping[str, bytes], answers: Mapping[str, tuple[str, str]]) -> None:
        self._images, self._answers = images, answers
        self._asked: set[str] = set()
        self._rules: defaultdict[str, str] = defaultdict(lambda: "User-agent: *\n")
        for url, (_, answer) in answers.items():
            if answer == "disallowed":
                parts = urlsplit(url)
                self._rules[parts.netloc] += f"Disallow: {parts.path}$\n"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request as its URL's row says."""
        if request.path == "/robots.txt":
            return web.Response(text=self._rules[request.host])
        url, _, query = f"http://{request.host}{request.path_qs}".partition("?")
        key, answer = self._answers.get(url, ("", "dead"))
        first = url not in self._asked
        self._asked.add(url)
        if answer in STATUSES:
            return web.Response(status=STATUSES[answer])
        if answer == "busy-once" and first:
            return web.Response(status=503)
        if answer == "redirect" and not query:
            return web.Response(status=302, headers={"Location": f"{request.path}?r=1"})
        if answer == "silent":
            await asyncio.Event().wait()
        image = self._images[key]
        if answer == "truncated":
            return await _truncated(request, image)
        body = {"mislabelled": HTML, "corrupt": image[: len(image) // 2]}.get(answer, image)
        headers = {"X-Robots-Tag": "noai"} if answer == "noai" else {}
        return web.Response(body=body, content_type="image/jpeg", headers=headers)


async def _truncated(request: web.BaseRequest, image: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "image/jpeg", "Content-Length": str(len(image))})
    await response.prepare(request)
    await response.write(image[: len(image) // 2])
    request.transport.close()
    return response


def read_web(tar: Path, answers: Path) -> Web:
    """Read the miniature's web from its two files; a table that does not fit the tar is a `ValueError`."""
    images = {key: parts["jpg"] for key, parts in read_samples(tar) if "jpg" in parts}
    table = read_parquet(answers, ["url", "key", "answer"])
    for row in table.itertuples():
        if row.answer not in ANSWERS:
            raise ValueError(
                f"{answers}: {row.url}: expected an answer out of {', '.join(ANSWERS)}, found {row.answer!r}"
            )
        if row.key not in images:
            raise ValueError(f"{answers}: {row.url}: expected the image {row.key}.jpg in {tar}, found none")
    twice = table.loc[table["url"].duplicated(), "url"]
    if len(twice):
        raise ValueError(f"{answers}: expected every URL once, found {twice.iloc[0]} more than once")
    return Web(images, {row.url: (row.key, row.answer) for row in table.itertuples()})


async def serve_while(site: Web, command: list[str]) -> int:
    """Serve `site` while `command` runs, and end it when told to end; return its exit status, as a shell counts it."""
    # Set before there is a child, so that no signal can leave it behind; asyncio does the same for an interrupt.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    runner = web.ServerRunner(web.Server(site.handle, handler_cancellation=True, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        _, port = runner.addresses[0][:2]
        child = await asyncio.create_subprocess_exec(*command, "--connect-to", f"{SUFFIX}=127.0.0.1:{port}")
        try:
            status = await child.wait()
        except asyncio.CancelledError:
            child.terminate()
            try:
                status = await asyncio.wait_for(child.wait(), GRACE_S)
            except TimeoutError:
                child.kill()
                status = await child.wait()
    finally:
        await runner.cleanup()
    return status if status >= 0 else 128 - status


def main() -> None:
    """Serve while the command line's command runs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--web", type=Path, required=True, help="tar with the images that the hosts serve")
    parser.add_argument(
        "--answers", type=Path, required=True, help="table of URLs, their images' keys and how the host answers"
    )
    parser.add_argument("command", nargs="+", help="command to run while the hosts are served, after --")
    args = parser.parse_args()
    sys.exit(asyncio.run(serve_while(read_web(args.web, args.answers), args.command)))


if __name__ == "__main__":
    run(main)
