"""robots.txt: asked once per site before anything else, and heeded."""

import asyncio
import threading
from collections import Counter
from types import SimpleNamespace

import pytest
from aiohttp import web
from fetching import AGENT, Clock, Site, fetch, fetch_settings, moved, outcomes, serving
from protego import Protego

from pipeline_lib.fetch import Failed, part
from pipeline_lib.fetch.addresses import parse_url
from pipeline_lib.fetch.schedule import Job, Robots, Schedule, read_rules

OK, FORBIDDEN = (None, False, 1), ("robots", True, 0)


NO = "User-agent: *\nDisallow: /no\n"


def saying(answer):
    """A handler of requests for robots.txt: what `answer` makes of the host, a status or a text."""

    async def robots(request):
        said = answer(request.host.removesuffix(".test"))
        return web.Response(status=said) if isinstance(said, int) else web.Response(text=said)

    return robots


def fetched(folder, robots, *urls, handler=None, **changes) -> list[tuple]:
    """Failure, permanence and attempts of each row."""
    with serving(handler or Site(), robots) as port:
        return outcomes(fetch(folder, list(urls), port, **changes), "failure", "permanent", "attempts")


def test_a_site_is_asked_for_its_rules_once_and_first(tmp_path):
    site = Site()

    async def robots(request):
        site.log.append(request)
        assert request.headers["User-Agent"] == AGENT
        await asyncio.sleep(0.05)
        return web.Response(text=NO)

    urls = [f"http://{host}.test/{path}{number}" for number in range(10) for host in "ab" for path in ("no", "yes")]
    assert fetched(tmp_path, robots, *urls, handler=site) == [FORBIDDEN, OK] * 20
    log = [(request.host, request.path) for request in site.log]
    assert all(log.index((f"{host}.test", "/robots.txt")) < 2 for host in "ab")
    assert Counter(path for _, path in log)["/robots.txt"] == 2 and len(log) == 22


RULES = {
    "nothing": ("", True),
    "others are forbidden": ("User-agent: GPTBot\nDisallow: /\n", True),
    "all are forbidden": ("User-agent: *\nDisallow: /\n", False),
    "we are forbidden": ("user-agent: Conclip-Test\ndisallow: /\n\nUser-agent: *\nAllow: /\n", False),
    "we are allowed": ("User-agent: conclip-test\nAllow: /\n\nUser-agent: *\nDisallow: /\n", True),
    "the longest match decides": ("User-agent: *\nDisallow: /\nAllow: /pictures/\n", True),
    "wildcards": ("User-agent: *\nDisallow: /*.jpg?*3$\n", False),
    "the end": ("User-agent: *\nDisallow: /pictures$\n", True),
    "the query": ("User-agent: *\nDisallow: /*?w=\n", False),
    "escapes": ("User-agent: *\nDisallow: /pictures/%61.jpg\n", False),
    "a mark and odd bytes": (b"\xef\xbb\xbfUser-agent: *\nDisallow: /\xff\nDisallow: /pictures/\n", False),
    "a web page": ("<html><body>Disallow: /</body></html>", True),
    "what is too long is cut": ("#" * 600_000 + "\nUser-agent: *\nDisallow: /\n", True),
}


def test_rules(tmp_path):
    async def robots(request):
        body, _ = RULES[request.host.removesuffix(".test").replace("-", " ")]
        # Many sites say so of their robots.txt, which is about search results.
        return web.Response(body=body, headers={"X-Robots-Tag": "noindex"})

    urls = [f"http://{name.replace(' ', '-')}.test/pictures/a.jpg?w=3" for name in RULES]
    found = dict(zip(RULES, fetched(tmp_path, robots, *urls), strict=True))
    assert found == {name: OK if allowed else FORBIDDEN for name, (_, allowed) in RULES.items()}


def test_a_site_without_rules_allows_everything_and_one_that_cannot_say_them_nothing_yet(tmp_path):
    asked = Counter()

    def status(host):
        asked[host] += 1
        return int(host[1:])

    statuses = {404: (OK, 1), 403: (OK, 1), 204: (OK, 1), **dict.fromkeys((429, 500, 503), (("robots", False, 0), 3))}
    urls = [f"http://s{status}.test/{number}" for status in statuses for number in range(4)]
    found = fetched(tmp_path, saying(status), *urls)
    assert found == [outcome for outcome, _ in statuses.values() for _ in range(4)]
    assert asked == {f"s{status}": requests for status, (_, requests) in statuses.items()}


def test_the_rules_of_one_site_are_read_while_the_others_are_asked(tmp_path, monkeypatch):
    """They may be half a megabyte: reading them in the thread that asks would let the deadlines of others pass."""
    other, parse = threading.Event(), Protego.parse

    def parse_later(text):
        assert other.wait(60)
        return parse(text)

    monkeypatch.setattr(Protego, "parse", parse_later)
    handler = Site(lambda request: other.set() if request.host == "b.test" else None)
    robots = saying(lambda host: NO if host == "a" else 404)
    found = fetched(tmp_path, robots, "http://a.test/no", "http://a.test/yes", "http://b.test/", handler=handler)
    assert found == [FORBIDDEN, OK, OK]


@pytest.mark.anyio
async def test_rows_whose_rules_take_long_to_search_let_others_have_their_turn(monkeypatch):
    monkeypatch.setattr(part, "SLICE_S", 0)
    order, fetcher = [], part.PartFetcher([], fetch_settings(), {}, "fetch")
    fetcher._robots = SimpleNamespace(line_up=order.append)
    asyncio.get_running_loop().call_soon(order.append, "others")
    fetcher._line_up("first", "second", "third")
    while len(order) < 4:
        await asyncio.sleep(0)
    assert order == ["first", "others", "second", "third"]


def test_rules_that_come_at_the_second_attempt_count(tmp_path):
    asked = []

    async def robots(request):
        asked.append(request.path)
        if len(asked) == 1:
            request.transport.abort()
        return web.Response(text=NO)

    assert fetched(tmp_path, robots, "http://a.test/no", "http://a.test/yes") == [FORBIDDEN, OK]


def test_rules_are_looked_for_where_a_redirect_leads_and_a_loop_means_none(tmp_path):
    async def robots(request):
        target = {"a.test": "http://b.test/robots.txt", "c.test": "/robots.txt", "d.test": "http://127.0.0.1/"}
        if request.host in target:
            return moved(target[request.host])
        return web.Response(text=NO)

    found = fetched(tmp_path, robots, *(f"http://{host}.test/no" for host in "abcd"))
    assert found == [FORBIDDEN, FORBIDDEN, OK, ("robots", False, 0)]


def test_an_image_that_moved_needs_leave_there_too(tmp_path):
    handler = Site(lambda request: moved(f"http://b.test{request.path}") if request.host == "a.test" else None)
    robots = saying(lambda host: NO if host == "b" else "")
    found = fetched(tmp_path, robots, "http://a.test/no", "http://a.test/yes", handler=handler)
    assert found == [("robots", True, 1), OK]


def test_rules_can_be_ignored_and_are_not_even_asked_for_then(tmp_path):
    def answer(host):
        raise AssertionError("asked")

    assert fetched(tmp_path, saying(answer), "http://a.test/", respect_robots=False) == [OK]


def job_of(row: int) -> Job:
    job = Job(row)
    job.turn_to(parse_url("http://a.test/1"))
    return job


@pytest.mark.anyio
@pytest.mark.parametrize(("wished", "kept_s"), [("0.1", 0.1), ("3600", 0.2), ("nan", None), ("soon", None)])
async def test_a_crawl_delay_is_kept_up_to_the_cap(monkeypatch, wished, kept_s):
    clock, settings = Clock(monkeypatch), fetch_settings(max_crawl_delay_s=0.2)
    clock.catch_timers()
    schedule = Schedule(settings)
    robots, jobs = Robots(schedule, settings), [job_of(row) for row in range(3)]
    for job in jobs:
        robots.line_up(job)
    rules = await schedule.take()
    schedule.done(rules)
    for job in robots.learn(rules, read_rules(f"User-agent: *\nCrawl-delay: {wished}\n".encode())):
        robots.line_up(job)
    for job in jobs:
        assert not clock.timers if kept_s is None else clock.pass_pause() == pytest.approx(kept_s)
        assert await schedule.take() is job


def test_a_site_whose_rules_cannot_be_read_is_asked_again_after_a_while(monkeypatch):
    clock, settings, lined_up = Clock(monkeypatch), fetch_settings(timeout_s=5.0), []

    class Line(Schedule):
        def add(self, job):
            lined_up.append(job)

    robots, jobs = Robots(Line(settings), settings), [job_of(row) for row in range(3)]
    robots.line_up(jobs[0])
    (rules,) = lined_up
    assert str(rules.url) == "http://a.test/robots.txt"
    assert robots.miss(rules, Failed("connect", permanent=False)) == [jobs[0]]
    with pytest.raises(Failed, match="connect") as caught:
        robots.line_up(jobs[1])
    assert not caught.value.permanent and len(lined_up) == 1
    clock.now += settings.longest_wait_s
    robots.line_up(jobs[2])
    assert robots.learn(lined_up[1], read_rules(b"")) == [jobs[2]]
    robots.line_up(jobs[2])
    assert lined_up[2] is jobs[2]
