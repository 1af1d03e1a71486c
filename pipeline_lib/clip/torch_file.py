"""Files of ``torch.save``: ours, written atomically and read back; plain ones of others, of which nothing is run."""

import io
import struct
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from pipeline_lib.clip.inert import DAMAGED, InertUnpickler, Storage, UnreadableError, unreadable
from pipeline_lib.jobs.file_kind import LOOKED_AT, absent, other_kind
from pipeline_lib.jobs.files import atomic
from pipeline_lib.jobs.memory_limit import SPARE_BYTES, spare_memory
from pipeline_lib.jobs.quoted import quoted

MAGIC = 0x1950A86A20F9469CFC6C  # with which the older form begins
COPIES = 4  # of a file's bytes: the most that reading it and building its model takes


def save_torch(path: str | Path, content: object) -> None:
    """Write `content` with ``torch.save``, atomically, for ``torch.load(weights_only=True)`` to read."""
    # Given a path, torch writes by itself, and its error for a full disk only names an unexpected position.
    with atomic(path) as aside, open(aside, "wb") as file:
        torch.save(content, file)


def check_zip(path: str | Path) -> None:
    """Compare the content of a file of `save_torch` with its checksums, which torch writes but does not read."""
    with zipfile.ZipFile(path) as content:
        if (broken := content.testzip()) is not None:
            raise ValueError(f"{broken} in it does not match its checksum")


def load_weights_only(path: str | Path) -> object:
    """Return the content of a file of `save_torch`: the one place of this package that calls ``torch.load``.

    Only tensors, numbers, texts, lists and dictionaries are rebuilt; anything else is never loaded
    (`pickle.UnpicklingError`). A damaged or foreign file, and one that asks for much more memory than it has bytes,
    raise any of a dozen unrelated types.
    """
    with memory_for(path):
        return torch.load(path, map_location="cpu", weights_only=True)


def memory_for(path: str | Path):
    """Return a context that lets this process take as much memory as the weights in a file or folder may need."""
    path = Path(path)
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return spare_memory(COPIES * sum(file.stat().st_size for file in files) + SPARE_BYTES)


@contextmanager
def opened(path: str | Path) -> Iterator[object]:
    """Yield what a file of ``torch.save`` of others holds; a `Stored` can be read until the context ends.

    Read are the zip that torch writes since 2020, its older form, and TorchScript, whose code is left alone. A damaged
    or foreign file is an `UnreadableError`, a damaged tensor when it is read.
    """
    with open(path, "rb") as file, memory_for(path), ExitStack() as stack:
        try:
            start = file.peek(LOOKED_AT)
            if start.startswith(b"PK") and zipfile.is_zipfile(file):
                content = _from_zip(stack.enter_context(zipfile.ZipFile(file)))
            else:
                if found := other_kind(start, "zip", "pickle", todo="take the PyTorch weights"):
                    raise UnreadableError(found)
                content = _from_older_form(file)
        except Exception as error:  # a damaged pickle raises nearly anything
            raise unreadable(error) from error
        yield content


def _from_zip(archive: zipfile.ZipFile) -> object:
    names = archive.namelist()
    pickled = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if not pickled:
        raise UnreadableError(
            f"a zip of other files, {quoted(names, 100)}: if a checkpoint is among them, unpack it and name that"
        )
    folder = pickled[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
        raise UnreadableError("numbers in the byte order of another kind of machine: save them again on one like this")

    @cache
    def read(key: str) -> Tensor:
        return _bytes(archive.read(f"{folder}data/{key}"))  # which compares them with their checksum

    return InertUnpickler(io.BytesIO(archive.read(pickled[0])), lambda storage: read(storage.key)).load()


def _from_older_form(file: BinaryIO) -> object:
    """Return the content of a file in torch's form before 2020: pickles, one after the other, then the numbers."""
    places: dict[str, int] = {}  # key of a storage -> where its numbers begin

    @cache
    def read(storage: Storage) -> Tensor:
        file.seek(places[storage.key])
        return _bytes(file.read(storage.size))

    if InertUnpickler(file).load() != MAGIC:
        raise UnreadableError(
            "a pickle that torch.save did not write: save its tensors with torch.save, or get the PyTorch weights"
        )
    for _ in ("version", "machine"):
        InertUnpickler(file).load()
    unpickler = InertUnpickler(file, lambda storage: read(storage._replace(offset=0)))
    content = unpickler.load()
    for key in InertUnpickler(file).load():
        (numel,) = struct.unpack("<q", file.read(8))
        places[str(key)] = file.tell()
        if (storage := unpickler.storages.get(str(key))) is None or storage.numel != numel:
            raise UnreadableError(DAMAGED)
        file.seek(storage.size, 1)
    return content


def _bytes(content: bytes) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)


def load_plain(path: str | Path, expected: str) -> object:
    """Return the content of a published file of plain values; `expected` names it in messages.

    What is not plain comes as a `StandIn`, a tensor as a `Stored`.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{absent(path)}; expected {expected}")
    try:
        with opened(path) as content:
            return content
    except ValueError as error:
        raise ValueError(f"{path}: expected {expected}, found {error}") from error
