"""When the fetch stage asks again: hosts that want to be left alone, and names that do not exist."""

import socket
import time
from collections import Counter, defaultdict
from email.utils import formatdate

import pytest
from aiohttp import web
from fetching import fetch, fetch_settings, jpeg, serving

from pipeline_lib.fetch.client import wished_wait_s
from pipeline_lib.fetch.part import retry_delay_s


@pytest.mark.parametrize(
    ("http_code", "retry_after", "wait_s"),
    [
        (429, None, 0),
        (429, "soon", 0),
        (429, "7", 7),
        (429, "-7", 0),
        (429, "Wed, 21 Oct 2015 07:28:00 GMT", 0),
        (429, "9" * 400, int("9" * 400)),
        (503, "7", 7),
        (503, None, None),
        (503, "soon", None),
        (503, "1.5", None),
        (503, "Wed, 99 Oct 99999 99:99:99 GMT", None),
        (500, "7", None),
        (404, "7", None),
    ],
)
def test_what_a_host_wishes(http_code, retry_after, wait_s):
    assert wished_wait_s(http_code, retry_after) == wait_s


def test_a_host_may_name_a_date():
    hour = formatdate(time.time() + 3600, usegmt=True)
    assert wished_wait_s(503, hour) == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(("attempts", "delay_s"), [(1, 0), (2, 2), (3, 4), (4, 8)])
def test_delay_by_hand(attempts, delay_s):
    assert retry_delay_s(attempts, fetch_settings(backoff_s=2.0)) == delay_s


def test_hosts_that_ask_for_time_get_it(tmp_path):
    asked = defaultdict(list)
    first = {
        "/limited": (429, {}),
        "/limited-1s": (429, {"Retry-After": "1"}),
        "/maintenance-1s": (503, {"Retry-After": "1"}),
    }

    async def handler(request):
        asked[request.path].append(time.monotonic())
        if len(asked[request.path]) == 1:
            status, headers = first[request.path]
            return web.Response(status=status, headers=headers)
        return web.Response(body=jpeg())

    with serving(handler) as port:
        frame = fetch(tmp_path, [f"http://a.test{path}" for path in first], port, backoff_s=0.2)
    assert (frame["status"] == "success").all() and (frame["attempts"] == 2).all()
    waited = {path: second - first for path, (first, second) in asked.items()}
    # Lower bounds alone: a slow machine makes waits longer, nothing makes them shorter.
    assert waited["/limited"] >= 0.2 and waited["/limited-1s"] >= 1 and waited["/maintenance-1s"] >= 1


def test_a_dead_name_is_looked_up_once_and_a_name_server_in_trouble_again(tmp_path, monkeypatch):
    lookups = Counter()

    def lookup(host, *_, **__):
        lookups[host] += 1
        raise socket.gaierror(socket.EAI_AGAIN if host == "busy.example" else socket.EAI_NONAME, host)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    urls = [f"http://dead.example/{number}" for number in range(20)] + ["http://DEAD.example/", "http://busy.example/"]
    frame = fetch(tmp_path, urls, connections_per_host=1, respect_robots=False)
    assert lookups == {"dead.example": 1, "busy.example": 3}
    assert (frame["failure"] == "dns").all() and frame["http_code"].isna().all()
    assert frame["permanent"].tolist() == [True] * 21 + [False]
    assert frame["attempts"].tolist() == [1] * 21 + [3]
