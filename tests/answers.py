"""A server that answers as odd servers of the open web do: each odd answer is a path, `ANSWERS` says what is sent.

`LOST` says which of them give no image here; `bench.fetch_answers` compares that with curl, urllib and img2dataset.
"""

import contextlib
import gzip
import socketserver
import threading
import zlib
from collections.abc import Iterator

import pyarrow as pa
from fetching import jpeg

IMAGE = jpeg(size=(64, 48))
LENGTH = f"Content-Length: {len(IMAGE)}"
OTHER = b"Not here.\n" * 20


def answer(
    *fields: str | bytes, body=IMAGE, status: str | bytes = "HTTP/1.1 200 OK", length=True, end=b"\r\n"
) -> bytes:
    """The bytes of an answer: status line, a type, a length unless there is to be none, further fields, body."""
    lines = [status, "Content-Type: image/jpeg", *([f"Content-Length: {len(body)}"] if length else []), *fields, b""]
    head = b"".join((line.encode() if isinstance(line, str) else line) + end for line in lines)
    return head + body


def bare(*fields: str, body: bytes = IMAGE) -> bytes:
    """An answer whose length only `fields` say."""
    return answer(*fields, body=body, length=False)


def chunks(size="{:x}", end=b"\r\n", after=b"0\r\n\r\n", pieces=3) -> bytes:
    """The image in chunks."""
    step = -(-len(IMAGE) // pieces)
    found = [IMAGE[start : start + step] for start in range(0, len(IMAGE), step)]
    return b"".join(size.format(len(piece)).encode() + end + piece + end for piece in found) + after


def chunked(*fields: str, **how) -> bytes:
    return bare("Transfer-Encoding: chunked", *fields, body=chunks(**how))


def moved(*fields: str | bytes, status="HTTP/1.1 301 Moved Permanently") -> bytes:
    return answer(*fields, body=b"", status=status)


RAW_DEFLATE = zlib.compressobj(wbits=-15)
RAW_DEFLATE = RAW_DEFLATE.compress(IMAGE) + RAW_DEFLATE.flush()
LATER = "Location: /plain"

ANSWERS: dict[str, bytes] = {
    "plain": answer(),
    # heads
    **{f"header of {size} KB": answer(f"X-Long: {'a' * size * 1000}") for size in (9, 60, 90)},
    "cookie of 9 KB": answer(f"Set-Cookie: a={'b' * 9_000}; Path=/"),
    **{f"{count} headers": answer(*(f"X-{number}: {number}" for number in range(count))) for count in (90, 140, 1000)},
    "reason of 9 KB": answer(status=f"HTTP/1.1 200 {'OK' * 4500}"),
    "cookie of garbage": answer(b"Set-Cookie: \xff\xfe;;=;\x01 Expires=never, \x80"),
    "header with Latin-1": answer("X-Name: caf\xe9".encode("latin-1")),
    "header with NUL": answer(b"X-Name: a\x00b"),
    "name with UTF-8": answer("X-N\xe4me: a"),
    "no colon": answer("This is no header"),
    "empty name": answer(": nothing"),
    "blank before colon": bare(f"Content-Length : {len(IMAGE)}"),
    "folded header": answer("X-Folded: a", "  b", "\tc"),
    "folded header, blank": answer("X-Folded: a", "  ", "\tc"),
    "header begins folded": answer(status=b"HTTP/1.1 200 OK\r\n  folded"),
    "bare LF": answer(end=b"\n"),
    "mixed line ends": answer(status=b"HTTP/1.1 200 OK\nX-Bare: LF"),
    "blank line first": b"\r\n" + answer(),
    "blank first": b" " + answer(),
    "names in capitals": bare(f"CONTENT-LENGTH: {len(IMAGE)}"),
    "no type": b"HTTP/1.1 200 OK\r\n" + LENGTH.encode() + b"\r\n\r\n" + IMAGE,
    "type of a web page": answer("Content-Type: text/html"),
    "date that is none": answer("Date: yesterday", "Expires: -1", "Last-Modified: 99"),
    # status lines
    "no reason": answer(status="HTTP/1.1 200 "),
    "no reason, no blank": answer(status="HTTP/1.1 200"),
    "reason with Latin-1": answer(status=b"HTTP/1.1 200 d'accord \xe9"),
    "two blanks": answer(status="HTTP/1.1  200  OK"),
    "HTTP/1.0": answer(status="HTTP/1.0 200 OK"),
    "HTTP/1.0 without length": answer(status="HTTP/1.0 200 OK", length=False),
    "HTTP/1.2": answer(status="HTTP/1.2 200 OK"),
    "HTTP/1.x": answer(status="HTTP/1.x 200 OK"),
    "HTTP/2.0": answer(status="HTTP/2.0 200 OK"),
    "http/1.1": answer(status="http/1.1 200 OK"),
    "no head (HTTP/0.9)": IMAGE,
    "status of two digits": answer(status="HTTP/1.1 20 OK"),
    "status with zero": answer(status="HTTP/1.1 0200 OK"),
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "100 first": b"HTTP/1.1 100 Continue\r\n\r\n" + answer(),
    "103 first": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + answer(),
    "201": answer(status="HTTP/1.1 201 Created"),
    "203": answer(status="HTTP/1.1 203 Non-Authoritative Information"),
    "204": answer(status="HTTP/1.1 204 No Content", body=b""),
    "205": answer(status="HTTP/1.1 205 Reset Content"),
    "206, the whole": answer(f"Content-Range: bytes 0-{len(IMAGE) - 1}/{len(IMAGE)}", status="HTTP/1.1 206 Partial"),
    "206, no range": answer(status="HTTP/1.1 206 Partial Content"),
    "206, a part": answer("Content-Range: bytes 0-99/5000", body=IMAGE[:100], status="HTTP/1.1 206 Partial Content"),
    "206, counted from 1": answer(
        f"Content-Range: bytes 1-{len(IMAGE)}/{len(IMAGE)}", status="HTTP/1.1 206 Partial Content"
    ),
    "206, said to be a part": answer("Content-Range: bytes 0-99/5000", status="HTTP/1.1 206 Partial Content"),
    "226": answer(status="HTTP/1.1 226 IM Used"),
    "299": answer(status="HTTP/1.1 299 Fine"),
    "404 with an image": answer(status="HTTP/1.1 404 Not Found"),
    "503, odd Retry-After": answer("Retry-After: soon", status="HTTP/1.1 503 Busy", body=b""),
    # lengths and ends
    "no length": bare(),
    "length of a word": bare("Content-Length: unknown"),
    "empty length": bare("Content-Length:"),
    "negative length": bare("Content-Length: -1"),
    "length with plus": bare(f"Content-Length: +{len(IMAGE)}"),
    "length with unit": bare(f"Content-Length: {len(IMAGE)} bytes"),
    "length with another unit": bare("Content-Length: 1 KB"),
    "length with comma": bare("Content-Length: 1,234"),
    "length with semicolon": bare("Content-Length: 12; more"),
    "two lengths in one": bare(f"Content-Length: 5, {len(IMAGE)}"),
    "length twice in one": bare(f"Content-Length: {len(IMAGE)}, {len(IMAGE)}"),
    "length twice": answer(LENGTH),
    "two lengths, first right": answer(f"Content-Length: {len(IMAGE) + 9}"),
    "two lengths, last right": answer(LENGTH, body=IMAGE, length=False).replace(
        LENGTH.encode(), f"Content-Length: {len(IMAGE) + 9}\r\n{LENGTH}".encode()
    ),
    "length of 30 digits": bare(f"Content-Length: {'9' * 30}"),
    "length 5 too large": bare(f"Content-Length: {len(IMAGE) + 5}"),
    "length 5 too small": bare(f"Content-Length: {len(IMAGE) - 5}"),
    "length 0": bare("Content-Length: 0"),
    "bytes after the body": answer() + b"\r\n\r\nHTTP/1.1 200 OK\r\n",
    "says keep-alive, closes": answer("Connection: keep-alive", "Keep-Alive: timeout=60"),
    # chunks
    "chunked": chunked(),
    "Chunked": bare("transfer-encoding: Chunked", body=chunks()),
    "chunked, HTTP/1.0": answer("Transfer-Encoding: chunked", status="HTTP/1.0 200 OK", length=False, body=chunks()),
    "chunked, length too": chunked("Content-Length: 7"),
    "chunked twice": chunked("Transfer-Encoding: chunked"),
    "identity": answer("Transfer-Encoding: identity"),
    "gzip, chunked": bare("Transfer-Encoding: gzip, chunked", body=b"%x\r\n" % len(gzip.compress(IMAGE)))
    + gzip.compress(IMAGE)
    + b"\r\n0\r\n\r\n",
    "chunks with extensions": chunked(size='{:x};name="value"'),
    "chunk sizes in capitals": chunked(size="{:X}"),
    "chunk sizes with zeros": chunked(size="{:08x}"),
    "chunk sizes with blanks": chunked(size="{:x}   "),
    "chunk sizes after blanks": chunked(size="  {:x}"),
    "chunk sizes with words": chunked(size="{:x} bytes"),
    "chunk sizes with 0x": chunked(size="0x{:x}"),
    "chunks with bare LF": chunked(end=b"\n", after=b"0\n\n"),
    "chunks with trailers": chunked(after=b"0\r\nX-Trailer: a\r\n\r\n"),
    "no last chunk": chunked(after=b""),
    "no line after the last chunk": chunked(after=b"0\r\n"),
    "last chunk, cut": chunked(after=b"0"),
    "bytes after the last chunk": chunked(after=b"0\r\n\r\nmore"),
    "said to be chunked": bare("Transfer-Encoding: chunked"),
    # codings
    "gzip, is JPEG": answer("Content-Encoding: gzip"),
    "gzip": answer("Content-Encoding: gzip", body=gzip.compress(IMAGE)),
    "x-gzip": answer("Content-Encoding: x-gzip", body=gzip.compress(IMAGE)),
    "gzip twice": answer("Content-Encoding: gzip, gzip", body=gzip.compress(gzip.compress(IMAGE))),
    "gzip, cut": answer("Content-Encoding: gzip", body=gzip.compress(IMAGE)[:-60]),
    "gzip without trailer": answer("Content-Encoding: gzip", body=gzip.compress(IMAGE)[:-8]),
    "gzip, bytes after": answer("Content-Encoding: gzip", body=gzip.compress(IMAGE) + b"\x00" * 9),
    "gzip, not said": answer(body=gzip.compress(IMAGE)),
    "deflate": answer("Content-Encoding: deflate", body=zlib.compress(IMAGE)),
    "deflate, raw": answer("Content-Encoding: deflate", body=RAW_DEFLATE),
    "deflate, is JPEG": answer("Content-Encoding: deflate"),
    "br": answer("Content-Encoding: br", body=pa.compress(IMAGE, "brotli", asbytes=True)),
    "zstd": answer("Content-Encoding: zstd", body=pa.compress(IMAGE, "zstd", asbytes=True)),
    "br, is JPEG": answer("Content-Encoding: br"),
    "zstd, is JPEG": answer("Content-Encoding: zstd"),
    "unknown coding": answer("Content-Encoding: utf-8"),
    "coding of a type": answer("Content-Encoding: image/jpeg"),
    "empty coding": answer("Content-Encoding:"),
    # redirects
    "moved": moved(LATER),
    "moved, 8.3 KB": moved(f"Location: /plain?{'a' * 8_300}"),
    "moved, 60 KB": moved(f"Location: /plain?{'a' * 60_000}"),
    "moved, blanks": moved("Location: /plain?a b c"),
    "moved, blanks around": moved("Location:   /plain  \t"),
    "moved, UTF-8": moved("Location: /plain?caf\xe9"),
    "moved, Latin-1": moved("Location: /plain?caf\xe9".encode("latin-1")),
    "moved, relative": moved("Location: plain"),
    "moved, two slashes": moved("Location: //{host}/plain"),
    "moved, fragment": moved("Location: /plain#part"),
    "moved, no body, no end": b"HTTP/1.1 301 Moved\r\nLocation: /plain\r\n",
    "moved, twice said": moved(LATER, "Location: /nowhere"),
    "moved, URI": moved("URI: /plain"),
    "moved, lower case": moved("location: /plain"),
    **{f"moved, {code}": moved(LATER, status=f"HTTP/1.1 {code} Elsewhere") for code in (300, 302, 303, 307, 308)},
    "moved, blank after the host": moved("Location: http://{host} /plain"),
    **{f"moved, nowhere, {code}": answer(status=f"HTTP/1.1 {code} Nowhere") for code in (300, 301, 399)},
    "moved, empty": answer("Location:", status="HTTP/1.1 302 Found"),
    "moved, nowhere": moved(),
    "moved, nowhere, a page": answer(status="HTTP/1.1 302 Found", body=OTHER),
    "moved, host with NUL": moved(b"Location: http://a\x00b/plain"),
    "nothing": b"",
}

# Failure, permanence and status of those that give no image. Neither curl nor urllib gets one either.
LOST = {
    "no head (HTTP/0.9)": ("protocol", False, None),
    "status of two digits": ("protocol", False, None),
    "another protocol": ("protocol", False, None),
    "204": ("http", True, 204),
    "206, a part": ("truncated", False, 206),
    "404 with an image": ("http", True, 404),
    "503, odd Retry-After": ("http", False, 503),
    "length 5 too large": ("truncated", False, 200),
    "length 5 too small": ("corrupt", True, 200),
    "length 0": ("not-an-image", True, 200),
    "no last chunk": ("truncated", False, 200),
    "said to be chunked": ("truncated", False, 200),
    "gzip, cut": ("corrupt", True, 200),
    "gzip, not said": ("not-an-image", True, 200),
    "moved, nowhere": ("redirect", True, 301),
    "moved, nowhere, a page": ("redirect", True, 302),
    "moved, host with NUL": ("url", True, 301),
    "nothing": ("reset", False, None),
}


def path_of(name: str) -> str:
    """The path at which an answer is served."""
    return "/" + "".join(letter if letter.isalnum() else "-" for letter in name.lower().replace("-", "--"))


class Handler(socketserver.BaseRequestHandler):
    """Answers one request, by its path."""

    def handle(self) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            piece = self.request.recv(65536)
            if not piece:
                return
            request += piece
        path = request.split(b" ")[1].decode("latin-1").partition("?")[0]
        host = b"".join(line[5:].strip() for line in request.split(b"\r\n") if line[:5].lower() == b"host:")
        said = self.server.answers.get(path, moved(status="HTTP/1.1 404 Not Found"))
        self.server.log.append(path)
        self.request.sendall(said.replace(b"{host}", host))


class Hasty(socketserver.BaseRequestHandler):
    """Answers before it is asked."""

    def handle(self) -> None:
        self.request.sendall(self.server.answers["/"])
        self.request.recv(65536)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address, request_queue_size = True, True, 128


@contextlib.contextmanager
def answering(answers: dict[str, bytes], handler=Handler) -> Iterator[_Server]:
    """Send `answers`, by path, and close; yield the server, whose `log` has the paths that were asked for."""
    with _Server(("127.0.0.1", 0), handler) as server:
        server.answers, server.log, server.port = answers, [], server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
