"""The fetch stage against a real server on the loopback interface, which misbehaves in every way we classify."""

import argparse
import asyncio
import gzip
import io
import socket
import sys
from collections import Counter
from unittest.mock import ANY

import pytest
from aiohttp import web
from fetching import AGENT, Clock, Site, fetch, fetch_command, jpeg, outcomes, serving
from hostile import png

from pipeline_lib.fetch import part as module
from pipeline_lib.fetch.client import opted_out
from pipeline_lib.fetch.fetch import summary
from pipeline_lib.fetch.outcomes import Outcome
from pipeline_lib.fetch.part import Tally
from pipeline_lib.fetch.settings import FetchSettings
from pipeline_lib.formats.tars import read_samples
from pipeline_lib.jobs.options import add_options, from_args


def test_each_misbehaviour_has_its_class_and_only_transient_ones_are_asked_again(tmp_path):
    asked = Counter()
    bodies = {
        "/endless": b"x" * 200_000,
        "/bomb": gzip.compress(bytes(10_000_000)),
        "/huge": png(60_000, 60_000),
        "/ribbon": jpeg(size=(5000, 1)),
        "/empty": b"",
        "/eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n",
    }

    async def handler(request):
        asked[request.path] += 1
        match request.path:
            case "/loop":
                return web.Response(status=301, headers={"Location": "/loop"})
            case "/nowhere":
                return web.Response(status=301)
            case "/elsewhere":
                return web.Response(status=301, headers={"Location": "file:///etc/passwd"})
            case "/many":
                return web.Response(status=429)
            case "/noindex":
                return web.Response(body=jpeg(), headers={"X-Robots-Tag": "conclip-test: noindex"})
            case "/reset":
                request.transport.abort()
            case "/garbage":
                request.transport.write(b"SSH-2.0-OpenSSH\r\n\r\n")
            case "/endless" | "/reset-body":
                response = web.StreamResponse()
                await response.prepare(request)
                await response.write(bodies.get(request.path, b"x"))
                if request.path == "/reset-body":
                    request.transport.abort()
                return response
        encoding = {"Content-Encoding": "gzip"} if request.path == "/bomb" else {}
        return web.Response(body=bodies.get(request.path, b"?"), headers=encoding)

    expected = {
        "/loop": ("redirect", True, 301, 4),
        "/nowhere": ("redirect", True, 301, 1),
        "/elsewhere": ("url", True, 301, 1),
        "/many": ("http", False, 429, 3),
        "/noindex": ("opt-out", True, 200, 1),
        "/reset": ("reset", False, None, ANY),  # asked again, uncounted, where the connection had been used before
        "/reset-body": ("truncated", False, 200, 3),
        "/garbage": ("protocol", False, None, ANY),
        "/endless": ("too-large", True, 200, 1),
        "/bomb": ("too-large", True, 200, 1),
        "/huge": ("too-many-pixels", True, 200, 1),
        "/ribbon": ("too-many-pixels", True, 200, 1),
        "/empty": ("not-an-image", True, 200, 1),
        "/eps": ("not-an-image", True, 200, 1),
    }
    with serving(handler) as port:
        frame = fetch(tmp_path, [f"http://a.test{path}" for path in expected], port)
    found = outcomes(frame, "failure", "permanent", "http_code")
    assert {path: (*row, asked[path]) for path, row in zip(expected, found, strict=True)} == expected
    assert "truncated (transient): 1" in summary(frame, 1.0)
    assert list(read_samples(tmp_path / "out.tar")) == []


def test_a_body_that_drips_in_has_one_deadline(tmp_path):
    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.02)

    with serving(handler) as port:
        frame = fetch(tmp_path, ["http://a.test/"], port, respect_robots=False, timeout_s=1.5, attempts=1)
    assert outcomes(frame, "failure", "permanent", "http_code") == [("timeout", False, 200)]


def test_no_connection_no_encryption_and_no_such_host(tmp_path):
    async def handler(request):
        raise AssertionError("it does not speak HTTP without")

    with socket.create_server(("127.0.0.1", 0)) as closed:
        free = closed.getsockname()[1]
    frame = fetch(tmp_path, ["http://a.test/", "https://nothing.invalid/", f"http://{'a' * 70}.example/"], free)
    assert outcomes(frame, "failure", "permanent") == [("connect", False), ("dns", False), ("dns", True)]
    with serving(handler) as port:
        assert outcomes(fetch(tmp_path, ["https://a.test/"], port), "failure", "permanent") == [("tls", False)]


def test_urls_are_asked_as_they_are_written(tmp_path):
    site = Site()
    written = {
        "/m%3D900_s%3D1/v2?w=true&sig=a%2Cb": "/m%3D900_s%3D1/v2?w=true&sig=a%2Cb",
        "/a//b/../c.jpg#part": "/a//b/../c.jpg",
        "/100%.jpg?a=b|c d": "/100%.jpg?a=b%7Cc%20d",
        "/caf\u00e9.jpg": "/caf%C3%A9.jpg",
        "?x": "/?x",
        "": "/",
    }

    with serving(site) as port:
        frame = fetch(tmp_path, [f"http://B\u00fcro.test{path}" for path in written], port, connections=1)
    assert [request.raw_path for request in site.log] == list(written.values())
    assert {request.host for request in site.log} == set(frame["final_host"]) == {"xn--bro-hoa.test"}


def test_who_asks_is_said_honestly(tmp_path):
    site = Site(lambda request: web.Response(body=jpeg(), headers={"Set-Cookie": "a=b"}))
    with serving(site) as port:
        fetch(tmp_path, ["http://a.test/1", "http://a.test/2"], port, connections=1)
    headers = site.log[1].headers
    assert headers["User-Agent"] == AGENT and "Cookie" not in headers and headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("headers", "forbids"),
    [
        ([], False),
        (["NoAI, noimageai"], True),
        (["nofollow", "noimageindex"], True),
        (["none"], True),
        (["otherbot: noindex, noai"], False),
        (["otherbot: nofollow, conclip-test: noindex"], True),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST"], False),
        (["noaim"], False),
    ],
)
def test_robots_tag(headers, forbids):
    assert opted_out(headers, "conclip-test") is forbids


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("attempts", 0, "greater than or equal to 1, found '0'"),
        ("image_size", 0, "greater than or equal to 1"),
        ("image_size", "small", "a valid integer"),
        ("respect_robots", "perhaps", "a valid boolean"),
        ("timeout_s", "nan", "a finite number"),
        ("deadline_s", 0.5, r"--timeout-s \(300.0\) or more, found 0.5"),
        ("user_agent", "a\nb", "a name and a contact on one line"),
        ("user_agent", "/", "a name and a contact on one line"),
        *(("connect_to", text, f"SUFFIX=ADDRESS:PORT, .*{text}") for text in ("a", "a=b:1", "=127.0.0.1:1")),
        *(("connect_to", text, f"SUFFIX=ADDRESS:PORT, .*{text}") for text in ("a=127.0.0.1", "a=127.0.0.1:0")),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, option, value, message):
    with pytest.raises(ValueError, match=f"^--{option.replace('_', '-')}: expected {message}"):
        parsed(tmp_path, **{option: value})


def test_settings_are_read_from_the_command_line(tmp_path):
    found = parsed(tmp_path, image_size=None, connect_to="Miniature.test=[::1]:80", respect_robots=False)
    assert (found.image_size, found.respect_robots, found.agent_name) == (None, False, "conclip-test")
    assert found.targets == {"miniature.test": ("::1", 80)}


def parsed(folder, connect_to=None, **changes) -> FetchSettings:
    parser = argparse.ArgumentParser()
    add_options(parser, FetchSettings)
    command = fetch_command(folder, folder, **changes) + (["--connect-to", connect_to] if connect_to else [])
    return from_args(FetchSettings, parser.parse_known_args(command)[0])


def test_a_part_may_be_empty(tmp_path):
    assert fetch(tmp_path, []).empty


@pytest.fixture
def tally(monkeypatch) -> Tally:
    """Of a part with 20 rows, 5 of which were settled before; 10 more are, in 2 seconds."""
    clock = Clock(monkeypatch, module)
    tally = Tally("part", 20, 5)
    for failure, code in [("http", 404)] * 2 + [("timeout", None)] * 2 + [("dns", None), ("http", 403)]:
        tally.count(Outcome("failed", failure, True, code, 1, None, "a.test", None, 1))
    for _ in range(4):
        tally.count(Outcome("success", None, False, 200, 1, 500_000, "a.test", "0", 1))
    clock.now += 2.0
    return tally


TALLY = "2.0 images/s, 1.0 MB/s, 40.0 % have an image; http 404 2, timeout 2, dns 1"


async def show(tally: Tally, until) -> None:
    task = asyncio.create_task(tally.show())
    while not until():
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task])


def test_in_a_log_lines_come_while_nothing_else_happens_and_a_last_one_at_the_end(tally, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.01)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    asyncio.run(show(tally, lambda: sys.stderr.getvalue().count("\n") == 2))
    assert sys.stderr.getvalue() == f"part: 15 of 20 rows, {TALLY}\n" * 3


def test_a_terminal_shows_a_bar(tally, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := io.StringIO())
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    asyncio.run(show(tally, terminal.getvalue))
    bar = terminal.getvalue().split("\r")[-1]
    assert "75%" in bar and "15/20" in bar and TALLY[:-20] in bar
