"""The language-model backend, against a real HTTP server on loopback that also answers late, wrongly or not at all."""

import asyncio
import json
import subprocess
import sys
import threading

import pyarrow.parquet as pq
import pytest
from aiohttp import web
from captioning import rows_of
from chat_server import CAPTIONS, KEY, Server, flags, good_answer, said, settings
from conftest import ROOT

from pipeline_lib.captions.chat import client
from pipeline_lib.captions.chat.backend import ChatBackend
from pipeline_lib.captions.negate import SCHEMA, main
from pipeline_lib.captions.rules.checks import Reason
from pipeline_lib.formats.cc3m import Row


@pytest.fixture
def server():
    with Server() as running:
        yield running


def chat(url, cache, seed=0, **changes):
    return ChatBackend("lexicon", seed, settings(url, cache, **changes))


async def late(body):
    await asyncio.sleep(1.0)
    return said(json.dumps(good_answer(body)))


async def unfaithful(body):
    answer = good_answer(body)
    if "negated_caption" in answer:
        answer["negated_caption"] = answer["negated_caption"].replace("not ", "")
    return said(json.dumps(answer))


async def against_the_schema(body):
    return said(json.dumps(good_answer(body) | {"thoughts": "hm"}))


def test_a_caption_takes_two_requests_and_a_second_run_none(server, tmp_path):
    made = chat(server.url, tmp_path / "cache").negate(rows_of(CAPTIONS))
    assert [row["status"] for row in made] == ["negated"] * len(CAPTIONS)
    assert server.asked() == dict.fromkeys(CAPTIONS, 2)
    assert server.most_open <= 4
    body = server.requests[0][0]
    assert body["response_format"]["json_schema"]["strict"] and body["temperature"] == 0.7 and body["max_tokens"] == 400
    assert {row["object"] for row in made} == {"a red sofa", "a lamp"}, "the pair is chosen at random"
    for row, caption in zip(made, CAPTIONS, strict=True):
        assert list(row) == SCHEMA.names
        assert row["object"] == row["pairs"][row["chosen_pair"]]["object"]
        assert row["negated_caption"].replace("that is not ", "") == caption
        assert row["object"] not in row["exclusion_caption"]
        assert (row["backend"], row["model"], row["rule"], row["seed"]) == ("chat:lexicon", "tiny", None, 0)
        assert len(row["prompt"]) == 12 and row["code"]
    server.requests.clear()
    assert chat(server.url, tmp_path / "cache").negate(rows_of(CAPTIONS)) == made
    assert not server.requests


def test_the_choice_of_the_pair_is_seeded_by_the_key(server, tmp_path):
    alone = chat(server.url, tmp_path / "cache").negate(rows_of(CAPTIONS)[5:6])
    together = chat(server.url, tmp_path / "cache").negate(rows_of(CAPTIONS)[::-1])
    assert together[4] == alone[0]
    other = chat(server.url, tmp_path / "cache", seed=1).negate(rows_of(CAPTIONS)[::-1])
    assert [row["chosen_pair"] for row in other] != [row["chosen_pair"] for row in together]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(late, id="late"),
        pytest.param(lambda: web.Response(status=429), id="429"),
        pytest.param(lambda: web.Response(status=500, text="oh"), id="500"),
        pytest.param(lambda: web.Response(status=200, text="<html>"), id="no completion"),
        pytest.param(lambda: web.Response(status=200, text='{"choices": []}'), id="no choice"),
        pytest.param(lambda: said('{"subject": "a do'), id="broken JSON"),
        pytest.param(lambda: said("I'm sorry, but I can't help with that."), id="refusal"),
        pytest.param(lambda: said(None), id="nothing"),
        pytest.param(lambda: said("[" * 100_000), id="deep JSON"),
        pytest.param(lambda: said('{"subject": "\\ud800", "pairs": []}'), id="half a character"),
        pytest.param(against_the_schema, id="schema"),
        pytest.param(lambda: said('{"subject": "a unicorn", "pairs": []}'), id="not in the caption"),
    ],
)
def test_what_goes_wrong_once_is_asked_again(server, tmp_path, fault):
    caption = CAPTIONS[0]

    async def first(body):
        return await fault(body) if asyncio.iscoroutinefunction(fault) else fault()

    server.faults[caption] = [first]
    patience_s = 0.5 if fault is late else 10.0
    (row,) = chat(server.url, tmp_path / "cache", timeout_s=patience_s).negate(rows_of([caption]))
    assert row["status"] == "negated"
    assert server.asked()[caption] == 3


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(server, tmp_path, monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr(client, "sleep", sleep)
    waits = [{"Retry-After": "7"}, {"Retry-After": "99999"}, {"Retry-After": "soon"}, {}]
    server.faults[CAPTIONS[0]] = [web.Response(status=429, headers=headers) for headers in waits]
    (row,) = chat(server.url, tmp_path / "cache", backoff_s=2.0, attempts=5).negate(rows_of(CAPTIONS[:1]))
    assert row["status"] == "negated"
    assert slept[:2] == [7, 600] and 4 <= slept[2] <= 8 <= slept[3] <= 16


def test_an_unfaithful_sentence_is_asked_again_with_what_was_wrong(server, tmp_path):
    async def good(body):
        return said(json.dumps(good_answer(body)))

    server.faults[CAPTIONS[0]] = [good, unfaithful]
    (row,) = chat(server.url, tmp_path / "cache").negate(rows_of(CAPTIONS[:1]))
    assert row["status"] == "negated"
    first, again = (body for body, _ in server.requests[1:])
    assert len(first["messages"]) == 1 and len(again["messages"]) == 3
    assert "one negation word expected" in again["messages"][2]["content"]
    assert first["seed"] != again["seed"]


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ([unfaithful] * 4, Reason.UNFAITHFUL),
        ([against_the_schema] * 3, Reason.NO_ANSWER),
        ([lambda body: asyncio.sleep(0, said("No."))] * 3, Reason.NO_ANSWER),
        ([lambda body: asyncio.sleep(0, said('{"subject": null, "pairs": []}'))], Reason.NO_PAIR),
    ],
)
def test_what_stays_wrong_is_refused_with_a_reason_and_not_asked_for_again(server, tmp_path, faults, reason):
    server.faults[CAPTIONS[0]] = list(faults)
    made = chat(server.url, tmp_path / "cache").negate(rows_of(CAPTIONS[:2]))
    assert [row["reason"] for row in made] == [reason, None]
    assert made[0]["status"] == "refused" and made[0]["negated_caption"] is None
    server.requests.clear()
    assert chat(server.url, tmp_path / "cache").negate(rows_of(CAPTIONS[:2])) == made
    assert not server.requests


def test_captions_that_need_no_model_are_refused_without_asking(server, tmp_path):
    bad = ["", "x " * 500, "a dog without a tail", "כלב על שטיח", "is this a dog ?", "<b>dog</b> on a mat"]
    made = chat(server.url, tmp_path / "cache").negate([*rows_of(bad), Row("9", "a\0", "", "control-character")])
    assert [row["reason"] for row in made] == [
        "empty", "too-long", "already-negated", "not-english", "question", "markup", "control-character",
    ]  # fmt: skip
    assert not server.requests


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda: web.Response(status=401, text=f"bad key {KEY}"), r"status 401 \(bad key \*\*\*\)"),
        (lambda: web.Response(status=404), r"status 404 \(no text\)"),
        (lambda: web.Response(status=302, headers={"Location": "/"}), "status 302"),
        (lambda: web.Response(status=503), "status 503 in each of 3 attempts"),
    ],
)
def test_what_asking_again_cannot_mend_names_address_and_status(server, tmp_path, monkeypatch, answer, message):
    monkeypatch.setenv("CHAT_KEY", KEY)
    server.faults[CAPTIONS[0]] = [lambda body: asyncio.sleep(0, answer())] * 3
    with pytest.raises(ValueError, match=f"{server.url}.*{message}") as error:
        chat(server.url, tmp_path / "cache", api_key_variable="CHAT_KEY").negate(rows_of(CAPTIONS))
    assert KEY not in str(error.value)


def test_a_server_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"http://127.0.0.1:1/v1.*in each of 3 attempts"):
        chat("http://127.0.0.1:1/v1", tmp_path / "cache").negate(rows_of(CAPTIONS[:1]))


def test_a_run_that_ends_in_the_middle_asks_only_the_rest(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CHAT_KEY", KEY)
    command = flags(server.url, tmp_path, CAPTIONS, api_key_variable="CHAT_KEY", concurrency=1)
    server.stop_after = 13
    with pytest.raises(ValueError, match="status 403"):
        main(command)
    assert not (tmp_path / "out.parquet").exists()
    assert len(server.requests) > 13
    server.requests.clear()
    server.stop_after = None
    main(command)
    # A request on its way when the first run ended may arrive late: it is one that is asked again anyway.
    assert len({json.dumps(body) for body, _ in server.requests}) == 2 * len(CAPTIONS) - 13
    assert set(pq.read_table(tmp_path / "out.parquet")["status"].to_pylist()) == {"negated"}
    assert {header for _, header in server.requests} == {f"Bearer {KEY}"}
    whole = (tmp_path / "out.parquet").read_bytes()
    server.requests.clear()
    main(command)
    assert not server.requests and (tmp_path / "out.parquet").read_bytes() == whole
    printed = capsys.readouterr()
    assert KEY not in printed.out + printed.err
    assert not [path for path in tmp_path.iterdir() if KEY.encode() in path.read_bytes()]


def test_a_killed_process_loses_no_answer(server, tmp_path):
    async def never(body):
        gone.set()
        await asyncio.sleep(5)
        return said("too late")

    gone = threading.Event()
    server.faults[CAPTIONS[-1]] = [never]
    command = flags(server.url, tmp_path, CAPTIONS, concurrency=1)
    process = subprocess.Popen([sys.executable, "-m", "pipeline_lib.captions.negate", *command], cwd=ROOT)
    assert gone.wait(30)
    process.kill()
    process.wait(10)
    answered = len(server.requests) - 1
    server.requests.clear()
    main(command)
    assert answered and len(server.requests) == 2 * len(CAPTIONS) - answered
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".parquet"].count("out.parquet") == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"api_key_variable": "NOT_SET_ANYWHERE"}, "in the environment variable NOT_SET_ANYWHERE"),
        ({"api_key_variable": KEY}, "the NAME of an environment variable"),
        ({"url": f"http://me:{KEY}@localhost/v1"}, "without user name or password"),
        ({"url": "localhost:8000"}, "expected the address of a chat endpoint"),
        ({"attempts": 0}, "--attempts: expected at least 1, found 0"),
        ({"timeout_s": 0}, "--timeout-s: expected more than 0"),
        ({"temperature": "nan"}, "--temperature: expected at least 0, found nan"),
        ({"cache": "."}, r"expected a SQLite file of answers"),
    ],
)
def test_mistakes_are_clear_errors_without_the_key(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message) as error:
        main(flags(**({"url": "http://127.0.0.1:1/v1", "folder": tmp_path, "captions": CAPTIONS} | changes)))
    assert KEY not in str(error.value)


def test_flags_of_the_other_backend_are_mistakes(tmp_path):
    command = flags("http://127.0.0.1:1/v1", tmp_path, CAPTIONS)
    with pytest.raises(ValueError, match="--backend chat does not take --word-weights"):
        main([*command, "--word-weights", "no=1,not=1,without=1"])
    with pytest.raises(ValueError, match="--workers 1 and more --concurrency"):
        main([*command, "--workers", "2"])
    with pytest.raises(ValueError, match="--backend rules needs --word-weights"):
        main(["--captions", "x", "--output", "x", "--spacy-model", "x", "--seed", "0"])


def test_a_cache_keeps_the_first_answer_and_tells_requests_apart(tmp_path):
    with client.open_cache(tmp_path / "deep" / "cache") as cache:
        assert cache.put({"a": 1, "b": 2}, "first") == "first"
        assert cache.put({"b": 2, "a": 1}, "second") == "first"
        assert cache.get({"a": 1, "b": 3}) is None
    with client.open_cache(tmp_path / "deep" / "cache") as cache:
        assert cache.get({"a": 1, "b": 2}) == "first"


def test_an_endpoint_that_knows_no_response_format_is_asked_without_once_for_all(server, tmp_path):
    async def refuse(body):
        if "response_format" in body:
            return web.json_response({"error": "unknown field response_format"}, status=400)
        choices = [{"message": {"content": f"```json\n{json.dumps(good_answer(body))}\n```"}}]
        return web.json_response({"choices": choices, "usage": {"prompt_tokens": 90, "completion_tokens": 10}})

    for caption in CAPTIONS:
        server.faults[caption] = [refuse] * 4
    backend = chat(server.url, tmp_path / "cache", concurrency=1)
    assert all(0 < row["quality"] < 1 for row in backend.negate(rows_of(CAPTIONS)))
    assert sum("response_format" in body for body, _ in server.requests) == 1
    assert backend.spent == {"requests": 20, "prompt_tokens": 1800, "completion_tokens": 200}


def test_a_pilot_says_what_the_whole_file_would_take(server, tmp_path, capsys):
    main([*flags(server.url, tmp_path, CAPTIONS * 2), "--sample", "5"])
    printed = capsys.readouterr().out
    assert pq.read_table(tmp_path / "out.parquet").num_rows == 5
    assert "20 rows, 4.0 times the sample" in printed and "about 40 for all" in printed


def test_below_the_wanted_quality_an_answer_is_doubtful(server, tmp_path):
    backend = ChatBackend("lexicon", 0, settings(server.url, tmp_path / "cache"), min_quality=1.0)
    assert {row["reason"] for row in backend.negate(rows_of(CAPTIONS))} == {"doubtful"}


def test_a_file_that_is_no_cache_is_a_clear_error(tmp_path):
    (tmp_path / "cache").write_text("not a database, and long enough to be read as one" * 100)
    with (
        pytest.raises(ValueError, match="cache: expected a SQLite file of answers"),
        client.open_cache(tmp_path / "cache"),
    ):
        pass
