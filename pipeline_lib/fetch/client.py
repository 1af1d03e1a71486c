"""Ask one URL once: one request, one deadline, one answer or one classified failure.

Redirects are returned, not followed, so that the host they lead to gets the same checks and limits as any other.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Self

import aiohttp
from yarl import URL

from pipeline_lib.fetch.addresses import NO_SUCH_NAME, PublicResolver
from pipeline_lib.fetch.failures import Failed
from pipeline_lib.fetch.settings import Settings

REDIRECTS = (301, 302, 303, 307, 308)
TRANSIENT_STATUSES = (408, 421, 425, 429)
OPT_OUTS = {"noai", "noimageai", "noindex", "noimageindex", "none"}  # "none" is short for "noindex, nofollow"
# A lookup that hangs holds a thread; these are waiting threads, not working ones.
DNS_THREADS = 32
# Longer than a part takes: the addresses that were checked stay the addresses that are used.
DNS_CACHE_S = 86400
DNS_CACHE_HOSTS = 100_000
# Of a robots.txt; RFC 9309 wants at least so many to be read.
RULES_BYTES = 500 * 1024

Read = Callable[[aiohttp.ClientResponse], Awaitable[bytes | None]]


class Answer(NamedTuple):
    """What a host said: `body` of an answer with status 200, or `location` of a redirect."""

    http_code: int
    body: bytes | None
    location: str | None


class Client:
    """An HTTP client that keeps connections open and stores nothing else.

    Parameters
    ----------
    settings : Settings
        User agent, cap on bytes, connections and where they may lead.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __aenter__(self) -> Self:
        """Open the session."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(DNS_THREADS, "dns"))
        connector = aiohttp.TCPConnector(
            resolver=PublicResolver(self._settings.connect_to),
            limit=self._settings.connections,
            limit_per_host=self._settings.connections_per_host,
            ttl_dns_cache=DNS_CACHE_S,
            dns_cache_max_size=DNS_CACHE_HOSTS,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": self._settings.user_agent, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # `ask` has one deadline for everything
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # behind a proxy the addresses that we check would not be the ones that are reached
        )
        # aiohttp would ask once more by itself after a reset, uncounted; it has no public name for this.
        self._session._retry_connection = False
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the session."""
        await self._session.close()

    async def ask(self, url: URL, timeout_s: float) -> Answer:
        """Request an image and read the answer.

        Parameters
        ----------
        url : URL
            As `parse_url` returns it.
        timeout_s : float
            Deadline for everything from the name's lookup to the last byte.

        Raises
        ------
        Failed
            If there is neither a body nor a redirect, or the host does not want the image to be used.
        """
        return await self._get(url, timeout_s, "image/*", self._read_image)

    async def ask_rules(self, url: URL, timeout_s: float) -> Answer:
        """Request a robots.txt and read the answer, of which what is beyond `RULES_BYTES` does not count.

        Parameters, and what is raised, are those of `ask`.
        """
        return await self._get(url, timeout_s, "text/plain, */*;q=0.1", self._read_rules)

    async def _get(self, url: URL, timeout_s: float, accept: str, read: Read) -> Answer:
        http_code, get = None, self._session.get
        try:
            async with (
                asyncio.timeout(timeout_s),
                get(url, allow_redirects=False, headers={"Accept": accept}) as response,
            ):
                http_code = response.status
                if http_code != 200 and http_code not in REDIRECTS:
                    permanent = http_code < 500 and http_code not in TRANSIENT_STATUSES
                    raise Failed(
                        "http", permanent, wait_s=wished_wait_s(http_code, response.headers.get("Retry-After"))
                    )
                body = await read(response)
                return Answer(http_code, body, response.headers.get("Location", "") if body is None else None)
        except Failed as failed:
            failed.http_code = http_code
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Failed(*_classify(error), http_code) from error

    async def _read_image(self, response: aiohttp.ClientResponse) -> bytes | None:
        if opted_out(response.headers.getall("X-Robots-Tag", []), self._settings.agent_name):
            raise Failed("opt-out", permanent=True)
        if response.status in REDIRECTS:
            return None
        if (response.content_length or 0) > self._settings.max_bytes:
            raise Failed("too-large", permanent=True)
        body = await _read(response, self._settings.max_bytes)
        if len(body) > self._settings.max_bytes:
            raise Failed("too-large", permanent=True)
        return body

    async def _read_rules(self, response: aiohttp.ClientResponse) -> bytes | None:
        return None if response.status in REDIRECTS else (await _read(response, RULES_BYTES))[:RULES_BYTES]


async def _read(response: aiohttp.ClientResponse, enough: int) -> bytes:
    """Read the body, or a little more than `enough` of it."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > enough:
            break
    return bytes(body)


def opted_out(headers: list[str], agent_name: str) -> bool:
    """Return whether ``X-Robots-Tag`` headers forbid the use of what they come with.

    Parameters
    ----------
    headers : list of str
        The values, such as ``"noai, noimageai"`` or ``"otherbot: noindex"``, which concerns that agent alone.
    agent_name : str
        Ours.
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
    """Return for how many seconds the host wishes to be left alone, as `Failed` takes it (RFC 9110, section 10.2.3).

    Parameters
    ----------
    http_code : int
        The status. 429, too many requests, is such a wish by itself, 503 with a ``Retry-After`` header; others are not.
    retry_after : str or None
        The header: a number of seconds or a date. What is neither counts for nothing.
    """
    if http_code not in (429, 503):
        return None
    with contextlib.suppress(ValueError, TypeError):
        return max(0, int(retry_after))
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    return 0.0 if http_code == 429 else None


def _classify(error: Exception) -> tuple[str, bool]:
    """Return failure class and permanence of what aiohttp raised, most specific class first."""
    match error:
        case TimeoutError():
            return "timeout", False
        case aiohttp.InvalidURL():
            return "url", True
        case aiohttp.ClientConnectorDNSError():
            return "dns", error.os_error.errno in NO_SUCH_NAME
        case aiohttp.ClientSSLError():
            return "tls", True
        case aiohttp.ClientConnectorError():
            return "connect", False
        case aiohttp.ClientPayloadError():
            return "truncated", False
        case aiohttp.ServerDisconnectedError() | OSError():
            return "reset", False
        case _:
            return "protocol", False
