"""Serve JPEGs on every loopback address, as cheaply as Python can: the benchmark's web.

::

    python -m bench.photo_server FOLDER

prints its port. ``/NUMBER.jpg`` is the photo NUMBER modulo the number of files in FOLDER; anything else, robots.txt
included, is answered 404. It shares the machine with those who are measured, so answers are made in advance.
"""

import argparse
import asyncio
import re
import socket
from pathlib import Path

PATH = re.compile(rb"GET /(\d+)\.jpg ")
END = b"\r\n\r\n"
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0" + END
SEND_BUFFER_BYTES = 1 << 20  # a whole photo goes out with one system call


class Connection(asyncio.Protocol):
    """Gives `answers`, whole responses, on one connection, which stays open as long as the client wishes."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers, self._received = answers, b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that has come whole."""
        *requests, self._received = (self._received + data).split(END)
        for request in requests:
            asked = PATH.match(request)
            self._transport.write(self._answers[int(asked[1]) % len(self._answers)] if asked else MISSING)
            if b"connection: close" in request.lower():
                self._transport.close()


async def serve(photos: list[bytes]) -> None:
    """Serve until killed."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: "
    answers = [f"{head}{len(photo)}".encode() + END + photo for photo in photos]
    listening = socket.create_server(("0.0.0.0", 0), backlog=4096)  # every 127.x.y.z is a host
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(answers), sock=listening)
    print(listening.getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    asyncio.run(serve([path.read_bytes() for path in sorted(parser.parse_args().folder.glob("*.jpg"))]))
