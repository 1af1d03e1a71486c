"""The fetch stage against a real server on the loopback interface, which misbehaves in every way we classify."""

import asyncio
import gzip
import socket
import zlib
from collections import Counter

import pandas as pd
import pytest
from aiohttp import web
from fetching import AGENT, fetch, fetch_settings, jpeg, serving

from pipeline_lib.fetch.addresses import PublicResolver, parse_connect_to
from pipeline_lib.fetch.client import opted_out
from pipeline_lib.fetch.failures import Failed
from pipeline_lib.fetch.fetch import summary
from pipeline_lib.fetch.schedule import Job, Schedule
from pipeline_lib.tars import read_samples


def png_header(width: int, height: int) -> bytes:
    """A PNG that says it is huge and holds next to nothing."""
    encoded = bytearray(jpeg(size=(1, 1), format="PNG"))
    encoded[16:24] = width.to_bytes(4) + height.to_bytes(4)
    encoded[29:33] = zlib.crc32(encoded[12:29]).to_bytes(4)
    return bytes(encoded)


# --- Addresses --------------------------------------------------------------------------------------------------------

INNER = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fec0::1]",
    "[fd00::1]",
    "[ff02::1]",
    "localhost",
    "LocalHost",
    "user:secret@127.0.0.1",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.0.1",
    "224.0.0.1",
    "255.255.255.255",
]


def test_inner_addresses_are_refused_directly_and_after_a_redirect(tmp_path):
    asked = []

    async def handler(request):
        asked.append(request.host)
        place = int(request.path.strip("/"))
        return web.Response(status=302, headers={"Location": f"http://{INNER[place]}:{port}/0"})

    with serving(handler) as port:
        direct = fetch(tmp_path, [f"http://{host}:{port}/0" for host in INNER], port)
        assert asked == []
        redirected = fetch(tmp_path, [f"http://a.test/{place}" for place in range(len(INNER))], port)
    assert dict(zip(INNER, direct["failure"], strict=True)) == dict.fromkeys(INNER, "address")
    assert dict(zip(INNER, redirected["failure"], strict=True)) == dict.fromkeys(INNER, "address")
    assert set(asked) == {"a.test"} and len(asked) == len(INNER)
    assert direct["permanent"].all() and redirected["permanent"].all()


@pytest.mark.parametrize(
    "url", ["", "cat.jpg", "file:///etc/passwd", "ftp://a.test/", "http://", "http://a.test:99999/"]
)
def test_only_http_urls_with_a_host_are_asked(tmp_path, url):
    outcome = fetch(tmp_path, [url]).iloc[0]
    assert (outcome["failure"], outcome["permanent"], outcome["attempts"]) == ("url", True, 0)


def test_a_name_server_that_changes_its_mind_gains_nothing(monkeypatch):
    answers = [["8.8.8.8"], ["8.8.8.8", "127.0.0.1"], ["::1"]]

    def lookup(host, port, *_, **__):
        return [
            (socket.AF_INET6 if ":" in ip else socket.AF_INET, 1, 6, "", (ip, port, 0, 0)[: 4 if ":" in ip else 2])
            for ip in answers.pop(0)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)

    async def resolve() -> list[str]:
        return [result["host"] for result in await PublicResolver({}).resolve("a.example", 80)]

    assert asyncio.run(resolve()) == ["8.8.8.8"]  # literal addresses, so that nobody resolves again
    for _ in range(2):
        with pytest.raises(Failed, match="address"):
            asyncio.run(resolve())


def test_connect_to_concerns_whole_labels_only():
    assert parse_connect_to("Miniature.test=[::1]:80") == ("miniature.test", ("::1", 80))
    for wrong in ("a", "a=b:1", "=127.0.0.1:1", "a=127.0.0.1", "a=127.0.0.1:0"):
        with pytest.raises(ValueError, match="--connect-to"):
            parse_connect_to(wrong)

    async def resolve(host):
        return (await PublicResolver({"test": ("127.0.0.1", 9)}).resolve(host, 80))[0]["port"]

    assert asyncio.run(resolve("test")) == asyncio.run(resolve("a.TEST")) == 9
    with pytest.raises(OSError):
        asyncio.run(resolve("nottest.invalid"))


# --- Hosts ------------------------------------------------------------------------------------------------------------


def test_no_host_gets_more_requests_at_once_than_allowed(tmp_path):
    now, most = Counter(), Counter()

    async def handler(request):
        if request.host == "r.test":
            return web.Response(status=302, headers={"Location": f"http://a.test{request.path}"})
        now[request.host] += 1
        most[request.host] = max(most[request.host], now[request.host])
        await asyncio.sleep(0.01)
        now[request.host] -= 1
        return web.Response(body=jpeg())

    urls = [f"http://{host}.test/{number}" for number in range(20) for host in "arb"]
    with serving(handler) as port:
        frame = fetch(tmp_path, urls, port, connections_per_host=3)
    assert (frame["status"] == "success").all()
    assert most == {"a.test": 3, "b.test": 3}
    assert list(frame["final_host"][:3]) == ["a.test", "a.test", "b.test"]


def test_a_big_host_neither_waits_nor_holds_up_the_others():
    async def hosts() -> list[str]:
        schedule = Schedule(fetch_settings(connections_per_host=2))
        for number, host in enumerate("aaaaaabc"):
            schedule.add(Job(number, host=host))
        taken = [await schedule.take() for _ in range(4)]
        for host in "ba":
            schedule.done(next(job for job in taken if job.host == host))
        return [job.host for job in [*taken, await schedule.take()]]

    taken = asyncio.run(hosts())
    assert sorted(taken[:4]) == ["a", "a", "b", "c"] and taken[4] == "a"


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
