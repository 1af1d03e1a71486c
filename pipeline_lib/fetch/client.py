"""Ask one URL once: one request, one deadline, one answer or one classified failure.

Redirects are returned, not followed, so that the host they lead to gets the same checks and limits as any other.

A list of links from the open web must not reach the machines behind our own firewall. A URL's host is either a literal
address, checked by `parse_url` for the first request and for every redirect, or a name, checked in `PublicResolver`:
the connection is opened to the very addresses that were checked, so a name server that changes its answer gains
nothing. Only an explicit ``--connect-to`` reaches any other address.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from pipeline_lib.fetch import Failed
from pipeline_lib.fetch.settings import FetchSettings, Target
from pipeline_lib.jobs.retry import is_transient, parse_retry_after

REDIRECTS = (301, 302, 303, 307, 308)
OPT_OUTS = {"noai", "noimageai", "noindex", "noimageindex", "none"}  # "none" is short for "noindex, nofollow"
RULES_BYTES = 500 * 1024  # of a robots.txt; RFC 9309 asks for at least so many to be read
DNS_THREADS = 32  # each lookup that hangs holds one
DNS_CACHE_S, DNS_CACHE_HOSTS = 86400, 100_000  # longer than a part takes: checked addresses stay the ones in use
NO_SUCH_NAME = (socket.EAI_NONAME, socket.EAI_NODATA)
LEGAL = "%/:?@!$&'()*+,;=-._~"  # in paths and queries by RFC 3986, besides letters and digits; most URLs come quoted

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")
GLOBAL_UNICAST_V6 = ipaddress.ip_network("2000::/3")
# For protocols and documentation, no place for a web host (IANA's registries of special-purpose addresses); some
# versions of Python take parts of them for global.
SPECIAL = [
    ipaddress.ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "3fff::/20")
]


def is_public(address: Address) -> bool:
    """Return whether `address` is a public unicast address, looking through IPv4 addresses embedded in IPv6 ones."""
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded:
            return is_public(embedded)
        if address not in GLOBAL_UNICAST_V6:
            return False
    special = any(address in network for network in SPECIAL if network.version == address.version)
    return address.is_global and not address.is_multicast and not special


def _literal_address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))  # 2130706433, 0x7f.1 and 0177.0.0.1 are addresses too
    except (OSError, UnicodeError):
        return None


def parse_url(text: str, base: str = "") -> URL:
    """Parse a URL that may be asked; `base` is what a relative `text` is relative to.

    Path and query stay as they are but for characters that no request line may hold: a URL that is merely equivalent
    does not match a signature in its query. Raises `Failed`: ``url`` if it is not http or https with a host,
    ``address`` if its host is a literal non-public address.
    """
    try:
        parts = urlsplit(urljoin(base, text))
        url = URL.build(
            scheme=parts.scheme,
            authority=URL(parts.geturl()).raw_authority,
            path=quote(parts.path, safe=LEGAL) or "/",
            query_string=quote(parts.query, safe=LEGAL),
            encoded=True,
        )
        usable = url.scheme in ("http", "https") and url.raw_host and url.port
    except ValueError:
        usable = False
    if not usable:
        raise Failed("url", permanent=True)
    address = _literal_address(url.raw_host)
    if address is not None and not is_public(address):
        raise Failed("address", permanent=True)
    return url


class PublicResolver(ThreadedResolver):
    """Resolves host names to public addresses, and names in or below the suffixes of `connect_to` to their targets.

    A name that does not exist is looked up once: aiohttp caches addresses, but no failures.
    """

    def __init__(self, connect_to: Mapping[str, Target]) -> None:
        super().__init__()
        self._connect_to, self._dead = connect_to, set()

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Return the addresses of `host`; raise OSError if it has none, and `Failed` if any of them is not public.

        A name with public addresses and others is a trick, not a web host.
        """
        name = host.lower().rstrip(".")
        for suffix, target in self._connect_to.items():
            if name == suffix or name.endswith(f".{suffix}"):
                return await super().resolve(*target)
        if name in self._dead:
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} does not exist")
        try:
            results = await super().resolve(host, port, family)
        except socket.gaierror as error:
            if error.errno in NO_SUCH_NAME:
                self._dead.add(name)
            raise
        except UnicodeError as error:
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is not a host name") from error
        if not all(is_public(ipaddress.ip_address(result["host"])) for result in results):
            raise Failed("address", permanent=True)
        return results


def open_session(settings: FetchSettings) -> aiohttp.ClientSession:
    """Return a session for `ask`, to be closed by ``async with``."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(DNS_THREADS, "dns"))
    connector = aiohttp.TCPConnector(
        resolver=PublicResolver(settings.connect_to),
        limit=settings.connections,
        limit_per_host=settings.connections_per_host,
        ttl_dns_cache=DNS_CACHE_S,
        dns_cache_max_size=DNS_CACHE_HOSTS,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": settings.user_agent, "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # `ask` has one deadline for everything
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,  # behind a proxy the addresses that we check would not be the ones that are reached
    )
    # aiohttp would ask once more by itself after a reset, uncounted; it has no public name for this.
    session._retry_connection = False
    return session


class Answer(NamedTuple):
    """What a host said: `body` of an answer with status 200, or `location` of a redirect."""

    http_code: int
    body: bytes | None
    location: str | None = None


async def ask(
    session: aiohttp.ClientSession, settings: FetchSettings, url: URL, timeout_s: float, rules: bool = False
) -> Answer:
    """Request an image, or a robots.txt (`rules`), of which what is beyond `RULES_BYTES` does not count.

    `url` comes from `parse_url`; `timeout_s` is for everything from the name's lookup to the last byte. Raises `Failed`
    if there is neither a body nor a redirect, or the host does not want the image to be used.
    """
    http_code = None
    headers = {"Accept": "text/plain, */*;q=0.1" if rules else "image/*"}
    try:
        async with asyncio.timeout(timeout_s), session.get(url, allow_redirects=False, headers=headers) as response:
            http_code = response.status
            if http_code != 200 and http_code not in REDIRECTS:
                wait_s = wished_wait_s(http_code, response.headers.get("Retry-After"))
                raise Failed("http", not is_transient(http_code), wait_s=wait_s)
            if not rules and opted_out(response.headers.getall("X-Robots-Tag", []), settings.agent_name):
                raise Failed("opt-out", permanent=True)
            if http_code in REDIRECTS:
                return Answer(http_code, None, response.headers.get("Location", ""))
            if rules:
                return Answer(http_code, (await _read(response, RULES_BYTES))[:RULES_BYTES])
            too_large = (response.content_length or 0) > settings.max_bytes
            if too_large or len(body := await _read(response, settings.max_bytes)) > settings.max_bytes:
                raise Failed("too-large", permanent=True)
            return Answer(http_code, body)
    except Failed as failed:
        failed.http_code = http_code
        raise
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Failed(*_classify(error), http_code) from error


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
