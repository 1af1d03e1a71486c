"""Ask an OpenAI-compatible chat endpoint: bounded, patient with a busy server, and never saying the API key aloud.

What may pass (timeout, status 408, 421, 425, 429 or 5xx, a broken connection or body) is tried again after an exponential
back-off with jitter, or after what the server's ``Retry-After`` asks for; anything else is a mistake to be mended.
"""

import asyncio
import json
import os
import random
import re
from dataclasses import dataclass
from typing import Self

import aiohttp
from yarl import URL

from pipeline_lib.captions.chat.cache import AnswerCache
from pipeline_lib.jobs.retry import back_off_s, is_transient, parse_retry_after

MAX_WAIT_S = 600.0
MAX_BODY_BYTES = 1 << 22


class _MayPass(Exception):
    """A failure that may be gone at the next attempt; `wait_s` is what the server asks us to wait."""

    def __init__(self, problem: str, wait_s: float = 0.0):
        super().__init__(problem)
        self.wait_s = wait_s


def parse_endpoint(url: str) -> URL:
    """Return the address of the endpoint.

    Raises
    ------
    ValueError
        If it is no http(s) address, or holds a user name or password.
    """
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


def read_api_key(variable: str | None) -> str | None:
    """Return the API key that the environment variable `variable` holds, or None if there is to be none.

    Raises
    ------
    ValueError
        If `variable` is no name of a variable (it may be the key itself, so it is not repeated), or is not set.
    """
    if variable is None:
        return None
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
        raise ValueError("--api-key-variable: expected the NAME of an environment variable, found something else")
    key = os.environ.get(variable, "").strip()
    if not key.isascii() or not key.isprintable() or not key:
        raise ValueError(f"--api-key-variable: expected an API key in the environment variable {variable}, found none")
    return key


@dataclass(frozen=True)
class ChatSettings:
    """How a language model is asked: the section ``captions.chat`` of the configuration.

    Attributes
    ----------
    url : str
        Of the chat endpoint; see `parse_endpoint`.
    model : str
        As the endpoint names it.
    temperature, top_p : float
        Sampling.
    max_tokens : int
        Of an answer; a longer one is cut, and then of no use.
    concurrency : int
        Requests open at the same time. One that waits to be repeated counts, so a busy server is asked less.
    timeout_s : float
        Deadline of one attempt, from connecting to the last byte.
    attempts : int
        At a request that fails, and at an answer that cannot be used.
    backoff_s : float
        Wait before the second attempt; doubles with each further one.
    cache : str
        SQLite file of answers; see `chat_cache`.
    api_key_variable : str or None
        Name of the environment variable that holds the key.
    """

    url: str
    model: str
    temperature: float
    top_p: float
    max_tokens: int
    concurrency: int
    timeout_s: float
    attempts: int
    backoff_s: float
    cache: str
    api_key_variable: str | None


class ChatClient:
    """Answers requests from the cache, or from the endpoint.

    Parameters
    ----------
    settings : ChatSettings
        Where, how many at a time, and how patiently.
    api_key : str or None
        Sent as a bearer token.
    cache : AnswerCache
        Where answers are looked up and kept.
    """

    def __init__(self, settings: ChatSettings, api_key: str | None, cache: AnswerCache):
        self._settings = settings
        self._endpoint = parse_endpoint(settings.url)
        self._name = str(self._endpoint.with_query(None).with_fragment(None))
        self._api_key = api_key
        self._cache = cache
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
        """Return the text of the model's answer to a chat request; empty if the model said nothing.

        Parameters
        ----------
        request : dict
            Body of ``POST /v1/chat/completions``.

        Raises
        ------
        ValueError
            If the endpoint does not answer; the message names its address and what it said.
        """
        known = self._cache.get(request)
        if known is not None:
            return known
        async with self._turns:
            for attempt in range(self._settings.attempts):
                try:
                    return self._cache.put(request, await self._post(request))
                except _MayPass as failure:
                    problem, asked_s = str(failure), failure.wait_s
                if attempt + 1 < self._settings.attempts:
                    backoff_s = back_off_s(self._settings.backoff_s, attempt + 1, jitter=random.uniform(0.5, 1.0))
                    await asyncio.sleep(min(max(backoff_s, asked_s), MAX_WAIT_S))
        raise ValueError(
            f"{self._name}: expected an answer, found {problem} in each of {self._settings.attempts} attempts; see to "
            "the server and start again: what it has answered so far is kept"
        )

    async def _post(self, request: dict) -> str:
        try:
            async with self._session.post(self._endpoint, json=request, allow_redirects=False) as response:
                body = await _read(response)
        except (aiohttp.InvalidURL, aiohttp.ClientSSLError) as error:
            raise ValueError(f"{self._name}: cannot be asked ({self._redacted(str(error))})") from None
        except TimeoutError:
            raise _MayPass(f"no answer within {self._settings.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise _MayPass(self._redacted(f"{type(error).__name__} ({error})")) from None
        status = response.status
        if is_transient(status):
            raise _MayPass(f"status {status}", parse_retry_after(response.headers.get("Retry-After")) or 0.0)
        if status != 200:
            said = self._redacted(" ".join(body.decode("utf-8", errors="replace").split()))[:300]
            raise ValueError(
                f"{self._name}: expected status 200, found status {status} ({said or 'no text'}); check url, model and "
                "API key of captions.chat"
            )
        try:
            content = json.loads(body)["choices"][0]["message"]["content"] or ""
            return content.encode("utf-8", errors="replace").decode()
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            raise _MayPass("status 200 with something that is no chat completion") from None

    def _redacted(self, text: str) -> str:
        return text.replace(self._api_key, "***") if self._api_key else text


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise _MayPass(f"a body of more than {MAX_BODY_BYTES:,} bytes")
    return bytes(body)
