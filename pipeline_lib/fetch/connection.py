"""HTTP/1.1 as the open web speaks it: one request after the other over one connection.

An image that curl or Python's urllib can get must not be lost here, so answers are read as leniently as those two read
them; aiohttp's client is stricter. Bounds remain: `HEAD_BYTES` and `HEAD_LINES` for each head, and the
caller's for the body. What is accepted beyond the standard (`python -m bench.fetch_answers` compares):

- lines of any length, bare LF, folded lines, lines without a colon, bytes that are not ASCII;
- a ``Content-Length`` that is no number: the body ends with the connection;
- chunk sizes with anything after them, a bare LF around chunks, a last one that is cut; bytes after the end of a body.
"""

import asyncio
import contextlib
import math
import re
import time
from typing import NamedTuple

from yarl import URL

from pipeline_lib.fetch import Failed

HEAD_BYTES, HEAD_LINES = 1 << 20, 10_000  # of a status line and its header fields; bytes of other framing
READ_AHEAD = 1 << 18  # bytes that may wait to be read before the host has to
STATUS_LINE = re.compile(rb"\s*HTTP/(\S+)[ \t]+0*([1-9]\d\d)", re.IGNORECASE)
LENGTH = re.compile(r"\+?([0-9]{1,18})")  # more digits are nonsense
CHUNK_SIZE = re.compile(rb"\s*\+?(?:0x)?([0-9a-f]+)", re.IGNORECASE)


class Head(NamedTuple):
    """Status and header fields of an answer."""

    version: str
    status: int
    fields: dict[str, list[str]]  # values by name in lower case; bytes that are not UTF-8 as surrogates
    is_whole: bool = True  # not so if the connection ended in the middle of it

    def get(self, name: str) -> str | None:
        """Return the first value of a field, as urllib does."""
        return self.fields.get(name, [None])[0]

    def tokens(self, name: str) -> list[str]:
        """Return the members of a field that holds a list."""
        return [token.strip().lower() for value in self.fields.get(name, []) for token in value.split(",")]

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return "chunked" in self.tokens("transfer-encoding")

    @property
    def lengths(self) -> list[int]:
        """Lengths that the body may have, in bytes: one, or several where fields differ, or none if none is said.

        A field that is neither a number nor the same one several times, such as ``1,234``, counts for nothing.
        """
        said = [set(re.split(r"\s*,\s*", value)) for value in self.fields.get("content-length", [])]
        matches = [LENGTH.fullmatch(numbers.pop()) for numbers in said if len(numbers) == 1]
        return sorted({int(match[1]) for match in matches if match})

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection can be used again after the body."""
        if not self.is_chunked and len(self.lengths) != 1:
            return False
        said = self.tokens("connection")
        return "keep-alive" in said if self.version < "1.1" else "close" not in said


class Connection(asyncio.StreamReader):
    """A connection to a host, which answers one request after the other."""

    def __init__(self, origin: URL) -> None:
        super().__init__(limit=READ_AHEAD // 2)  # the host has to wait where twice as much does
        self.origin = origin  # of the URLs that it is for
        self.received = 0  # bytes since the last request
        self.status: int | None = None  # of the answer to it, as soon as it is known
        self.used_at: float | None = None  # when the last answer was complete
        self.is_reused = False  # whether there was another request before the last one
        self._error: Exception | None = None
        self._left = HEAD_BYTES  # how many bytes of lines may come

    def feed_data(self, data: bytes) -> None:
        self.received += len(data)
        super().feed_data(data)

    def set_exception(self, error: Exception) -> None:
        """End the connection, of which what came before the error can still be read."""
        self._error = error
        self.feed_eof()

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    @property
    def is_idle(self) -> bool:
        """Whether another request can be sent, as far as is known."""
        return not self._buffer and not self.at_eof() and not self._transport.is_closing()

    async def _line(self) -> bytes:
        """Return a line with its end; raise `Failed` if there are more bytes in lines than allowed."""
        line = b""
        while not line.endswith(b"\n"):
            try:
                line += await self.readuntil(b"\n")
            except asyncio.LimitOverrunError as error:
                line += await self.readexactly(error.consumed)
            if len(line) > self._left:
                raise Failed("protocol", permanent=False)
        self._left -= len(line)
        return line

    async def ask(self, request: bytes) -> Head:
        """Send a request and return the head of its answer; raise `Failed`, ``reset`` or ``protocol``."""
        self.received, self.status, self.used_at = len(self._buffer), None, None  # some hosts answer unasked
        self._transport.write(request)
        try:
            while True:
                head = await self._read_head()
                if head.status // 100 != 1 or head.status == 101:  # another answer follows those
                    return head
        except asyncio.IncompleteReadError as error:
            raise Failed("protocol" if self.received else "reset", permanent=False) from error

    async def _read_head(self) -> Head:
        self._left = HEAD_BYTES
        while not (line := await self._line()).strip():  # blank lines may come first
            pass
        match = STATUS_LINE.match(line)
        if not match:
            raise Failed("protocol", permanent=False)
        self.status = int(match[2])
        lines: list[bytearray] = []
        is_whole = True
        for _ in range(HEAD_LINES):
            try:
                line = await self._line()
            except asyncio.IncompleteReadError:  # urllib follows a redirect all the same
                is_whole = False
                break
            if not line.rstrip(b"\r\n"):
                break
            if line[:1] in b" \t" and lines:
                lines[-1] += b" " + line.strip()
            elif b":" in line:
                lines.append(bytearray(line.strip()))
        else:
            raise Failed("protocol", permanent=False)
        fields: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line.decode("utf-8", "surrogateescape").partition(":")
            fields.setdefault(name.strip().lower(), []).append(value.strip())
        return Head(match[1].decode(errors="replace"), self.status, fields, is_whole)

    async def read_body(self, head: Head, into: bytearray, enough: int) -> None:
        """Append the body, or a little more than `enough` of it; raise `Failed`, ``truncated``, if it is not whole."""
        if not head.is_whole:
            raise Failed("truncated", permanent=False)
        try:
            if head.is_chunked:
                await self._read_chunks(into, enough)
            else:
                await self._copy(max(head.lengths, default=math.inf), into, enough)
        except asyncio.IncompleteReadError as error:
            if head.is_chunked or len(into) not in head.lengths:
                raise Failed("truncated", permanent=False) from error
        if len(into) <= enough and head.keeps_alive:
            self.used_at = time.monotonic()

    def skip_body(self, head: Head) -> None:
        """Skip a body that nobody needs, if all of it is there already, so that the connection can be used again."""
        n_bytes = 0 if head.status in (204, 304) else max(head.lengths, default=0)
        if head.keeps_alive and not head.is_chunked and n_bytes <= len(self._buffer):
            del self._buffer[:n_bytes]
            self.used_at = time.monotonic()

    async def _copy(self, n_bytes: float, into: bytearray, enough: int) -> None:
        """Append so many bytes, or all until the connection ends; but hardly more than `enough` altogether."""
        while n_bytes > 0 and len(into) <= enough:
            piece = await self.read(min(n_bytes, READ_AHEAD))
            if not piece:
                if n_bytes == math.inf and self._error is None:
                    return
                raise asyncio.IncompleteReadError(b"", None)
            n_bytes -= len(piece)
            into += piece

    async def _read_chunks(self, into: bytearray, enough: int) -> None:
        while n_bytes := await self._chunk_size():
            await self._copy(n_bytes, into, enough)
            if len(into) > enough:
                return
            if await self.readexactly(1) != b"\n":  # after a chunk stand two bytes, whatever they are, or a bare LF
                await self.readexactly(1)
        with contextlib.suppress(asyncio.IncompleteReadError):  # the chunks are complete
            while (await self._line()).strip():
                pass  # a trailer

    async def _chunk_size(self) -> int:
        self._left = HEAD_BYTES
        try:
            line = await self._line()
        except asyncio.IncompleteReadError as error:  # after a last ``0``, maybe
            line = error.partial
        match = CHUNK_SIZE.match(line)
        if not match:  # nobody knows where the next chunk begins
            raise asyncio.IncompleteReadError(line, None)
        return int(match[1], 16)
