"""Which addresses may be asked: public ones alone, however they are written, led to, or named.

A list of links from the open web must not reach the machines behind our own firewall. A URL's host is either a literal
address, checked by `parse_url` for the first request and for every redirect, or a name, checked in `Resolver`: the
connection is opened to the very addresses that were checked, so a name server that changes its answer gains nothing.
Only an explicit ``--connect-to`` reaches any other address.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import quote, urljoin, urlsplit

from yarl import URL

from pipeline_lib.fetch import Failed
from pipeline_lib.fetch.settings import Target

LEGAL = "%/:?@!$&'()*+,;=-._~"  # in paths and queries by RFC 3986, besides letters and digits; most URLs come quoted
NO_SUCH_NAME = (socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY)  # the last: not of our kinds of address

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")
GLOBAL_UNICAST_V6 = ipaddress.ip_network("2000::/3")
# For protocols and documentation, no place for a web host (IANA's registries of special-purpose addresses); some
# versions of Python take parts of them for global.
SPECIAL = [*map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "3fff::/20"))]


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


def _quoted(text: str) -> str:
    return quote(text, safe=LEGAL, errors="surrogateescape")


def parse_url(text: str, base: str = "") -> URL:
    """Parse a URL that may be asked; `base` is what a relative `text` is relative to.

    Path and query stay as they are but for characters that no request line may hold: a URL that is merely equivalent
    does not match a signature in its query. Bytes of a header that are not UTF-8, escaped as surrogates, come out as
    they were. Raises `Failed`: ``url`` if it is not http or https with a host,
    ``address`` if its host is a literal non-public address.
    """
    try:
        parts = urlsplit(urljoin(base, text))
        parts = parts._replace(netloc=parts.netloc.strip())
        url = URL.build(
            scheme=parts.scheme,
            authority=URL(parts.geturl()).raw_authority,
            path=_quoted(parts.path) or "/",
            query_string=_quoted(parts.query),
            encoded=True,
        )
        if url.scheme not in ("http", "https") or not url.raw_host or not url.port:
            raise ValueError("it does not lead to a web server")
        address = _literal_address(url.raw_host)
    except ValueError as error:  # of a NUL in the host too
        raise Failed("url", permanent=True) from error
    if address is not None and not is_public(address):
        raise Failed("address", permanent=True)
    return url


AddressInfo = tuple[int, int, int, str, tuple]  # as `socket.getaddrinfo` returns them


class Resolver:
    """Resolves host names to public addresses, and names in or below the suffixes of `connect_to` to their targets.

    A name is looked up once, unless the name server was in trouble: what was checked stays in use.
    """

    def __init__(self, connect_to: Mapping[str, Target]) -> None:
        self._connect_to = connect_to
        self._lookups: dict[tuple[str, int], asyncio.Task] = {}

    async def resolve(self, host: str, port: int) -> list[AddressInfo]:
        """Return the addresses of `host`; raise `Failed`: ``dns`` if it has none, ``address`` if any is not public.

        A name with public addresses and others is a trick, not a web host. That a name does not exist, or leads inside,
        may be the fault of our own name server, so it is not permanent; but it is not asked again in this run.
        """
        name = host.lower().rstrip(".")
        lookup = self._lookups.get((name, port))
        if lookup is None:
            lookup = self._lookups[name, port] = asyncio.create_task(self._look_up(name, host, port))
            lookup.add_done_callback(lambda task: task.cancelled() or task.exception())  # nobody may be waiting
        try:
            return await asyncio.shield(lookup)  # others may wait for it too
        except Failed as failed:
            if not (failed.permanent or failed.later):
                self._lookups.pop((name, port), None)
            raise Failed(failed.failure, failed.permanent, later=failed.later) from failed

    async def _look_up(self, name: str, host: str, port: int) -> list[AddressInfo]:
        loop = asyncio.get_running_loop()
        for suffix, target in self._connect_to.items():
            if name == suffix or name.endswith(f".{suffix}"):
                return await loop.getaddrinfo(*target, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        except ValueError as error:  # not a host name
            raise Failed("dns", permanent=True) from error
        except OSError as error:
            raise Failed("dns", permanent=False, later=error.errno in NO_SUCH_NAME) from error
        if not all(is_public(ipaddress.ip_address(address[0])) for *_, address in found):
            raise Failed("address", permanent=False, later=True)
        return found
