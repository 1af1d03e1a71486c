"""Keep a list of links from the open web away from the machines behind our own firewall.

A URL's host is either a literal address, checked by `parse_url` for the first request and for every redirect, or a
name, checked in `PublicResolver`: the connection is opened to the very addresses that were checked, so a name server
that changes its answer gains nothing. Only an explicit ``--connect-to`` reaches any other address.
"""

import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import quote, urljoin, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from pipeline_lib.fetch.failures import Failed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Target = tuple[str, int]

NAT64 = ipaddress.ip_network("64:ff9b::/96")
# What RFC 3986 allows in paths and queries, besides letters and digits; "%" since most URLs come quoted.
LEGAL = "%/:?@!$&'()*+,;=-._~"
NO_SUCH_NAME = (socket.EAI_NONAME, socket.EAI_NODATA)
GLOBAL_UNICAST_V6 = ipaddress.ip_network("2000::/3")
# For protocols and documentation, and no place for a web host (IANA's registries of special-purpose addresses); some
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


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))  # 2130706433, 0x7f.1 and 0177.0.0.1 are addresses too
    except (OSError, UnicodeError):
        return None


def parse_url(text: str, base: str = "") -> URL:
    """Parse a URL that may be asked.

    Path and query stay as they are but for characters that no request line may hold: a URL that is merely equivalent
    does not match a signature in its query.

    Parameters
    ----------
    text : str
        The URL.
    base : str
        What a relative `text` is relative to.

    Raises
    ------
    Failed
        ``url`` if it is not http or https with a host, ``address`` if its host is a literal non-public address.
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
    literal = _literal(url.raw_host)
    if literal is not None and not is_public(literal):
        raise Failed("address", permanent=True)
    return url


def parse_connect_to(text: str) -> tuple[str, Target]:
    """Parse ``SUFFIX=HOST:PORT``, where HOST is an IP address.

    Raises
    ------
    ValueError
        If `text` has another form.
    """
    suffix, _, target = text.partition("=")
    host, _, port = target.rpartition(":")
    try:
        ipaddress.ip_address(host.strip("[]"))
        if not suffix or not 0 < int(port) < 65536:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"--connect-to: expected SUFFIX=ADDRESS:PORT, such as miniature.test=127.0.0.1:8080, found {text!r}"
        ) from None
    return suffix.lower().strip("."), (host.strip("[]"), int(port))


class PublicResolver(AbstractResolver):
    """Resolves host names to public addresses, and names under given suffixes to given addresses.

    A name that does not exist is looked up once: aiohttp keeps the addresses that it was given, but no failure.

    Parameters
    ----------
    connect_to : mapping of str to (str, int)
        Address and port for every host name that is the suffix or ends in it after a dot.
    """

    def __init__(self, connect_to: Mapping[str, Target]) -> None:
        self._connect_to = connect_to
        self._dead: set[str] = set()
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host`.

        Raises
        ------
        Failed
            ``address`` if any of them is not public: a name with both kinds is a trick, not a web host.
        OSError
            If the name cannot be resolved.
        """
        name = host.lower().rstrip(".")
        for suffix, (address, mapped_port) in self._connect_to.items():
            if name == suffix or name.endswith(f".{suffix}"):
                return [_result(host, address, mapped_port)]
        if name in self._dead:
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} does not exist")
        try:
            results = await self._resolver.resolve(host, port, family)
        except socket.gaierror as error:
            if error.errno in NO_SUCH_NAME:
                self._dead.add(name)
            raise
        except UnicodeError as error:
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is not a host name") from error
        if not all(is_public(ipaddress.ip_address(result["host"])) for result in results):
            raise Failed("address", permanent=True)
        return results

    async def close(self) -> None:
        """Close the underlying resolver."""
        await self._resolver.close()


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
