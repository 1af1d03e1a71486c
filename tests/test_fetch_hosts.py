"""What a host has to bear, measured at the host, and what becomes of one that stops answering."""

import asyncio
import time
from collections import Counter, defaultdict
from types import SimpleNamespace

import pytest
from aiohttp import web
from fetching import fetch, fetch_settings, jpeg, serving

from pipeline_lib.fetch import schedule as module
from pipeline_lib.fetch.failures import Failed
from pipeline_lib.fetch.schedule import Job, Schedule

NO_ANSWER = Failed("timeout", permanent=False)


def test_no_host_gets_more_requests_at_once_than_allowed(tmp_path):
    now, most = Counter(), Counter()

    async def handler(request):
        if request.host == "r.test":
            return web.Response(status=302, headers={"Location": f"http://a.test{request.path}"})
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


def test_no_host_gets_more_requests_in_a_second_than_allowed(tmp_path):
    times = defaultdict(list)

    async def handler(request):
        times[request.host].append(time.monotonic())
        if request.host == "r.test" and request.path != "/robots.txt":
            return web.Response(status=302, headers={"Location": f"http://a.test{request.path}"})
        return web.Response(body=jpeg())

    urls = [f"http://{host}.test/{number}" for number in range(8) for host in "arb"]
    with serving(handler, robots=handler) as port:
        frame = fetch(tmp_path, urls, port, requests_per_second_per_host=50)
    assert (frame["status"] == "success").all()
    assert {host: len(asked) for host, asked in times.items()} == {"a.test": 17, "r.test": 9, "b.test": 9}
    for asked in times.values():
        # The server sees a request a little later than it was sent, one more so than another.
        windows = [second - first for first, second in zip(asked, asked[5:], strict=False)]
        assert min(windows) > 0.08 and asked[-1] - asked[0] > (len(asked) - 1) / 50 - 0.02


def test_a_big_host_neither_waits_nor_holds_up_the_others():
    async def hosts() -> list[str]:
        schedule = Schedule(fetch_settings(connections_per_host=2))
        for number, host in enumerate("aaaaaabc"):
            schedule.add(Job(number, host=host))
        taken = [await schedule.take() for _ in range(4)]
        for host in "ba":
            schedule.done(next(job for job in taken if job.host == host))
        return [job.host for job in [*taken, await schedule.take()]]

    taken = asyncio.run(hosts())
    assert sorted(taken[:4]) == ["a", "a", "b", "c"] and taken[4] == "a"


def test_a_host_that_wants_to_be_left_alone_gets_no_request_at_all_meanwhile(tmp_path):
    times = defaultdict(list)

    async def handler(request):
        times[request.host].append(time.monotonic())
        if request.host == "a.test" and len(times["a.test"]) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return web.Response(body=jpeg())

    urls = [f"http://{host}.test/{number}" for number in range(10) for host in "ab"]
    with serving(handler) as port:
        frame = fetch(tmp_path, urls, port, connections_per_host=1)
    assert (frame["status"] == "success").all()
    assert times["a.test"][1] - times["a.test"][0] >= 1 > times["b.test"][-1] - times["a.test"][0]


def test_a_silent_host_costs_a_few_deadlines_and_its_rows_can_be_asked_another_time(tmp_path):
    asked = Counter()

    async def handler(request):
        asked[request.host] += 1
        if request.host == "silent.test":
            await asyncio.Event().wait()
        return web.Response(body=jpeg())

    urls = [f"http://{host}.test/{number}" for number in range(40) for host in ("good", "silent")]
    start = time.monotonic()
    with serving(handler) as port:
        frame = fetch(tmp_path, urls, port, timeout_s=0.3, deadline_s=0.6, breaker_failures=5)
    # All 40 rows would take 40 rows * 0.6 s / 4 requests at a time.
    assert time.monotonic() - start < 3
    silent = frame[frame["final_host"] == "silent.test"]
    assert (frame["status"] == "success").sum() == 40 and len(silent) == 40
    assert not silent["permanent"].any() and set(silent["failure"]) <= {"host-down", "timeout"}
    assert (silent["failure"] == "host-down").sum() >= 30 and asked["silent.test"] <= 12


@pytest.mark.parametrize("refusal", ["refused", "429"])
def test_a_host_that_refuses_is_given_up(tmp_path, refusal):
    asked = Counter()

    async def handler(request):
        asked[request.path] += 1
        return web.Response(status=429)

    urls = [f"http://a.test/{number}" for number in range(200)]
    with serving(handler) as port:
        frame = fetch(
            tmp_path,
            urls,
            port if refusal == "429" else 1,
            respect_robots=False,
            timeout_s=0.3,
            deadline_s=0.3,
            breaker_failures=5,
        )
    assert not frame["permanent"].any() and (frame["failure"] == "host-down").sum() > 150
    assert asked.total() < 50


def test_a_host_that_comes_back_keeps_its_rows(tmp_path):
    asked = Counter()

    async def handler(request):
        asked[request.host] += 1
        if asked[request.host] <= 8:
            request.transport.abort()
        return web.Response(body=jpeg())

    urls = [f"http://a.test/{number}" for number in range(100)]
    with serving(handler) as port:
        frame = fetch(tmp_path, urls, port, breaker_failures=5, deadline_s=5.0)
    assert (frame["status"] == "success").all() and asked["a.test"] == 108


def test_the_breaker_step_by_step(monkeypatch):
    """Closed, open, down, a request after each pause, closed again; by hand, in a time of our own."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    settings = fetch_settings(connections_per_host=3, breaker_failures=3, backoff_s=1.0, timeout_s=5.0, deadline_s=10.0)

    async def steps():
        schedule = Schedule(settings)
        loop = asyncio.get_running_loop()
        pauses = []
        monkeypatch.setattr(loop, "call_later", lambda delay, *call: pauses.append((delay, call)))

        def pass_pause() -> float:
            ((delay, (function, *arguments)),) = pauses
            pauses.clear()
            clock.now += delay
            function(*arguments)
            return delay

        async def nothing_to_take():
            taking = asyncio.create_task(schedule.take())
            for _ in range(5):
                await asyncio.sleep(0)
            assert taking.cancel()

        for row in range(12):
            schedule.add(Job(row, host="a", attempts=1))
        first = [await schedule.take() for _ in range(3)]
        assert schedule.done(first[0], NO_ANSWER) == schedule.done(first[1], NO_ANSWER) == []
        more = [await schedule.take() for _ in range(2)]
        assert schedule.done(first[2], NO_ANSWER) == []  # the third in a row: it opens, for a second
        await nothing_to_take()
        clock.now += 7.5
        assert schedule.done(more[0]) == []  # an answer: it closes
        assert schedule.done(more[1], NO_ANSWER) == [] == pauses
        for _ in range(2):
            schedule.done(await schedule.take(), NO_ANSWER)
        await nothing_to_take()
        assert pass_pause() == 1.0  # open again
        probe = await schedule.take()
        await nothing_to_take()  # one at a time
        assert schedule.done(probe, NO_ANSWER) == [] and pass_pause() == 2.0
        assert schedule.done(await schedule.take(), NO_ANSWER) == [] and pass_pause() == 4.0
        probe = await schedule.take()
        clock.now += 5.0
        down = schedule.done(probe, NO_ANSWER)  # the last answer was 12 seconds ago
        assert [job.row for job in down] == [10, 11] and not pauses

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

    asyncio.run(steps())


def test_a_url_that_fails_again_and_again_opens_no_breaker():
    async def row() -> int:
        schedule = Schedule(fetch_settings(breaker_failures=2, backoff_s=60))
        for attempt in range(1, 6):
            schedule.add(Job(0, host="a", attempts=attempt))
            assert schedule.done(await asyncio.wait_for(schedule.take(), 2), NO_ANSWER) == []
        schedule.add(Job(1, host="a"))
        return (await schedule.take()).row

    assert asyncio.run(row()) == 1


def test_all_attempts_at_a_url_have_one_deadline(tmp_path):
    asked = Counter()

    async def handler(request):
        asked[request.path] += 1
        await asyncio.sleep(0.3 if request.path == "/slow" else 60)
        return web.Response(status=500)

    urls = ["http://a.test/silent", "http://a.test/slow"]
    with serving(handler) as port:
        frame = fetch(tmp_path, urls, port, attempts=9, timeout_s=0.6, deadline_s=0.8)
    assert asked == {"/silent": 2, "/slow": 3} and list(frame["attempts"]) == [2, 3]
    assert not frame["permanent"].any() and frame["milliseconds"].between(790, 1150).all()
