"""One request and its answer, over a connection to a checked address that is opened for it or used again."""

import asyncio
import contextlib
import errno
import ssl
import time

from aiohappyeyeballs import start_connection
from yarl import URL

from pipeline_lib.fetch import Failed
from pipeline_lib.fetch.addresses import Resolver
from pipeline_lib.fetch.connection import Connection, Head

SECOND_ADDRESS_S = 0.25  # after so long the next address of a host is tried too (RFC 8305)
IDLE_S = 15.0  # for so long a connection may be used again
OURS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # errors of connecting that no host causes
NOT_MEANT = (400, 408, 421)  # statuses that may be about what came over the connection before


class Connections:
    """Opens connections, and keeps up to `most` idle ones to be used again."""

    def __init__(self, resolver: Resolver, most: int) -> None:
        self._resolver, self._most = resolver, most
        self._idle: list[Connection] = []  # the last used at the end
        # Whether hosts ever answered over used connections, by origin. One that never does gets a new one each time.
        self._reuse: dict[URL, bool] = {}
        self._ssl = ssl.create_default_context()
        self._ssl.set_alpn_protocols(["http/1.1"])

    async def aclose(self) -> None:
        """Close those that are idle."""
        for connection in self._idle:
            connection.abort()
        await asyncio.sleep(0)  # asyncio closes them in its next turn

    def take(self, url: URL) -> Connection | None:
        """Return an idle connection to a URL's host, if there is one."""
        if not self._reuse.get(url.origin(), True):
            return None
        for connection in reversed(self._idle):
            if connection.origin == url.origin():
                self._idle.remove(connection)
                if connection.is_idle and time.monotonic() - connection.used_at < IDLE_S:
                    connection.is_reused = True
                    return connection
                connection.abort()
        return None

    def give_back(self, connection: Connection, close: bool) -> None:
        """Keep a connection if it can be used again, else `close` it."""
        if connection.is_reused:
            self._reuse[connection.origin] = connection.received > 0 or self._reuse.get(connection.origin, False)
        if close or connection.used_at is None or not connection.is_idle:
            connection.abort()
            return
        self._idle.append(connection)
        if len(self._idle) > self._most:
            self._idle.pop(0).abort()

    async def connect(self, url: URL) -> Connection:
        """Open a connection to a URL's host; raise `Failed`: ``dns``, ``address``, ``connect`` or ``tls``.

        Raises `ValueError` if it is this machine that can open no further one.
        """
        addresses = await self._resolver.resolve(url.raw_host, url.port)
        secure = {"ssl": self._ssl, "server_hostname": url.raw_host.rstrip(".")} if url.scheme == "https" else {}
        try:
            sock = await start_connection(addresses, happy_eyeballs_delay=SECOND_ADDRESS_S)
        except OSError as error:
            if error.errno in OURS:
                raise ValueError(
                    f"expected room for a connection: {error}; lower `connections`, raise `ulimit -n`"
                ) from error
            raise Failed("connect", permanent=False) from error
        connection = Connection(url.origin())
        protocol = asyncio.StreamReaderProtocol(connection)
        try:
            await asyncio.get_running_loop().create_connection(lambda: protocol, sock=sock, **secure)
        except (OSError, ValueError) as error:  # an SSLError by a bad certificate or by our own clock or certificates
            raise Failed("tls", permanent=False, later=isinstance(error, ssl.SSLError)) from error
        return connection


class Exchange:
    """A request for `url` and its answer; `close` gives the connection back.

    `alone` asks over a connection of its own, which the host is to close, as urllib does.
    """

    def __init__(self, connections: Connections, url: URL, alone: bool) -> None:
        self._connections, self._url, self._alone = connections, url, alone
        self._connection: Connection | None = None
        self.head: Head | None = None
        self.body = bytearray()

    def close(self) -> None:
        """Keep the connection if it can be used again, else close it."""
        if self._connection is not None:
            if self.head is not None and not self.body:
                self._connection.skip_body(self.head)
            self._connections.give_back(self._connection, self._alone)

    def note_on(self, failed: Failed) -> None:
        """Note on a failure what came over the connection."""
        if self._connection is not None:
            failed.http_code, failed.answered = self._connection.status, self._connection.received > 0
            failed.reused = self._connection.is_reused and not failed.answered

    async def send(self, request: bytes) -> Head:
        """Send the request and return the head of the answer.

        Where the host closes a used connection, or what comes over it is no answer to this request, that says nothing
        about the URL: the request is sent once more over a new connection (RFC 9112, section 9.3.1).
        """
        self._connection = None if self._alone else self._connections.take(self._url)
        if self._connection is not None:
            with contextlib.suppress(Failed):
                head = await self._connection.ask(request)
                if head.status not in NOT_MEANT:
                    self.head = head
                    return head
            self._connection.abort()
        self._connection = None
        self._connection = await self._connections.connect(self._url)
        self.head = await self._connection.ask(request)
        return self.head

    async def read(self, enough: int) -> None:
        """Read the body, or a little more than `enough` of it; what came of it is in `body` even after a failure."""
        await self._connection.read_body(self.head, self.body, enough)
