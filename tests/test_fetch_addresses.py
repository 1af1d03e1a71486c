"""Which addresses are asked: none of ours, however they are written, led to, or named."""

import asyncio
import ipaddress
import socket
from collections import Counter

import pytest
from fetching import Site, fetch, moved, outcomes, serving

from pipeline_lib.fetch import Failed
from pipeline_lib.fetch.addresses import Resolver, is_public

# Addresses that are not public, in the ways that the host of a URL may be written.
INNER = [
    *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "0x7f.0.0.01"),
    *("127.255.255.254", "127.0.0.1.", "１２７.0.0.1", "%31%32%37.0.0.1"),  # all of them loopback
    *("localhost", "LocalHost", "localhost.", "user:secret@127.0.0.1", "8.8.8.8@127.0.0.1"),
    *("0.0.0.0", "0", "0.1.2.3"),  # this network
    *("10.0.0.1", "172.16.0.1", "192.168.0.1", "3232235521", "100.64.0.1"),  # private, and a carrier's
    *("169.254.1.1", "169.254.169.254", "2852039166"),  # link-local, and there a cloud's metadata service
    *("192.0.0.8", "192.0.2.1", "198.18.0.1", "192.88.99.1"),  # protocols, documentation, benchmarks, 6to4 relays
    *("224.0.0.1", "240.0.0.1", "255.255.255.255"),  # multicast, reserved, broadcast
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::]"),
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]"),  # mapped
    *("[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]"),  # NAT64
    *("[2002:7f00:1::]", "[2002:c0a8:1::1]", "[2001:0:7f00:1::]"),  # 6to4, Teredo
    *("[fe80::1]", "[fe80::1%25eth0]", "[fec0::1]", "[fd00::1]", "[fd00:ec2::254]"),  # of a link, a site, a cloud
    *("[ff02::1]", "[2001:db8::1]", "[3fff::1]", "[2001:2::1]"),  # multicast, documentation, benchmarks
]
# No addresses by our reading. Where a name server thinks otherwise, what it says is checked.
NAMES = {"127.0.0.1.": "dns", "%31%32%37.0.0.1": "dns", "localhost.": "dns"}
LOOKED_UP = {*NAMES, "localhost", "LocalHost"}  # our name server may be to blame, so never permanent
OUTER = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]


def test_inner_addresses_are_refused_directly_and_after_a_redirect(tmp_path):
    site = Site(lambda request: moved(f"http://{INNER[int(request.path[1:])]}:{port}/0"))
    with serving(site) as port:
        direct = fetch(tmp_path, [f"http://{host}:{port}/0" for host in INNER], port)
        assert site.log == []
        redirected = fetch(tmp_path, [f"http://a.test/{place}" for place in range(len(INNER))], port)
    for frame in (direct, redirected):
        found = {host: why for host, why in zip(INNER, frame["failure"], strict=True) if why != "address"}
        assert found.items() <= NAMES.items()
        assert {host for host, never in zip(INNER, frame["permanent"], strict=True) if not never} == LOOKED_UP
    assert [request.host for request in site.log] == ["a.test"] * len(INNER)


def test_public_addresses_are_public():
    assert all(is_public(ipaddress.ip_address(address)) for address in OUTER)


def test_only_http_urls_with_a_host_are_asked(tmp_path):
    urls = [
        *("", "cat.jpg", "//a.test/a.jpg", "http://", "http:///a.jpg", "http://a.test:99999/", "http://a.test:0/"),
        *("file:///etc/passwd", "ftp://a.test/", "gopher://a.test/", "data:image/png;base64,AAAA"),
        *("javascript:alert(1)", "http://[::1/"),
    ]
    assert outcomes(fetch(tmp_path, urls), "failure", "permanent", "attempts") == [("url", True, 0)] * len(urls)


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
        return [(socket.AF_INET6 if ":" in ip else socket.AF_INET, 1, 6, "", (ip, port)) for ip in addresses]


def resolve(host: str) -> list[str]:
    async def addresses() -> list[str]:
        return [address[0] for *_, address in await Resolver({}).resolve(host, 80)]

    return asyncio.run(addresses())


@pytest.mark.parametrize(
    "addresses",
    [
        *(["127.0.0.1"], ["::1"], ["::ffff:10.0.0.1"], ["169.254.169.254"], ["64:ff9b::7f00:1"]),
        *(["8.8.8.8", "127.0.0.1"], ["2606:4700::1111", "fd00::1"]),
    ],
)
def test_a_name_that_leads_inside_is_refused_before_a_connection_is_opened(tmp_path, monkeypatch, addresses):
    site = Site()
    with serving(site, robots=site) as port:
        NameServer(monkeypatch, {"a.example": [addresses]})
        frame = fetch(tmp_path, [f"http://a.example:{port}/1", f"http://a.example:{port}/2"], port)
    assert list(frame["failure"]) == ["address"] * 2 and not frame["permanent"].any() and site.log == []


def test_a_name_server_that_changes_its_mind_gains_nothing(monkeypatch):
    NameServer(monkeypatch, {"a.example": [["8.8.8.8"], ["8.8.8.8", "127.0.0.1"], ["::1"]]})
    assert resolve("a.example") == ["8.8.8.8"]  # literal, so that nobody resolves again
    for _ in range(2):
        with pytest.raises(Failed, match="address"):
            resolve("a.example")


def test_the_connection_goes_to_the_address_that_was_checked(tmp_path, monkeypatch):
    """Rebinding: the first answer is public, and were the name looked up again it would be our own server."""
    site, opened = Site(), []
    with serving(site, robots=site) as port:
        names = NameServer(monkeypatch, {"a.example": [["8.8.8.8"], ["127.0.0.1"]]})

        async def connect(loop, sock, address):
            opened.append(address)
            raise ConnectionRefusedError

        monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", connect)
        frame = fetch(tmp_path, [f"http://a.example:{port}/1"], port)
    assert (frame["failure"] == "connect").all() and site.log == []
    assert set(opened) == {("8.8.8.8", port)} and names.lookups == {"a.example": 1}


def test_connect_to_concerns_whole_labels_only():
    async def port_of(host):
        return (await Resolver({"test": ("127.0.0.1", 9)}).resolve(host, 80))[0][-1][1]

    assert asyncio.run(port_of("test")) == asyncio.run(port_of("a.TEST")) == 9
    with pytest.raises(Failed, match="dns"):
        asyncio.run(port_of("nottest.invalid"))
