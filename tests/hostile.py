"""Files that were made to do harm: none of them may be taken, run, or cost the machine much time or memory."""

import gzip
import io
import json
import os
import pickle
import resource
import signal
import struct
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import torch
from conftest import jpeg_bytes

SECONDS = 60
MEMORY_BYTES = 2 << 30  # beyond what the process has


@contextmanager
def bounded():
    """Let what runs in it fail when it takes too long or too much memory."""

    def late(*_):
        raise AssertionError(f"took more than {SECONDS} s")

    used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    handler = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY_BYTES, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, limits)
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch '{self.path}'",)


def torch_saved(content: object, legacy: bool = False) -> bytes:
    """What ``torch.save`` writes."""
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def tarred(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar of members whose headers say anything."""
    blocks = (info.tobuf(form) + content + bytes(-len(content) % tarfile.BLOCKSIZE) for info, content in members)
    return b"".join(blocks) + bytes(2 * tarfile.BLOCKSIZE)


def member(name: str, content: bytes = b"", **changes: object) -> tuple[tarfile.TarInfo, bytes]:
    """A member of a tar: a file, or what `changes` make of it."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, content


def png(width: int, height: int, pixels: bytes = b"") -> bytes:
    """A PNG that says to be of a size, whatever it has."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """A JPEG whose header says that it is of another size."""
    content = jpeg_bytes()
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", height, width) + content[at + 4 :]


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def contents(canary: str) -> dict[str, bytes]:
    """Hostile files that any reader may be given, by what they are; some make the file `canary` if they are run."""
    zeros = bytes(20_000_000)
    return {
        "nothing": b"",
        "zeros": bytes(1_000_000),
        "a web page": b"<!DOCTYPE html><title>Not found</title>",
        "an SVG": SVG,
        "XML entities": (ENTITIES + "]><x>&i;</x>").encode(),
        "a pickle": pickle.dumps(Touch(canary), protocol=2),
        "a pickle for CIFAR": pickle.dumps({"data": Touch(canary), "labels": [1], "fine_labels": [1]}),
        "a checkpoint with code": torch_saved({"model": Touch(canary), "annotations": [Touch(canary)]}),
        "a checkpoint with code, as of old": torch_saved({"model": Touch(canary)}, legacy=True),
        "a gzip bomb": gzip.compress(zeros, 1),
        "a zip bomb": zipped(("val2017/000000000001.jpg", zeros), ("000000000002.jpg", zipped(("a", zeros)))),
        "a million columns": b",".join(b"%d" % number for number in range(1_000_000)) + b"\n",
        "a long field": b'"' + b"x" * 1_000_000 + b'",b\n',
        "nested lists": b"[" * 100_000 + b"]" * 100_000,
        "nested dictionaries": b'{"images":' * 100_000 + b"1" + b"}" * 100_000,
        "not a number": b'{"images": NaN, "e": {"a": Infinity}}',
        "a long number": b'{"images": ' + b"9" * 100_000 + b"}",
        "a key twice": b'{"images": [], "images": [{"id": 1}]}',
        "half a character": json.dumps({"images": "\ud800", "e": {"caption": "\ud800"}}).encode(),
        "a tag of YAML": f"run: !!python/object/apply:os.system ['touch {canary}']\n".encode(),
        "laughs of YAML": LAUGHS.encode(),
        "another encoding": "caf\xe9\t\xe9\n".encode("utf-16"),
        "a safetensors header without end": struct.pack("<Q", 2**60) + b"{}",
        "a safetensors file that lies": struct.pack("<Q", 66)
        + b'{"features":{"dtype":"F32","shape":[9999999999],"data_offsets":[0,4]}}'[:66],
        "a parquet file without end": b"PAR1" + b"\xff" * 4000 + b"\xff\xff\xff\x7fPAR1",
        "a large image": png(60_000, 60_000, zlib.compress(bytes(1_000_000))),
    }
