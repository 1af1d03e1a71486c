"""Odd answers: an image that curl or urllib gets is not lost, a host that sends anything is not called silent."""

import gzip
import socketserver

import pytest
from aiohttp import web
from answers import ANSWERS, IMAGE, LOST, Handler, Hasty, answer, answering, moved, path_of
from fetching import fetch, outcomes, serving
from fetching import moved as redirect
from workflows import load

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


class Stalling(Handler):
    """Sends what it has to say and then leaves the connection open, for half a minute at most."""

    def finish(self) -> None:
        self.request.settimeout(30)
        self.request.recv(1)


@pytest.mark.parametrize(("said", "code"), [(b"HTTP/1.1 20", None), (b"HTTP/1.1 200\r\n", 200), (answer()[:-9], 200)])
def test_a_host_that_stalls_in_the_middle_of_an_answer_is_alive(tmp_path, said, code):
    with answering({"/bad": said, "/good": answer()}, Stalling) as server:
        urls = [f"http://a.test/bad?{number}" for number in range(8)] + ["http://a.test/good"]
        limits = {"breaker_failures": 2, "attempts": 1, "timeout_s": 1.5, "connections_per_host": 8, "backoff_s": 0}
        frame = fetch(tmp_path, urls, server.port, **limits)
    assert outcomes(frame, "failure", "http_code") == [("timeout", code)] * 8 + [(None, 200)]


class ForOneRequest(Handler):
    """Says that it keeps connections alive, and closes each as soon as it is used again."""

    def finish(self) -> None:
        self.request.recv(65536)


def test_a_host_that_closes_used_connections_loses_nothing_and_no_attempt_counts(tmp_path):
    with answering({"/": answer("Connection: keep-alive")}, ForOneRequest) as server:
        urls = [f"http://a.test/?{number}" for number in range(300)]
        frame = fetch(tmp_path, urls, server.port, respect_robots=False)
    assert outcomes(frame, "failure", "permanent", "attempts") == [OK] * 300 and len(server.log) == 300


class Hanging(socketserver.BaseRequestHandler):
    """Says that it keeps connections alive, and never answers a second request."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(answer())
        self.server.log.append(self.request.recv(65536))
        self.request.settimeout(30)
        self.request.recv(1)


def test_a_host_that_never_answers_over_used_connections_loses_nothing_and_is_not_down(tmp_path):
    with answering({}, Hanging) as server:
        limits = {"connections_per_host": 4, "attempts": 1, "timeout_s": 1.5, "breaker_failures": 2}
        urls = [f"http://a.test/{number}" for number in range(40)]
        frame = fetch(tmp_path, urls, server.port, respect_robots=False, **limits)
    assert frame["failure"].isna().all()
    assert sum(map(bool, server.log)) <= 4  # after the first that hung, no connection is used a second time


class Confused(Handler):
    """Answers the first request of a connection, and whatever comes after it with what `server.answers` has."""

    def finish(self) -> None:
        if self.request.recv(65536):
            self.request.sendall(self.server.answers["again"])


AGAIN = {
    "rest of a body": IMAGE[5:],
    "half a head": b"HTTP/1.1 200 OK",
    "request timeout": answer("Connection: close", status="HTTP/1.1 408 Request Timeout"),
    "bad request": answer("Connection: close", status="HTTP/1.1 400 Bad Request"),
    "misdirected": answer("Connection: close", status="HTTP/1.1 421 Misdirected Request"),
}


@pytest.mark.parametrize("name", AGAIN)
def test_what_comes_over_a_used_connection_and_is_no_answer_costs_nothing(tmp_path, name):
    with answering({"/": answer(), "again": AGAIN[name]}, Confused) as server:
        urls = [f"http://a.test/?{number}" for number in range(10)]
        frame = fetch(tmp_path, urls, server.port, respect_robots=False, attempts=1, connections=1)
    assert outcomes(frame, "failure", "permanent", "attempts") == [OK] * 10


@pytest.mark.parametrize(("said", "failure"), [(answer(), None), (answer(status="HTTP/1.1 500 No"), "http")])
def test_a_host_that_answers_before_it_is_asked_is_alive(tmp_path, said, failure):
    with answering({"/": said}, Hasty) as server:
        urls = [f"http://a.test/{number}" for number in range(20)]
        limits = {"attempts": 1, "breaker_failures": 2}
        frame = fetch(tmp_path, urls, server.port, respect_robots=False, **limits)
    assert list(frame["failure"].fillna("")) == [failure or ""] * 20


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
        frame = fetch(tmp_path, ["http://a.test/"], server.port, respect_robots=False, timeout_s=1.5)
    assert outcomes(frame, "failure", "attempts") == [(None, 2)]


def test_as_many_redirects_are_followed_as_browsers_follow(tmp_path):
    most = load("config.yaml")["fetch"]["max_redirects"]

    async def handler(request):
        left = int(request.path[1:])
        return redirect(f"/{left - 1}") if left else web.Response(body=IMAGE)

    with serving(handler) as port:
        frame = fetch(tmp_path, ["http://a.test/20", "http://a.test/21"], port, max_redirects=most)
    assert outcomes(frame, "failure", "http_code") == [(None, 200), ("redirect", 302)]


def test_a_host_that_is_strict_about_what_we_accept_gives_the_image(tmp_path):
    async def handler(request):
        return web.Response(body=IMAGE) if "*/*" in request.headers["Accept"] else web.Response(status=406)

    with serving(handler) as port:
        assert fetch(tmp_path, ["http://a.test/"], port)["failure"].isna().all()


class EndsHandshake(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.server.log.append(self.request.recv(65536))


def test_a_handshake_that_ends_early_is_no_refused_connection_and_is_tried_again(tmp_path):
    with answering({}, EndsHandshake) as server:
        frame = fetch(tmp_path, ["https://a.test/"], server.port, respect_robots=False)
    assert outcomes(frame, "failure", "permanent", "attempts") == [("tls", False, 3)]


NO = b"User-agent: *\nDisallow: /no\n"
RULES = {  # robots.txt, and whether /no may be asked
    "cookie": (answer(f"Set-Cookie: a={'b' * 9_000}", body=NO), False),
    "gzip": (answer("Content-Encoding: gzip", body=gzip.compress(NO)), False),
    "said to be gzip": (answer("Content-Encoding: gzip", body=NO), False),
    "odd length": (answer("Content-Length: unknown", length=False, body=NO), False),
    "cut": (answer("Content-Length: 5000", length=False, body=NO + b"Disallow: /"), False),
    "huge": (answer(body=NO + b"# much\n" * 300_000), False),
    "binary": (answer(body=bytes(range(256)) * 100), True),
    "an image": (answer(), True),
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
