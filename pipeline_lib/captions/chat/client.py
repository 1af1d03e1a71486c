"""Ask an OpenAI-compatible chat endpoint: bounded, patient with a busy server, and never saying the API key aloud.

An endpoint that refuses ``response_format``, the request for JSON of a schema, is asked without it from then on.

What may be gone at the next attempt (timeout, a transient status, a broken connection or body) is tried again after an
exponential back-off with jitter, or after what the server's ``Retry-After`` asks for; anything else is a mistake that
the user has to mend, a ValueError that names the address and what it said.

Answers are kept in one SQLite file, so that a killed run loses none and a second run asks nothing: each under the
SHA-256 of its whole request, that is model, prompt, sampling settings and caption. Headers, and with them the API key,
are no part of it. Processes on one machine may share the file; on a network file system that cannot lock, give each
its own.
"""

import asyncio
import hashlib
import json
import os
import random
import re
import sqlite3
from asyncio import sleep
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

import aiohttp
from yarl import URL

from pipeline_lib.captions.chat import ChatSettings
from pipeline_lib.jobs.retry import back_off_s, is_transient, parse_retry_after

LONGEST_WAIT_S = 600.0
MAX_BODY_BYTES = 1 << 22
FORMAT_REFUSED = (400, 404, 415, 422, 501)  # what servers say that know no response_format
LOCK_TIMEOUT_S = 60.0  # another process writes to the cache for milliseconds at a time


def parse_endpoint(url: str) -> URL:
    """Return the address of the endpoint, if it is an http(s) address without user name and password."""
    try:
        endpoint = URL(url)
        usable = endpoint.scheme in ("http", "https") and bool(endpoint.host)
    except ValueError:
        usable = False
    if not usable or endpoint.user is not None or endpoint.password is not None:
        raise ValueError(
            "--url: expected the address of a chat endpoint such as http://localhost:8000/v1/chat/completions, without "
            "user name or password (a key belongs in the environment variable that --api-key-variable names)"
        )
    return endpoint


def read_api_key(variable: str) -> str | None:
    """Return the API key that the environment variable holds; None where the variable is ``none``."""
    if variable == "none":
        return None
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):  # it may be the key itself, so it is not repeated
        raise ValueError("--api-key-variable: expected the NAME of an environment variable, found something else")
    key = os.environ.get(variable, "").strip()
    if not key.isascii() or not key.isprintable() or not key:
        raise ValueError(f"--api-key-variable: expected an API key in the environment variable {variable}, found none")
    return key


class AnswerCache:
    """Answers by request; made by `open_cache`."""

    def __init__(self, database: sqlite3.Connection):
        self._database = database

    def get(self, request: dict) -> str | None:
        """Return the answer to `request`, or None."""
        found = self._database.execute("SELECT answer FROM answers WHERE request = ?", (_digest(request),)).fetchone()
        return found[0] if found else None

    def put(self, request: dict, answer: str) -> str:
        """Store an answer unless there is one already; return the stored one, which is what every later run reads."""
        with self._database:
            self._database.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (_digest(request), answer))
        return self.get(request)


def _digest(request: dict) -> bytes:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()


@contextmanager
def open_cache(path: str | Path) -> Iterator[AnswerCache]:
    """Open the cache of answers, or make it; close it at the end."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT_S)) as database:
            with database:
                database.execute("CREATE TABLE IF NOT EXISTS answers (request BLOB PRIMARY KEY, answer TEXT NOT NULL)")
            yield AnswerCache(database)
    except (sqlite3.Error, UnicodeDecodeError) as error:  # of a damaged schema SQLite's own message may not decode
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path}: expected a SQLite file of answers that can be read and written, found a problem ({error}); if it is "
        "the disk's, mend that; else choose another path or delete the file (its answers are then asked for again)"
    )


class _Transient(Exception):
    """A failure that may be gone at the next attempt; `wait_s` is what the server asks us to wait."""

    def __init__(self, problem: str, wait_s: float = 0.0):
        super().__init__(problem)
        self.wait_s = wait_s


class ChatClient:
    """Answers requests from the cache, or from the endpoint, with the API key as a bearer token."""

    def __init__(self, settings: ChatSettings, api_key: str | None, cache: AnswerCache, spent: Counter):
        """Prepare; `spent` counts ``requests``, ``prompt_tokens`` and ``completion_tokens``."""
        self._settings = settings
        self._endpoint = parse_endpoint(settings.url)
        self._name = str(self._endpoint.with_query(None).with_fragment(None))
        self._api_key = api_key
        self._cache = cache
        self._spent = spent
        self._takes_format = True
        self._turns = asyncio.Semaphore(settings.concurrency)

    async def __aenter__(self) -> Self:
        """Open the session."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            headers={"Authorization": f"Bearer {self._api_key}"} if self._api_key else {},
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the session."""
        await self._session.close()

    async def answer(self, request: dict) -> str:
        """Return the text of the model's answer to a request (the body of ``POST /v1/chat/completions``)."""
        known = self._cache.get(request)
        if known is not None:
            return known
        async with self._turns:
            for attempt in range(1, self._settings.attempts + 1):
                try:
                    return self._cache.put(request, await self._post(request))
                except _Transient as failure:
                    problem, asked_s = str(failure), failure.wait_s
                if attempt < self._settings.attempts:
                    wait_s = back_off_s(self._settings.backoff_s, attempt, jitter=random.uniform(0.5, 1.0))
                    await sleep(min(max(wait_s, asked_s), LONGEST_WAIT_S))
        raise ValueError(
            f"{self._name}: expected an answer, found {problem} in each of {self._settings.attempts} attempts; see to "
            "the server and start again: what it has answered so far is kept"
        )

    async def _post(self, request: dict) -> str:
        has_format = self._takes_format and "response_format" in request
        if not has_format:
            request = {name: value for name, value in request.items() if name != "response_format"}
        try:
            async with self._session.post(self._endpoint, json=request, allow_redirects=False) as response:
                body = await _read(response)
        except (aiohttp.InvalidURL, aiohttp.ClientSSLError) as error:
            raise ValueError(f"{self._name}: cannot be asked ({self._redacted(str(error))})") from None
        except TimeoutError:
            raise _Transient(f"no answer within {self._settings.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _Transient(self._redacted(f"{type(error).__name__} ({error})")) from None
        status = response.status
        if is_transient(status):
            raise _Transient(f"status {status}", parse_retry_after(response.headers.get("Retry-After")) or 0.0)
        if status in FORMAT_REFUSED and has_format:
            self._takes_format = False
            return await self._post(request)
        if status != 200:
            said = self._redacted(" ".join(body.decode("utf-8", errors="replace").split()))[:300]
            raise ValueError(
                f"{self._name}: expected status 200, found status {status} ({said or 'no text'}); check url, model and "
                "API key of captions.chat"
            )
        try:
            completion = json.loads(body)
            content = completion["choices"][0]["message"]["content"] or ""
            self._count(completion.get("usage"))
            return content.encode("utf-8", errors="replace").decode()
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            raise _Transient("status 200 with something that is no chat completion") from None

    def _count(self, usage: object) -> None:
        self._spent["requests"] += 1
        for name in ("prompt_tokens", "completion_tokens"):
            number = usage.get(name) if isinstance(usage, dict) else None
            self._spent[name] += number if isinstance(number, int) else 0

    def _redacted(self, text: str) -> str:
        return text.replace(self._api_key, "***") if self._api_key else text


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise _Transient(f"a body of more than {MAX_BODY_BYTES:,} bytes")
    return bytes(body)
