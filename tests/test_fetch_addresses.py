"""Which addresses are asked: none of ours, however they are written, led to, or named."""

import asyncio
import ipaddress
import socket
from collections import Counter

import pytest
from aiohttp import web
from fetching import fetch, jpeg, serving

from pipeline_lib.fetch.addresses import PublicResolver, is_public, parse_connect_to
from pipeline_lib.fetch.failures import Failed

# Ways to write an address that is not public, as the host of a URL.
INNER = {
    "loopback": "127.0.0.1",
    "loopback, short": "127.1",
    "loopback, decimal": "2130706433",
    "loopback, hex": "0x7f000001",
    "loopback, hex in pieces": "0x7f.1",
    "loopback, octal": "0177.0.0.1",
    "loopback, octal in one": "017700000001",
    "loopback, mixed": "0x7f.0.0.01",
    "loopback, not the first": "127.255.255.254",
    "loopback, final dot": "127.0.0.1.",
    "loopback, full-width digits": "１２７.0.0.1",
    "loopback, escaped": "%31%32%37.0.0.1",
    "any": "0.0.0.0",
    "any, short": "0",
    "this network": "0.1.2.3",
    "private, 10": "10.0.0.1",
    "private, 172": "172.16.0.1",
    "private, 192": "192.168.0.1",
    "private, decimal": "3232235521",
    "carrier": "100.64.0.1",
    "link-local": "169.254.1.1",
    "metadata service": "169.254.169.254",
    "metadata service, decimal": "2852039166",
    "protocol assignments": "192.0.0.8",
    "documentation": "192.0.2.1",
    "benchmarks": "198.18.0.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "v6 loopback": "[::1]",
    "v6 loopback, long": "[0:0:0:0:0:0:0:1]",
    "v6 any": "[::]",
    "v6 mapped": "[::ffff:127.0.0.1]",
    "v6 mapped, hex": "[::ffff:7f00:1]",
    "v6 mapped, private": "[::ffff:10.0.0.1]",
    "v6 compatible": "[::127.0.0.1]",
    "v6 translated": "[::ffff:0:127.0.0.1]",
    "NAT64": "[64:ff9b::127.0.0.1]",
    "NAT64, metadata service": "[64:ff9b::a9fe:a9fe]",
    "NAT64, local": "[64:ff9b:1::7f00:1]",
    "6to4": "[2002:7f00:1::]",
    "6to4, private": "[2002:c0a8:1::1]",
    "Teredo": "[2001:0:7f00:1::]",
    "v6 link-local": "[fe80::1]",
    "v6 link-local, zone": "[fe80::1%25eth0]",
    "v6 site-local": "[fec0::1]",
    "v6 unique local": "[fd00::1]",
    "v6 unique local, Amazon": "[fd00:ec2::254]",
    "v6 multicast": "[ff02::1]",
    "v6 documentation": "[2001:db8::1]",
    "v6 documentation, newer": "[3fff::1]",
    "v6 benchmarks": "[2001:2::1]",
    "6to4 relays": "192.88.99.1",
    "name": "localhost",
    "name in capitals": "LocalHost",
    "name, final dot": "localhost.",
    "with a password": "user:secret@127.0.0.1",
    "behind a public name": "8.8.8.8@127.0.0.1",
}
NAMES = {"loopback, final dot": "url", "loopback, escaped": "dns", "name, final dot": "dns"}
OUTER = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]


def test_inner_addresses_are_refused_directly_and_after_a_redirect(tmp_path):
    asked = []
    hosts = list(INNER.values())

    async def handler(request):
        asked.append(request.host)
        return web.Response(status=302, headers={"Location": f"http://{hosts[int(request.path[1:])]}:{port}/0"})

    with serving(handler) as port:
        direct = fetch(tmp_path, [f"http://{host}:{port}/0" for host in hosts], port)
        assert asked == []
        redirected = fetch(tmp_path, [f"http://a.test/{place}" for place in range(len(hosts))], port)
    for frame in (direct, redirected):
        found = {name: why for name, why in zip(INNER, frame["failure"], strict=True) if why != "address"}
        # No addresses by our reading. Where a name server thinks otherwise, what it says is checked.
        assert found.items() <= NAMES.items()
        assert frame["permanent"].all()
    assert set(asked) == {"a.test"} and len(asked) == len(hosts)


def test_public_addresses_are_public():
    assert all(is_public(ipaddress.ip_address(address)) for address in OUTER)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cat.jpg",
        "file:///etc/passwd",
        "ftp://a.test/",
        "gopher://a.test/",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "//a.test/a.jpg",
        "http://",
        "http:///a.jpg",
        "http://a.test:99999/",
        "http://a.test:0/",
        "http://[::1/",
    ],
)
def test_only_http_urls_with_a_host_are_asked(tmp_path, url):
    outcome = fetch(tmp_path, [url]).iloc[0]
    assert (outcome["failure"], outcome["permanent"], outcome["attempts"]) == ("url", True, 0)


class NameServer:
    """What `socket.getaddrinfo` says: for each name the next of its answers, and the last one for ever."""

    def __init__(self, monkeypatch, answers: dict[str, list[list[str]]]):
        self.lookups = Counter()
        self._answers = answers
        monkeypatch.setattr(socket, "getaddrinfo", self._lookup)

    def _lookup(self, host, port, *_, **__):
        answers = self._answers[host]
        addresses = answers[min(self.lookups[host], len(answers) - 1)]
        self.lookups[host] += 1
        return [
            (socket.AF_INET6 if ":" in ip else socket.AF_INET, 1, 6, "", (ip, port, 0, 0)[: 4 if ":" in ip else 2])
            for ip in addresses
        ]


def resolve(host: str) -> list[str]:
    async def addresses() -> list[str]:
        return [result["host"] for result in await PublicResolver({}).resolve(host, 80)]

    return asyncio.run(addresses())


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:10.0.0.1"],
        ["169.254.169.254"],
        ["8.8.8.8", "127.0.0.1"],
        ["2606:4700::1111", "fd00::1"],
        ["64:ff9b::7f00:1"],
    ],
)
def test_a_name_that_leads_inside_is_refused_before_a_connection_is_opened(tmp_path, monkeypatch, addresses):
    asked = []

    async def handler(request):
        asked.append(request.path)
        return web.Response(body=jpeg())

    with serving(handler, robots=handler) as port:
        NameServer(monkeypatch, {"a.example": [addresses]})
        frame = fetch(tmp_path, [f"http://a.example:{port}/1", f"http://a.example:{port}/2"], port)
    assert list(frame["failure"]) == ["address"] * 2 and frame["permanent"].all() and asked == []


def test_a_name_server_that_changes_its_mind_gains_nothing(monkeypatch):
    NameServer(monkeypatch, {"a.example": [["8.8.8.8"], ["8.8.8.8", "127.0.0.1"], ["::1"]]})
    assert resolve("a.example") == ["8.8.8.8"]  # literal, so that nobody resolves again
    for _ in range(2):
        with pytest.raises(Failed, match="address"):
            resolve("a.example")


def test_the_connection_goes_to_the_address_that_was_checked(tmp_path, monkeypatch):
    """Rebinding: the first answer is public, and were the name looked up again it would be our own server."""
    asked, opened = [], []

    async def handler(request):
        asked.append(request.path)
        return web.Response(body=jpeg())

    with serving(handler, robots=handler) as port:
        names = NameServer(monkeypatch, {"a.example": [["8.8.8.8"], ["127.0.0.1"]]})

        async def connect(loop, sock, address):
            opened.append(address)
            raise ConnectionRefusedError

        monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", connect)
        frame = fetch(tmp_path, [f"http://a.example:{port}/1"], port)
    assert (frame["failure"] == "connect").all() and asked == []
    assert set(opened) == {("8.8.8.8", port)} and names.lookups == {"a.example": 1}


def test_connect_to_concerns_whole_labels_only():
    assert parse_connect_to("Miniature.test=[::1]:80") == ("miniature.test", ("::1", 80))
    for wrong in ("a", "a=b:1", "=127.0.0.1:1", "a=127.0.0.1", "a=127.0.0.1:0"):
        with pytest.raises(ValueError, match="--connect-to"):
            parse_connect_to(wrong)

    async def port_of(host):
        return (await PublicResolver({"test": ("127.0.0.1", 9)}).resolve(host, 80))[0]["port"]

    assert asyncio.run(port_of("test")) == asyncio.run(port_of("a.TEST")) == 9
    with pytest.raises(OSError):
        asyncio.run(port_of("nottest.invalid"))
