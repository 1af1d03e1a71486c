"""Odd answers: an image that curl or urllib gets is not lost, a host that sends anything is not called silent."""

import gzip
import socket
import socketserver

import fetching
import pytest
from aiohttp import web
from answers import ANSWERS, IMAGE, LOST, answer, answering, moved, path_of
from fetching import fetch, fetch_settings, outcomes, rows_of, serving

from pipeline_lib.fetch.fetch import HOSTS_ENOUGH, PROXIES
from pipeline_lib.fetch.outcomes import read_outcomes, write_outcomes

OK = (None, False, 1)


def test_what_curl_or_urllib_gets_is_not_lost_and_failures_have_their_class(tmp_path):
    with answering({path_of(name): said for name, said in ANSWERS.items()}) as server:
        urls = [f"http://a.test{path_of(name)}" for name in ANSWERS]
        frame = fetch(tmp_path, urls, server.port, attempts=1, image_size=None)
    found = dict(zip(ANSWERS, outcomes(frame, "failure", "permanent", "http_code"), strict=True))
    assert {name: why for name, why in found.items() if why[0]} == LOST
    assert found["203"][2] == 203 and found["206, the whole"][2] == 206
    assert frame["sha256"].dropna().nunique() == 1


BAD = {  # answer, and its failure and status
    "head of 2 MB": (answer(*[f"X: {'a' * 100_000}"] * 20), "protocol", 200),
    "head of many lines": (answer(*["X:"] * 20_000), "protocol", 200),
    "head of many folds": (answer("X: a", *[" a"] * 400_000), "protocol", 200),
    "line of 2 MB": (answer(f"X: {'a' * 2_000_000}"), "protocol", 200),
    "no HTTP": (b"hello", "protocol", None),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", "truncated", 200),
    "half a body": (answer(f"Content-Length: {len(IMAGE)}", body=IMAGE[:50], length=False), "truncated", 200),
    "half a status line": (b"HTT", "protocol", None),
}


@pytest.mark.parametrize("name", BAD)
def test_a_host_that_sends_something_is_alive_whatever_it_is(tmp_path, name):
    said, failure, code = BAD[name]
    with answering({"/bad": said, "/good": answer()}) as server:
        urls = [f"http://a.test/bad?{number}" for number in range(30)]
        urls += [f"http://a.test/good?{number}" for number in range(30)]
        frame = fetch(tmp_path, urls, server.port, breaker_failures=5, attempts=2, backoff_s=0)
    assert outcomes(frame, "failure", "http_code") == [(failure, code)] * 30 + [(None, 200)] * 30


class Stalling(socketserver.BaseRequestHandler):
    """Sends what it has to say and then leaves the connection open, for half a minute at most."""

    def handle(self) -> None:
        path = self.request.recv(65536).split(b" ")[1].decode().partition("?")[0]
        self.request.sendall(self.server.answers.get(path, answer(status="HTTP/1.1 404 Not Found", body=b"")))
        self.request.settimeout(30)
        self.request.recv(1)


@pytest.mark.parametrize(("said", "code"), [(b"HTTP/1.1 20", None), (b"HTTP/1.1 200\r\n", 200), (answer()[:-9], 200)])
def test_a_host_that_stalls_in_the_middle_of_an_answer_is_alive(tmp_path, said, code):
    with answering({"/bad": said, "/good": answer()}, Stalling) as server:
        urls = [f"http://a.test/bad?{number}" for number in range(8)] + ["http://a.test/good"]
        limits = {"breaker_failures": 2, "attempts": 1, "timeout_s": 0.3, "connections_per_host": 8, "backoff_s": 0}
        frame = fetch(tmp_path, urls, server.port, **limits)
    assert outcomes(frame, "failure", "http_code") == [("timeout", code)] * 8 + [(None, 200)]


class ForOneRequest(socketserver.BaseRequestHandler):
    """Says that it keeps connections alive, and closes each as soon as it is used again."""

    def handle(self) -> None:
        self.server.log.append(self.request.recv(65536))
        self.request.sendall(answer("Connection: keep-alive"))
        self.request.recv(65536)


def test_a_host_that_closes_used_connections_loses_nothing_and_no_attempt_counts(tmp_path):
    with answering({}, ForOneRequest) as server:
        urls = [f"http://a.test/{number}" for number in range(300)]
        frame = fetch(tmp_path, urls, server.port, respect_robots=False)
    assert outcomes(frame, "failure", "permanent", "attempts") == [OK] * 300 and len(server.log) == 300


def test_connections_are_used_again_after_any_answer_that_came_whole(tmp_path):
    connections = set()
    statuses = [404, 301, 200, 503, 206, 410]

    async def handler(request):
        connections.add(request.transport.get_extra_info("peername"))
        status = int(request.path[1:]) if request.path != "/" else 200
        return web.Response(status=status, body=IMAGE, headers={"Location": "/"})

    with serving(handler) as port:
        urls = [f"http://a.test/{status}" for status in statuses * 5]
        fetch(tmp_path, urls, port, connections=1, attempts=1, backoff_s=0)
    assert len(connections) == 1


class WaitsForClose(socketserver.BaseRequestHandler):
    """Ends a body without a length by closing, but only where the client asks for that, as urllib does."""

    def handle(self) -> None:
        request = self.request.recv(65536)
        self.request.sendall(answer("Content-Length: unknown", length=False))
        if b"connection: close" not in request.lower():
            self.request.recv(1)


def test_an_answer_that_only_ends_with_the_connection_is_had_at_the_second_attempt(tmp_path):
    with answering({}, WaitsForClose) as server:
        frame = fetch(tmp_path, ["http://a.test/"], server.port, respect_robots=False, timeout_s=0.3)
    assert outcomes(frame, "failure", "attempts") == [(None, 2)]


NO = b"User-agent: *\nDisallow: /no\n"
RULES = {  # robots.txt, and whether /no may be asked
    "cookie": (answer(f"Set-Cookie: a={'b' * 9_000}", body=NO), False),
    "gzip": (answer("Content-Encoding: gzip", body=gzip.compress(NO)), False),
    "said to be gzip": (answer("Content-Encoding: gzip", body=NO), False),
    "odd length": (answer("Content-Length: unknown", length=False, body=NO), False),
    "cut": (answer("Content-Length: 5000", length=False, body=NO + b"Disallow: /"), False),
    "not HTTP": (b"hello\r\n\r\n", True),
    "head of 2 MB": (answer(*[f"X: {'a' * 100_000}"] * 20, body=NO), True),
    "redirect to itself": (moved("Location: /robots.txt"), True),
}


@pytest.mark.parametrize("name", RULES)
def test_a_robots_txt_that_cannot_be_read_costs_nothing_and_what_can_be_read_counts(tmp_path, name):
    said, may_be_asked = RULES[name]
    with answering({"/robots.txt": said, "/no": answer(), "/yes": answer()}) as server:
        frame = fetch(tmp_path, ["http://a.test/no", "http://a.test/yes"], server.port)
    assert list(frame["failure"].fillna("")) == ["" if may_be_asked else "robots", ""]


def no_names(monkeypatch) -> None:
    def fail(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)


def test_a_part_in_which_no_host_answers_fails_and_records_nothing(tmp_path, monkeypatch):
    no_names(monkeypatch)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    urls = [f"http://host-{number}.example/1" for number in range(HOSTS_ENOUGH)]
    message = rf"any of {HOSTS_ENOUGH} hosts, found none \(dns {HOSTS_ENOUGH}\).*HTTPS_PROXY"
    with pytest.raises(ValueError, match=message):
        fetch(tmp_path, urls)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("permanent", [False, True])
def test_a_few_dead_hosts_are_no_dead_network_but_may_be_asked_again(tmp_path, monkeypatch, capsys, permanent):
    urls = ["http://a.example/1", "http://a.test/1"]
    with monkeypatch.context() as dead:
        no_names(dead)
        dead.setattr(fetching, "fetch_settings", lambda port, **changes: fetch_settings(port, connect_to={}, **changes))
        assert outcomes(fetch(tmp_path, urls), "failure", "permanent") == [("dns", False)] * 2
    if permanent:  # as a table says that was written where this was held against the links
        identity, lines = read_outcomes(tmp_path / "out.parquet")
        said = [outcome._replace(permanent=True) for _, outcome in lines]
        write_outcomes(tmp_path / "out.parquet", identity, zip(rows_of(urls), said, strict=True))
    assert "warning: " in capsys.readouterr().err
    with answering({"/1": answer()}) as server:
        frame = fetch(tmp_path, urls, server.port, retry_failed=True)
    assert list(frame["failure"].fillna("")) == ["dns", ""]
