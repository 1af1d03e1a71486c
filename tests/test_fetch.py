"""The fetch stage against a real server on the loopback interface, which misbehaves in every way we classify."""

import asyncio
import gzip
import socket
import zlib
from collections import Counter

import pandas as pd
import pytest
from aiohttp import web
from fetching import AGENT, fetch, jpeg, serving

from pipeline_lib.fetch.client import opted_out
from pipeline_lib.fetch.fetch import summary
from pipeline_lib.formats.tars import read_samples


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is huge and holds next to nothing."""
    encoded = bytearray(jpeg(size=(1, 1), format="PNG"))
    encoded[16:24] = width.to_bytes(4) + height.to_bytes(4)
    encoded[29:33] = zlib.crc32(encoded[12:29]).to_bytes(4)
    return bytes(encoded)


def test_each_misbehaviour_has_its_class_and_only_transient_ones_are_asked_again(tmp_path):
    asked = Counter()
    bodies = {
        "/endless": b"x" * 200_000,
        "/bomb": gzip.compress(bytes(10_000_000)),
        "/huge": png_header(60_000, 60_000),
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
            case "/drip" | "/endless" | "/reset-body":
                response = web.StreamResponse()
                await response.prepare(request)
                await response.write(bodies.get(request.path, b"x"))
                if request.path == "/reset-body":
                    request.transport.abort()
                while request.path == "/drip":
                    await asyncio.sleep(0.02)
                    await response.write(b"x")
                return response
        encoding = {"Content-Encoding": "gzip"} if request.path == "/bomb" else {}
        return web.Response(body=bodies.get(request.path, b"?"), headers=encoding)

    expected = {
        "/loop": ("redirect", True, 301, 4),
        "/nowhere": ("redirect", True, 301, 1),
        "/elsewhere": ("url", True, 301, 1),
        "/many": ("http", False, 429, 3),
        "/noindex": ("opt-out", True, 200, 1),
        "/reset": ("reset", False, None, 3),
        "/reset-body": ("truncated", False, 200, 3),
        "/garbage": ("protocol", False, None, 3),
        "/drip": ("timeout", False, 200, 3),
        "/endless": ("too-large", True, 200, 1),
        "/bomb": ("too-large", True, 200, 1),
        "/huge": ("too-many-pixels", True, 200, 1),
        "/ribbon": ("too-many-pixels", True, 200, 1),
        "/empty": ("not-an-image", True, 200, 1),
        "/eps": ("not-an-image", True, 200, 1),
    }
    with serving(handler) as port:
        frame = fetch(tmp_path, [f"http://a.test{path}" for path in expected], port, timeout_s=0.8)
    found = {
        path: (row.failure, row.permanent, None if pd.isna(row.http_code) else int(row.http_code), asked[path])
        for path, row in zip(expected, frame.itertuples(), strict=True)
    }
    assert found == expected
    assert "timeout (transient): 1" in summary(frame, 1.0)
    assert list(read_samples(tmp_path / "out.tar")) == []


def test_no_connection_and_no_such_host(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    frame = fetch(tmp_path, ["http://a.test/", "https://nothing.invalid/", f"http://{'a' * 70}.example/"], port)
    assert list(frame["failure"]) == ["connect", "dns", "dns"]
    assert list(frame["permanent"]) == [False, True, True]


def test_no_encryption(tmp_path):
    async def handler(request):
        raise AssertionError("it does not speak HTTP without")

    with serving(handler) as port:
        frame = fetch(tmp_path, ["https://a.test/"], port)
    assert list(frame["failure"]) == ["tls"] and frame["permanent"].all()


def test_urls_are_asked_as_they_are_written(tmp_path):
    asked = []
    written = {
        "/m%3D900_s%3D1/v2?w=true&sig=a%2Cb": "/m%3D900_s%3D1/v2?w=true&sig=a%2Cb",
        "/a//b/../c.jpg#part": "/a//b/../c.jpg",
        "/100%.jpg?a=b|c d": "/100%.jpg?a=b%7Cc%20d",
        "/caf\u00e9.jpg": "/caf%C3%A9.jpg",
        "?x": "/?x",
        "": "/",
    }

    async def handler(request):
        asked.append(f"{request.host}{request.raw_path}")
        return web.Response(body=jpeg())

    with serving(handler) as port:
        frame = fetch(tmp_path, [f"http://B\u00fcro.test{path}" for path in written], port, connections=1)
    assert asked == [f"xn--bro-hoa.test{path}" for path in written.values()]
    assert (frame["final_host"] == "xn--bro-hoa.test").all()


def test_who_asks_is_said_honestly(tmp_path):
    headers = {}

    async def handler(request):
        headers.update(request.headers)
        return web.Response(body=jpeg(), headers={"Set-Cookie": "a=b"})

    with serving(handler) as port:
        fetch(tmp_path, ["http://a.test/1", "http://a.test/2"], port, connections=1)
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


def test_settings_that_make_no_sense_are_refused(tmp_path):
    for change in ({"attempts": 0}, {"timeout_s": float("nan")}, {"user_agent": "a\nb"}, {"image_size": 0}):
        with pytest.raises(ValueError, match=next(iter(change)).replace("_", "-")):
            fetch(tmp_path, [], **change)
    assert fetch(tmp_path, []).empty
