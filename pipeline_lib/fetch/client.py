"""Ask one URL once: one request, one deadline, one answer or one classified failure.

Redirects are returned, not followed, so that the host they lead to gets the same checks and limits as any other. What
an answer says is taken as curl and urllib take it: every status from 200 to 299 may come with an image, and a wrong
``Content-Encoding`` costs nothing.
"""

import asyncio
import base64
import contextlib
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pyarrow as pa
from yarl import URL

from pipeline_lib.fetch import Failed
from pipeline_lib.fetch.addresses import Resolver
from pipeline_lib.fetch.connection import Head
from pipeline_lib.fetch.exchange import Connections, Exchange
from pipeline_lib.fetch.settings import FetchSettings
from pipeline_lib.jobs.retry import is_transient, parse_retry_after

WITHOUT_BODY = (204, 304)  # of the statuses that are no errors; all others may come with an image
OPT_OUTS = {"noai", "noimageai", "noindex", "noimageindex", "none"}  # "none" is short for "noindex, nofollow"
IMAGES, RULES = "image/*, */*;q=0.5", "text/plain, */*;q=0.1"  # what we accept
RULES_BYTES = 500 * 1024  # of a robots.txt; RFC 9309 asks for at least so many to be read
DNS_THREADS = 32  # each lookup that hangs holds one
WINDOW_BITS = {"gzip": (47,), "x-gzip": (47,), "deflate": (47, -15)}  # zlib's: by the data's head; without a head
PYARROW = {"br": "brotli", "zstd": "zstd"}  # its names
CODINGS = 3  # that are undone, one in the other


def open_session(settings: FetchSettings) -> Connections:
    """Return the connections for `ask`, to be closed by their `aclose`."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(DNS_THREADS, "dns"))
    return Connections(Resolver(settings.targets), settings.connections)


class Answer(NamedTuple):
    """What a host said: `body` of an answer, or `location` of a redirect."""

    http_code: int
    body: bytes | None
    location: str | None = None


async def ask(
    session: Connections, settings: FetchSettings, url: URL, timeout_s: float, rules: bool = False, alone: bool = False
) -> Answer:
    """Request an image, or a robots.txt (`rules`), of which what is beyond `RULES_BYTES` does not count.

    `url` comes from `parse_url`; `timeout_s` is for everything from the name's lookup to the last byte. Raises `Failed`
    if there is neither a body nor a redirect, or the host does not want the image to be used. Of a robots.txt whose
    body does not come whole, the lines that came count. `alone`, for repetitions, asks over a connection of its own
    that the host is to close: some answers end in no other way.
    """
    exchange, most = Exchange(session, url, alone), RULES_BYTES if rules else settings.max_bytes
    try:
        async with asyncio.timeout(timeout_s):
            head = await exchange.send(_request(url, settings.user_agent, RULES if rules else IMAGES, alone))
            location = head.get("location") or head.get("uri")  # as urllib does
            is_redirect = head.status // 100 == 3 and location
            if not is_redirect and not _has_body(head):
                wait_s = wished_wait_s(head.status, head.get("retry-after"))
                raise Failed("http", not is_transient(head.status), wait_s=wait_s)
            if not rules and opted_out(head.fields.get("x-robots-tag", []), settings.agent_name):
                raise Failed("opt-out", permanent=True)
            if is_redirect:
                return Answer(head.status, None, location)
            if not rules and not head.is_chunked and min(head.lengths, default=0) > most:
                raise Failed("too-large", permanent=True)
            await exchange.read(most)
            body = decoded(bytes(exchange.body), head, most)
            if not rules and len(body) > most:
                raise Failed("too-large", permanent=True)
    except (Failed, TimeoutError) as error:
        head = exchange.head
        if rules and head and _has_body(head):
            return Answer(head.status, bytes(exchange.body[: exchange.body.rfind(b"\n") + 1]))
        failed = error if isinstance(error, Failed) else Failed("timeout", permanent=False)
        exchange.note_on(failed)
        raise failed from error
    finally:
        exchange.close()
    return Answer(head.status, body[:most])


def _has_body(head: Head) -> bool:
    return 200 <= head.status < 400 and head.status not in WITHOUT_BODY


def _request(url: URL, user_agent: str, accept: str, alone: bool) -> bytes:
    lines = [
        f"GET {url.raw_path_qs} HTTP/1.1",
        f"Host: {url.host_port_subcomponent}",
        f"User-Agent: {user_agent}",
        f"Accept: {accept}",
        "Accept-Encoding: identity",
        *(["Connection: close"] if alone else []),
    ]
    if url.user is not None:
        account = base64.b64encode(f"{url.user}:{url.password or ''}".encode())
        lines.append(f"Authorization: Basic {account.decode()}")
    return "\r\n".join([*lines, "", ""]).encode()


def decoded(body: bytes, head: Head, most: int) -> bytes:
    """Undo gzip, deflate, br and zstd, up to a little more than `most` bytes; what is only labelled so stays as it is.

    We ask for none of them, but some hosts send it, and others put the label on images as they are.
    """
    codings = head.tokens("content-encoding") + head.tokens("transfer-encoding")
    for coding in reversed(codings[-CODINGS:]):
        for window_bits in WINDOW_BITS.get(coding, ()):
            with contextlib.suppress(zlib.error):
                body = zlib.decompressobj(window_bits).decompress(body, most + 1) or body
                break
        if coding in PYARROW:
            with contextlib.suppress(OSError), pa.CompressedInputStream(pa.py_buffer(body), PYARROW[coding]) as stream:
                body = stream.read(most + 1) or body
    return body


def opted_out(headers: list[str], agent_name: str) -> bool:
    """Return whether ``X-Robots-Tag`` headers forbid the use of what they come with.

    `headers` are such as ``"noai, noimageai"`` or ``"otherbot: noindex"``, which concerns that agent alone.
    """
    for header in headers:
        concerned = True
        for directive in header.lower().split(","):
            agent, separator, rest = directive.rpartition(":")
            if separator:
                concerned = agent.strip() == agent_name.lower()
            if concerned and rest.strip() in OPT_OUTS:
                return True
    return False


def wished_wait_s(http_code: int, retry_after: str | None) -> float | None:
    """Return for how many seconds the host wants to be left alone, as `Failed` takes it.

    A 429, too many requests, asks for it by itself, a 503 with a ``Retry-After`` header; others do not.
    """
    if http_code not in (429, 503):
        return None
    wait_s = parse_retry_after(retry_after)
    return 0.0 if wait_s is None and http_code == 429 else wait_s
