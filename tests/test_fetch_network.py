"""Our own environment: names, network, clock and limits that do not work are never recorded as the links' failures."""

import errno
import socket

import fetching
import pytest
from answers import Hasty, answer, answering, moved
from fetching import fetch, fetch_settings, outcomes, rows_of

from pipeline_lib.fetch import exchange
from pipeline_lib.fetch.fetch import HOSTS_ENOUGH, PROXIES
from pipeline_lib.fetch.outcomes import read_outcomes, write_outcomes


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


def everywhere(path: str, scheme: str = "http") -> list[str]:
    return [f"{scheme}://host-{number}.test/{path}" for number in range(HOSTS_ENOUGH)]


@pytest.mark.parametrize("said", [answer(), moved("Location: https://{host}/")], ids=["https", "moved to https"])
def test_certificates_that_nobody_accepts_may_be_our_clock(tmp_path, said):
    scheme = "https" if said == answer() else "http"
    with answering({"/": said}, Hasty) as server, pytest.raises(ValueError, match="the right time"):
        fetch(tmp_path, everywhere("1", scheme), server.port)
    assert list(tmp_path.iterdir()) == []


LOGIN = b"<!doctype html><title>Welcome to our network</title>"


def test_a_network_that_answers_for_every_host_is_not_held_against_the_links(tmp_path, capsys):
    portal = {"/robots.txt": moved("Location: http://portal.test/login"), "/login": answer(body=LOGIN)}
    urls = [*everywhere("1"), "ftp://host-1.test/1"]
    with answering(portal | {"/1": portal["/robots.txt"]}) as server:
        frame = fetch(tmp_path, urls, server.port)
    assert outcomes(frame, "failure", "permanent") == [("not-an-image", False)] * HOSTS_ENOUGH + [("url", True)]
    assert "login" in capsys.readouterr().err
    with answering({"/1": answer()}) as server:
        frame = fetch(tmp_path, urls, server.port, retry_failed=True)
    assert list(frame["failure"].fillna("")) == [""] * HOSTS_ENOUGH + ["url"]


def test_dead_links_of_hosts_that_have_images_stay_dead(tmp_path):
    with answering({"/1": answer()}) as server:
        frame = fetch(tmp_path, [*everywhere("dead"), "http://host-1.test/1"], server.port)
    assert outcomes(frame, "failure", "permanent") == [("http", True)] * HOSTS_ENOUGH + [(None, False)]


def test_a_machine_without_room_for_connections_says_so(tmp_path, monkeypatch):
    async def full(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(exchange, "start_connection", full)
    with pytest.raises(ValueError, match=r"Too many open files; lower `connections`, raise `ulimit -n`"):
        fetch(tmp_path, ["http://a.test/"])


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
