"""The fetch stage against a real server on the loopback interface, which misbehaves in every way we classify."""

import asyncio
import contextlib
import gzip
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from aiohttp import web
from PIL import Image

from pipeline_lib.cc3m import Row, read_rows
from pipeline_lib.fetch.addresses import PublicResolver, parse_connect_to
from pipeline_lib.fetch.client import opted_out
from pipeline_lib.fetch.failures import Failed
from pipeline_lib.fetch.fetch import fetch_part, summary
from pipeline_lib.fetch.images import prepare
from pipeline_lib.fetch.schedule import Job, Schedule
from pipeline_lib.fetch.settings import Settings
from pipeline_lib.files import read_parquet, write_parquet
from pipeline_lib.miniature.serve import ANSWERS, read_web
from pipeline_lib.tars import read_samples, write_samples

AGENT = "conclip-test/1.0 (+mailto:test@example.org)"


def jpeg(colour="red", size=(40, 30), **save) -> bytes:
    encoded = io.BytesIO()
    Image.new("RGB", size, colour).save(encoded, **{"format": "JPEG", **save})
    return encoded.getvalue()


@contextlib.contextmanager
def serving(handler):
    """Serve `handler` from a thread; yield the port."""
    loop = asyncio.new_event_loop()

    async def start() -> web.ServerRunner:
        server = web.Server(handler, handler_cancellation=True, access_log=None)
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


def fetch(folder: Path, rows: list[str] | list[Row], port: int = 1, **changes) -> pd.DataFrame:
    settings = Settings(
        **{
            "image_size": 16,
            "user_agent": AGENT,
            "timeout_s": 5.0,
            "max_bytes": 100_000,
            "max_pixels": 1_000_000,
            "max_redirects": 3,
            "attempts": 3,
            "backoff_s": 0.01,
            "connections": 16,
            "connections_per_host": 4,
            "threads": 1,
            "connect_to": {"test": ("127.0.0.1", port)},
            **changes,
        }
    )
    if rows and isinstance(rows[0], str):
        rows = [Row(f"{number:09d}", f"caption {number}", url, None) for number, url in enumerate(rows)]
    return fetch_part(rows, settings, folder / "out.tar", folder / "out.parquet")


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
        schedule = Schedule(per_host=2)
        for number, host in enumerate("aaaaaabc"):
            schedule.add(Job(number, "", host))
        taken = [(await schedule.take()).host for _ in range(4)]
        schedule.release("b")
        schedule.release("a")
        return [*taken, (await schedule.take()).host]

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
    assert frame["attempts"].iloc[0] == 3 and not frame["permanent"].iloc[0]


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
    assert opted_out(headers, AGENT) is forbids


def test_settings_that_make_no_sense_are_refused(tmp_path):
    for change in ({"attempts": 0}, {"timeout_s": float("nan")}, {"user_agent": "a\nb"}, {"image_size": 0}):
        with pytest.raises(ValueError, match=next(iter(change)).replace("_", "-")):
            fetch(tmp_path, [], **change)
    assert fetch(tmp_path, []).empty


# --- Images -----------------------------------------------------------------------------------------------------------


def encoded(image: Image.Image, form: str, **save) -> bytes:
    content = io.BytesIO()
    image.save(content, form, **save)
    return content.getvalue()


SIZE = (40, 20)
GREY16 = Image.frombytes("I;16", SIZE, (0x8000).to_bytes(2, "little") * 800)
CASES = {
    "rgb": (encoded(Image.new("RGB", SIZE, (200, 0, 0)), "PNG"), (200, 0, 0)),
    "grey": (encoded(Image.new("L", SIZE, 90), "JPEG"), (90, 90, 90)),
    "16 bits": (encoded(GREY16, "PNG"), (128, 128, 128)),
    "alpha": (encoded(Image.new("RGBA", SIZE, (0, 0, 0, 0)), "PNG"), (255, 255, 255)),
    "grey alpha": (encoded(Image.new("LA", SIZE, (0, 0)), "PNG"), (255, 255, 255)),
    "palette": (encoded(Image.new("RGB", SIZE, (0, 0, 200)).quantize(2), "PNG"), (0, 0, 200)),
    "transparent palette": (encoded(Image.new("P", SIZE, 0), "PNG", transparency=0), (255, 255, 255)),
    "cmyk": (encoded(Image.new("CMYK", SIZE, (0, 255, 255, 0)), "JPEG"), (255, 0, 0)),
    "bits": (encoded(Image.new("1", SIZE, 1), "TIFF"), (255, 255, 255)),
    "animated": (
        encoded(Image.new("RGB", SIZE, "lime"), "GIF", save_all=True, append_images=[Image.new("RGB", SIZE)]),
        (0, 255, 0),
    ),
    "webp": (encoded(Image.new("RGB", SIZE, (0, 0, 200)), "WEBP", lossless=True), (0, 0, 200)),
}


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_image_becomes_an_rgb_jpeg(name):
    body, colour = CASES[name]
    picture = prepare(body, 10, 10_000)
    with Image.open(io.BytesIO(picture.content)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (20, 10))
        assert all(abs(found - wanted) <= 3 for found, wanted in zip(image.getpixel((5, 5)), colour, strict=True))
    assert picture[1:5] == (20, 10, *SIZE)
    assert prepare(body, None, 10_000).content == body


def test_exif_rotation_is_applied_and_broken_exif_ignored():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert prepare(jpeg(size=(40, 20), exif=exif), 10, 10_000)[1:5] == (10, 20, 40, 20)
    assert prepare(jpeg(size=(40, 20), exif=b"Exif\x00\x00II*\x00\xff"), 10, 10_000)[1:3] == (20, 10)


def test_corrupt_images_are_refused_even_where_bytes_are_kept():
    for body in (jpeg()[:-40], jpeg(format="PNG")[:60], jpeg(format="GIF")[:-8]):
        with pytest.raises(Failed) as caught:
            prepare(body, None, 10_000)
        assert caught.value.failure == "corrupt" and caught.value.permanent


# --- The commands -----------------------------------------------------------------------------------------------------


def fetch_command(captions: Path, out: Path, **changes) -> list[str]:
    flags = {
        "captions": captions,
        "part": 0,
        "parts": 1,
        "images": out / "out.tar",
        "outcomes": out / "out.parquet",
        "image-size": 16,
        "user-agent": AGENT,
        "timeout-s": 1,
        "max-bytes": 100_000,
        "max-pixels": 1_000_000,
        "max-redirects": 3,
        "attempts": 2,
        "backoff-s": 0.01,
        "connections": 16,
        "connections-per-host": 4,
        "threads": 1,
        **changes,
    }
    pairs = [text for name, value in flags.items() for text in (f"--{name}", str(value))]
    return [sys.executable, "-m", "pipeline_lib.fetch.fetch", *pairs]


def serve_command(folder: Path, command: list[str]) -> list[str]:
    files = ["--web", str(folder / "web.tar"), "--answers", str(folder / "answers.parquet")]
    return [sys.executable, "-m", "pipeline_lib.miniature.serve", *files, "--", *command]


@pytest.fixture
def miniature(tmp_path) -> Path:
    """A web with each answer twice, and a captions file that links to it and has three bad lines."""
    answers = sorted(ANSWERS) * 2
    keys = [f"{number:09d}" for number in range(len(answers))]
    write_samples(tmp_path / "web.tar", ((key, {"jpg": jpeg((int(key), 0, 0), (64, 48))}) for key in keys))
    urls = [f"http://host-{number % 3}.miniature.test/{number}.jpg" for number in range(len(answers))]
    write_parquet(tmp_path / "answers.parquet", pd.DataFrame({"url": urls, "key": keys, "answer": answers}))
    lines = [f'a "quoted caption {key}\t{url}\n' for key, url in zip(keys, urls, strict=True)]
    bad = ["no tab\n", "three\tfields\there\n", "unknown\thttp://host-0.miniature.test/other.jpg\n"]
    (tmp_path / "cc3m.tsv").write_text("".join([*lines, *bad]))
    return tmp_path


def test_every_answer_of_the_miniature_has_its_outcome_and_two_runs_give_the_same_bytes(miniature):
    command = fetch_command(miniature / "cc3m.tsv", miniature / "one", **{"timeout-s": 1})
    ran = subprocess.run(serve_command(miniature, command), capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert "rows 27, successes 6 (22.2%)" in ran.stdout
    assert sorted(path.name for path in (miniature / "one").iterdir()) == ["out.parquet", "out.tar"]
    rows = list(read_rows(miniature / "cc3m.tsv"))
    with serving(read_web(miniature / "web.tar", miniature / "answers.parquet").handle) as port:
        few = {"connections": 3, "connections_per_host": 1, "threads": 2, "attempts": 2, "timeout_s": 1.0}
        fetch(miniature / "two", rows, port, **few, connect_to={"miniature.test": ("127.0.0.1", port)})
    for name in ("out.tar", "out.parquet"):
        assert (miniature / "one" / name).read_bytes() == (miniature / "two" / name).read_bytes()

    frame = read_parquet(miniature / "one" / "out.parquet")
    assert list(frame["key"]) == [f"{number:09d}" for number in range(27)]
    expected = {
        "ok": (None, False, 200, 1),
        "redirect": (None, False, 200, 1),
        "busy-once": (None, False, 200, 2),
        "dead": ("http", True, 404, 1),
        "gone": ("http", True, 410, 1),
        "forbidden": ("http", True, 403, 1),
        "failing": ("http", False, 500, 2),
        "mislabelled": ("not-an-image", True, 200, 1),
        "truncated": ("truncated", False, 200, 2),
        "corrupt": ("corrupt", True, 200, 1),
        "noai": ("opt-out", True, 200, 1),
        "silent": ("timeout", False, None, 2),
    }
    assert expected.keys() == ANSWERS.keys()
    answers = [*(sorted(ANSWERS) * 2), None, None, "dead"]
    for row, answer in zip(frame.itertuples(), answers, strict=True):
        wanted = expected.get(answer, ("row", True, None, 0))
        code = None if pd.isna(row.http_code) else int(row.http_code)
        assert (None if pd.isna(row.failure) else row.failure, row.permanent, code, row.attempts) == wanted, answer

    samples = list(read_samples(miniature / "one" / "out.tar"))
    assert [key for key, _ in samples] == list(frame.loc[frame["status"] == "success", "key"])
    for key, parts in samples:
        facts = json.loads(parts["json"])
        assert facts["caption"] == f'a "quoted caption {key}' and facts["url"] == frame["url"][int(key)]
        assert (facts["width"], facts["height"], facts["original_width"], facts["original_height"]) == (21, 16, 64, 48)
        with Image.open(io.BytesIO(parts["jpg"])) as image:
            assert image.size == (21, 16) and abs(image.getpixel((0, 0))[0] - int(key)) <= 3


def test_a_killed_fetch_leaves_nothing(miniature):
    waiting = threading.Event()

    async def handler(request):
        if request.path == "/5.jpg":
            waiting.set()
            await asyncio.Event().wait()
        return web.Response(body=jpeg())

    out = miniature / "out"
    with serving(handler) as port:
        command = fetch_command(miniature / "cc3m.tsv", out, **{"timeout-s": 60})
        fetching = subprocess.Popen([*command, "--connect-to", f"miniature.test=127.0.0.1:{port}"])
        assert waiting.wait(30)
        fetching.kill()
        assert fetching.wait(10) == -signal.SIGKILL
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "status"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_serve_ends_as_its_command_ends(miniature, script, status):
    ran = subprocess.run(serve_command(miniature, [sys.executable, "-c", script]), timeout=30)
    assert ran.returncode == status


def test_serve_takes_its_command_along_when_it_is_ended(miniature):
    pid_file = miniature / "pid"
    script = f"import os, time; open({str(pid_file)!r}, 'w').write(f'{{os.getpid()}}.'); time.sleep(60)"
    serving_process = subprocess.Popen(serve_command(miniature, [sys.executable, "-c", script]))
    deadline = time.monotonic() + 30
    while not (pid_file.exists() and pid_file.read_text().endswith(".")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    serving_process.terminate()
    assert serving_process.wait(10) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text().strip(".")), 0)


@pytest.mark.parametrize("change", [{"answer": "perhaps"}, {"key": "000000099"}, {"url": "http://a.test/"}])
def test_serve_refuses_a_table_that_does_not_fit(miniature, change):
    table = miniature / "answers.parquet"
    write_parquet(table, read_parquet(table).assign(**change))
    with pytest.raises(ValueError, match=next(iter(change.values()))):
        read_web(miniature / "web.tar", table)
