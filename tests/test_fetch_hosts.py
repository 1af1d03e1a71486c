"""What a host has to bear, when it is asked again, and what becomes of one that stops answering."""

import asyncio
import socket
import time
from collections import Counter, defaultdict

import pytest
from aiohttp import web
from fetching import Clock, Site, fetch, fetch_settings, jpeg, moved, outcomes, rows_of, serving

from pipeline_lib.fetch import Failed
from pipeline_lib.fetch import part as module
from pipeline_lib.fetch.client import wished_wait_s
from pipeline_lib.fetch.schedule import Job, Schedule

NO_ANSWER = Failed("timeout", permanent=False)
pytestmark = pytest.mark.anyio  # runs those tests that are coroutines


def test_no_host_gets_more_requests_at_once_than_allowed(tmp_path):
    now, most = Counter(), Counter()

    async def handler(request):
        if request.host == "r.test":
            return moved(f"http://a.test{request.path}")
        now[request.host] += 1
        most[request.host] = max(most[request.host], now[request.host])
        await asyncio.sleep(0.01)
        now[request.host] -= 1
        return web.Response(body=jpeg())

    urls = [f"http://{host}.test/{number}" for number in range(20) for host in "arb"]
    with serving(handler, robots=handler) as port:
        frame = fetch(tmp_path, urls, port, connections_per_host=3)
    assert (frame["status"] == "success").all()
    assert most == {"a.test": 3, "b.test": 3}
    assert list(frame["final_host"][:3]) == ["a.test", "a.test", "b.test"]


def standing_still(monkeypatch, jobs: list[Job], **settings) -> tuple[Clock, Schedule]:
    """A schedule of jobs in a time that passes only when told."""
    clock, schedule = Clock(monkeypatch), Schedule(fetch_settings(**settings))
    clock.catch_timers()
    for job in jobs:
        schedule.add(job)
    return clock, schedule


async def test_the_requests_of_a_second_to_a_host_are_counted(monkeypatch):
    jobs = [Job(row, host="a") for row in range(4)]
    clock, schedule = standing_still(monkeypatch, jobs, requests_per_second_per_host=50)
    for _ in range(3):
        await schedule.take()
        assert clock.pass_pause() == pytest.approx(0.02)
    await schedule.take()


async def test_a_port_that_is_silent_neither_takes_nor_holds_up_the_other(monkeypatch):
    jobs = [Job(row, host="a", port=port, attempts=1) for row, port in enumerate((443, 443, 443, 80, 80, 443))]
    clock, schedule = standing_still(monkeypatch, jobs, connections_per_host=2, breaker_failures=1)
    first, second = [await schedule.take() for _ in range(2)]
    assert {first.port, second.port} == {443}
    assert schedule.done(first, NO_ANSWER) == []  # it opens
    assert (await schedule.take()).row == 3  # the host has room for one, and http does not pause
    clock.now += fetch_settings().deadline_s
    assert [job.row for job in schedule.done(second, NO_ANSWER)] == [2, 5]
    assert (await schedule.take()).row == 4
    with pytest.raises(Failed, match="host-down"):
        schedule.add(Job(6, host="a", port=443))
    schedule.add(Job(7, host="a", port=80))


@pytest.mark.parametrize(
    ("settings", "answer", "pause_s"),
    [
        ({"connections_per_host": 1}, None, None),
        ({"requests_per_second_per_host": 50}, None, 0.02),
        ({"connections_per_host": 1}, Failed("http", False, 429, 7.0), 7.0),
        ({"connections_per_host": 1}, "Crawl-delay", 0.5),
    ],
)
async def test_what_spares_a_host_counts_for_its_ports_together(monkeypatch, settings, answer, pause_s):
    jobs = [Job(row, host="a", port=port, attempts=1) for row, port in enumerate((80, 443))]
    clock, schedule = standing_still(monkeypatch, jobs, **settings)
    first, later = await schedule.take(), asyncio.create_task(schedule.take())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not later.done()
    if answer == "Crawl-delay":
        schedule.slow_down("a", pause_s)
    schedule.done(first, answer if isinstance(answer, Failed) else None)
    if pause_s is not None:
        assert clock.pass_pause() == pytest.approx(pause_s)
    assert (await later).port == 443


@pytest.mark.parametrize(("wait_s", "kept_s"), [(None, None), (0.0, 2.0), (7.0, 7.0), (3600.0, 20.0)])
async def test_a_host_that_wants_to_be_left_alone_is_for_a_while(monkeypatch, wait_s, kept_s):
    jobs, settings = [Job(row, host="a") for row in range(2)], {"backoff_s": 2.0, "timeout_s": 5.0}
    clock, schedule = standing_still(monkeypatch, jobs, connections_per_host=1, **settings)
    schedule.done(await schedule.take(), Failed("http", False, 503, wait_s))
    assert not clock.timers if kept_s is None else clock.pass_pause() == pytest.approx(kept_s)
    assert (await schedule.take()).row == 1


async def test_a_big_host_neither_waits_nor_holds_up_the_others():
    schedule = Schedule(fetch_settings(connections_per_host=2))
    for number, host in enumerate("aaaaaabc"):
        schedule.add(Job(number, host=host))
    taken = [await schedule.take() for _ in range(4)]
    for host in "ba":
        schedule.done(next(job for job in taken if job.host == host))
    assert sorted(job.host for job in taken) == ["a", "a", "b", "c"]
    assert (await schedule.take()).host == "a"


@pytest.mark.parametrize(
    ("http_code", "retry_after", "wait_s"),
    [
        (429, None, 0),
        (429, "soon", 0),
        (429, "7", 7),
        (503, "7", 7),
        (503, None, None),
        (503, "soon", None),
        (500, "7", None),
        (404, "7", None),
    ],
)
def test_what_a_host_wants(http_code, retry_after, wait_s):
    assert wished_wait_s(http_code, retry_after) == wait_s


def test_hosts_that_ask_for_time_get_it_and_the_others_go_on_meanwhile(tmp_path):
    asked = defaultdict(list)
    first = {"a.test": (429, {}), "b.test": (429, {"Retry-After": "1"}), "c.test": (503, {"Retry-After": "1"})}

    async def handler(request):
        asked[request.host].append(time.monotonic())
        if len(asked[request.host]) == 1 and request.host in first:
            status, headers = first[request.host]
            return web.Response(status=status, headers=headers)
        return web.Response(body=jpeg())

    urls = [f"http://{host}.test/{number}" for number in range(10) for host in "abcd"]
    with serving(handler) as port:
        frame = fetch(tmp_path, urls, port, backoff_s=0.2, connections_per_host=1)
    assert (frame["status"] == "success").all() and frame["attempts"].sum() == 43
    # Lower bounds alone: a slow machine makes waits longer, nothing makes them shorter.
    assert [asked[host][1] - asked[host][0] >= wait_s for host, wait_s in zip(first, (0.2, 1, 1), strict=True)]
    assert asked["d.test"][-1] < min(asked["b.test"][1], asked["c.test"][1])


def test_a_dead_name_is_looked_up_once_and_a_name_server_in_trouble_again(tmp_path, monkeypatch):
    lookups = Counter()

    def lookup(host, *_, **__):
        lookups[host] += 1
        raise socket.gaierror(socket.EAI_AGAIN if host == "busy.example" else socket.EAI_NONAME, host)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    urls = [f"http://dead.example/{number}" for number in range(20)] + ["http://DEAD.example/", "http://busy.example/"]
    frame = fetch(tmp_path, urls, connections_per_host=1, respect_robots=False)
    assert lookups == {"dead.example": 1, "busy.example": 3}
    assert outcomes(frame, "failure", "permanent", "attempts") == [*[("dns", False, 1)] * 21, ("dns", False, 3)]


def test_a_silent_host_costs_a_few_requests_and_its_rows_can_be_asked_another_time(tmp_path):
    asked = Counter()

    async def handler(request):
        asked[request.host] += 1
        if request.host == "silent.test":
            await asyncio.Event().wait()
        return web.Response(body=jpeg())

    urls = [f"http://{host}.test/{number}" for number in range(40) for host in ("good", "silent")]
    with serving(handler) as port:
        frame = fetch(tmp_path, urls, port, timeout_s=1.5, deadline_s=3.0, breaker_failures=5)
    silent = frame[frame["final_host"] == "silent.test"]
    assert (frame["status"] == "success").sum() == 40 and len(silent) == 40
    assert not silent["permanent"].any() and set(silent["failure"]) <= {"host-down", "timeout"}
    assert (silent["failure"] == "host-down").sum() >= 30 and asked["silent.test"] <= 12


@pytest.mark.parametrize(("refusal", "failure"), [(None, "host-down"), (429, "host-busy")])
def test_a_host_that_refuses_is_given_up(tmp_path, refusal, failure):
    site = Site(lambda request: web.Response(status=refusal))
    urls, limits = [f"http://a.test/{number}" for number in range(200)], {"timeout_s": 0.3, "deadline_s": 0.3}
    with serving(site) as port:
        frame = fetch(tmp_path, urls, port if refusal else 1, respect_robots=False, breaker_failures=5, **limits)
    spared = frame[frame["failure"] == failure]
    assert not frame["permanent"].any() and len(spared) > 150 and len(site.log) < 50
    assert set(outcomes(spared, "http_code")) == {(refusal,)}


def test_a_host_that_comes_back_keeps_its_rows(tmp_path):
    site = Site(lambda request: request.transport.abort() if len(site.log) <= 8 else None)
    with serving(site) as port:
        frame = fetch(tmp_path, [f"http://a.test/{number}" for number in range(100)], port, breaker_failures=5)
    assert (frame["status"] == "success").all() and len(site.log) == 108


async def test_the_breaker_step_by_step(monkeypatch):
    """Closed, open, down, a request after each pause, closed again; by hand, in a time of our own."""
    times = {"backoff_s": 1.0, "timeout_s": 5.0, "deadline_s": 10.0}
    jobs = [Job(row, host="a", attempts=1) for row in range(12)]
    clock, schedule = standing_still(monkeypatch, jobs, connections_per_host=3, breaker_failures=3, **times)

    async def nothing_to_take():
        taking = asyncio.create_task(schedule.take())
        for _ in range(5):
            await asyncio.sleep(0)
        assert taking.cancel()

    first = [await schedule.take() for _ in range(3)]
    assert schedule.done(first[0], NO_ANSWER) == schedule.done(first[1], NO_ANSWER) == []
    more = [await schedule.take() for _ in range(2)]
    assert schedule.done(first[2], NO_ANSWER) == []  # the third in a row: it opens, for a second
    await nothing_to_take()
    clock.now += 7.5
    assert schedule.done(more[0]) == []  # an answer: it closes
    assert schedule.done(more[1], NO_ANSWER) == [] == clock.timers
    for _ in range(2):
        schedule.done(await schedule.take(), NO_ANSWER)
    await nothing_to_take()
    assert clock.pass_pause() == 1.0  # open again
    probe = await schedule.take()
    await nothing_to_take()  # one at a time
    assert schedule.done(probe, NO_ANSWER) == [] and clock.pass_pause() == 2.0
    assert schedule.done(await schedule.take(), NO_ANSWER) == [] and clock.pass_pause() == 4.0
    probe = await schedule.take()
    clock.now += 5.0
    down = schedule.done(probe, NO_ANSWER)  # the last answer was 12 seconds ago
    assert [job.row for job in down] == [10, 11] and not clock.timers

    with pytest.raises(Failed, match="host-down"):
        schedule.add(Job(12, host="a"))
    schedule.add(Job(13, host="b"))
    assert (await schedule.take()).host == "b"
    clock.now += 8.0
    for row in (14, 15):
        schedule.add(Job(row, host="a", attempts=1))
    probe = await schedule.take()
    assert probe.row == 14
    await nothing_to_take()
    assert schedule.done(probe) == []
    assert (await schedule.take()).row == 15


async def test_a_url_that_fails_again_and_again_opens_no_breaker():
    schedule = Schedule(fetch_settings(breaker_failures=2, backoff_s=60))
    for attempt in range(1, 6):
        schedule.add(Job(0, host="a", attempts=attempt))
        assert schedule.done(await asyncio.wait_for(schedule.take(), 2), NO_ANSWER) == []
    schedule.add(Job(1, host="a"))
    assert (await schedule.take()).row == 1


@pytest.mark.parametrize(("needs_s", "given_s"), [(60.0, [0.75, 0.25]), (0.375, [0.75, 0.625, 0.25])])
def test_all_attempts_at_a_url_have_one_deadline(tmp_path, monkeypatch, needs_s, given_s):
    clock, found = Clock(monkeypatch, module), []

    async def ask(session, settings, url, timeout_s, rules, alone):
        found.append(timeout_s)
        clock.now += min(needs_s, timeout_s)
        raise Failed("timeout" if needs_s > timeout_s else "http", permanent=False)

    monkeypatch.setattr(module, "ask", ask)
    limits = {"attempts": 9, "timeout_s": 0.75, "deadline_s": 1.0, "backoff_s": 0, "respect_robots": False}
    frame = fetch(tmp_path, rows_of(["http://a.test/"]), **limits)
    assert found == given_s and outcomes(frame, "attempts", "milliseconds") == [(len(given_s), 1000)]
