"""The fetch stage against a real server on the loopback interface, which misbehaves in every way we classify."""

import argparse
import asyncio
import gzip
import io
import socket
import struct
import sys
from collections import Counter

import pytest
from aiohttp import web
from answers import Handler, answer, answering, bare, chunked, moved
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


class Resetting(Handler):
    """Answers, and resets the connection."""

    def finish(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()


MISBEHAVIOUR = {  # what is sent; failure, permanence, status; how many requests
    "/loop": (moved("Location: /loop"), "redirect", True, 301, 4),
    "/nowhere": (moved(), "redirect", True, 301, 1),
    "/elsewhere": (moved("Location: file:///etc/passwd"), "url", True, 301, 1),
    "/many": (answer(status="HTTP/1.1 429 Too Many Requests", body=b""), "http", False, 429, 3),
    "/noindex": (answer("X-Robots-Tag: conclip-test: noindex"), "opt-out", True, 200, 1),
    "/reset": (b"", "reset", False, None, 3),
    "/reset-body": (bare(), "truncated", False, 200, 3),
    "/reset-chunks": (chunked(after=b""), "truncated", False, 200, 3),
    "/garbage": (b"SSH-2.0-OpenSSH\r\n\r\n", "protocol", False, None, 3),
    "/endless": (bare(body=b"x" * 200_000), "too-large", True, 200, 1),
    "/bomb": (answer("Content-Encoding: gzip", body=gzip.compress(bytes(10_000_000))), "too-large", True, 200, 1),
    "/huge": (answer(body=png(60_000, 60_000)), "too-many-pixels", True, 200, 1),
    "/ribbon": (answer(body=jpeg(size=(5000, 1))), "too-many-pixels", True, 200, 1),
    "/empty": (answer(body=b""), "not-an-image", True, 200, 1),
    "/eps": (answer(body=b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n"), "not-an-image", True, 200, 1),
}


def test_each_misbehaviour_has_its_class_and_only_transient_ones_are_asked_again(tmp_path):
    with answering({path: said for path, (said, *_) in MISBEHAVIOUR.items()}, Resetting) as server:
        frame = fetch(tmp_path, [f"http://a.test{path}" for path in MISBEHAVIOUR], server.port)
    found, asked = outcomes(frame, "failure", "permanent", "http_code"), Counter(server.log)
    for (path, (_, *expected)), row in zip(MISBEHAVIOUR.items(), found, strict=True):
        assert [*row, asked[path]] == expected, path
    assert "truncated (transient): 2" in summary(frame, 1.0)
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
