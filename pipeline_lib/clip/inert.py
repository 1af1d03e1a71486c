"""Read what others saved with ``torch.save``: tensors and plain values are made, and nothing is executed.

Such a file is a pickle, which may name any function and have it called. `torch.load(weights_only=True)` refuses a file
that names one it does not know, and what stands beside the weights names many: numpy's numbers in an optimizer's state,
paths, enums, a configuration of another library. The weights do not need them.

So here no name in a pickle is ever looked up. A tensor becomes a `Stored`, which is read from the file on demand:
an optimizer's state, twice the size of the weights, is never read. Numbers of numpy become Python's. Everything else
becomes a `StandIn`: a dictionary that only notes what the pickle says of the object. Read are the zip that torch writes
since 2020, its older form, and TorchScript archives, whose code is left alone.
"""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, ClassVar, NamedTuple

import torch
from torch import Tensor

from pipeline_lib.jobs.quoted import quoted

MAGIC = 0x1950A86A20F9469CFC6C  # with which the older form begins
STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "UntypedStorage": torch.uint8,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
    "QInt8Storage": torch.qint8,
    "QUInt8Storage": torch.quint8,
    "QInt32Storage": torch.qint32,
}
NUMBERS = {"f8": "d", "f4": "f", "f2": "e", "b1": "?", "i8": "q", "i4": "i", "i2": "h", "i1": "b"}
NUMBERS |= {"u8": "Q", "u4": "I", "u2": "H", "u1": "B"}  # numpy's names of types: those of `struct`
DAMAGED = "not a whole file of torch.save: compare its size with the published one, and download it again"
OTHER_FILES = (  # first bytes of files that are met in the place of a checkpoint, and what to do
    (b"version https://git-lfs", "a pointer of Git LFS, which stands for the file: get the file with `git lfs pull`"),
    (b"<", "a web page: the site answered with a page in the place of the file; download it in a browser"),
    (b"PK", "a zip that is cut off: download it again"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"BZh", "a bzip2 archive: unpack it first"),
    (b"\xfd7zXZ", "an xz archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"\x89HDF", "an HDF5 file, as TensorFlow and Keras write it: take the PyTorch weights"),
    (b"GGUF", "a GGUF file, whose weights are quantized: take the PyTorch weights"),
)
PLAIN = (str, bytes, int, float, type(None))  # what a dictionary's keys may be; hashing deep tuples can crash


class UnreadableError(ValueError):
    """What a file is in the place of one that can be read, and what to do, in words."""


class Name(str):
    """A function or class that a pickle names, such as ``collections.OrderedDict``; it is not looked up."""


class StandIn(dict):
    """An object that is not made: what a pickle says of it, and its items, where it is a container."""

    __hash__, __eq__ = object.__hash__, object.__eq__

    def __init__(self, name: object, made_from: object = ()) -> None:
        super().__init__()
        self.name, self.made_from, self.state = str(name), made_from, None

    def append(self, value: object) -> None:
        """Note an item of a list or set."""
        self[len(self)] = value

    add = append


class Storage(NamedTuple):
    """A run of numbers in the file; `read` returns its bytes, as a Tensor of uint8."""

    key: str
    dtype: torch.dtype
    numel: int
    read: Callable[["Storage"], Tensor]
    offset: int = 0  # where a view of it begins

    @property
    def size(self) -> int:
        """Return the number of its bytes."""
        return self.numel * self.dtype.itemsize


class Stored(NamedTuple):
    """A tensor in the file."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    def tensor(self) -> Tensor:
        """Read it; tensors that share numbers in the file share them here."""
        try:
            content = self.storage.read(self.storage)
            if len(content) != self.storage.size:
                raise UnreadableError(DAMAGED)
            return content.view(self.dtype).as_strided(self.shape, self.stride, self.offset)
        except (OSError, UnreadableError):
            raise
        except Exception as error:  # of zipfile and torch, for missing and damaged records and for forged shapes
            raise UnreadableError(f"{DAMAGED} (its numbers {self.storage.key:.50}: {error!s:.100})") from error


def _dict(pairs: list = ()) -> dict:
    return {key: value for key, value in pairs if isinstance(key, PLAIN)}


def _tensor(storage: Storage, offset: int, shape: tuple, stride: tuple, *_: object) -> Stored:
    start, numbers = storage.offset + offset, (*shape, *stride)
    if not all(type(number) is int and number >= 0 for number in (start, *numbers)):
        raise ValueError("not the shape of a tensor")
    return Stored(storage, start, tuple(shape), tuple(stride), storage.dtype)


def _tensor_of_type(storage: Storage, offset: int, shape: tuple, stride: tuple, *more: object) -> Stored:
    kind = getattr(torch, more[2].removeprefix("torch."))
    if not isinstance(kind, torch.dtype):
        raise TypeError(kind)
    return _tensor(storage, offset, shape, stride)._replace(dtype=kind)


def _number(kind: StandIn, content: bytes) -> object:
    order = ">" if kind.state[1] == ">" else "<"
    return struct.unpack(order + NUMBERS[kind.made_from[0]], content)[0]


MAKERS = {
    "collections.OrderedDict": _dict,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_type,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
    "torch._tensor._rebuild_from_type_v2": lambda function, _, values, __: make(function, values),
    "_codecs.encode": lambda text, coding: text.encode("latin1"),  # bytes, as Python 3 writes them
    "numpy.core.multiarray.scalar": _number,
    "numpy._core.multiarray.scalar": _number,
}


def make(name: object, values: object) -> object:
    """Return what a pickle asks for: a tensor, a plain value or a `StandIn`."""
    if isinstance(name, Name) and name in MAKERS and isinstance(values, tuple):
        try:
            return MAKERS[name](*values)
        except (AttributeError, KeyError, TypeError, ValueError, IndexError, struct.error):
            pass  # another use of that name
    return StandIn(name if isinstance(name, Name) else getattr(name, "name", type(name).__name__), values)


class _Inert(pickle._Unpickler):
    """An unpickler that looks nothing up and calls nothing but `make`.

    It derives from the unpickler in Python: the one in C allocates as many objects as a forged file claims to have.
    """

    dispatch: ClassVar = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: BinaryIO, read: Callable[[Storage], Tensor] | None = None) -> None:
        super().__init__(file, encoding="latin1")
        self.read_storage, self.storages = read, {}

    def find_class(self, module: str, name: str) -> Name:
        return Name(f"{module}.{name}")

    def persistent_load(self, pid: object) -> object:
        kind, of, *rest = pid
        if kind in ("module", b"module"):  # of the older form: a class, and its source
            return of
        key, _, numel, *view = rest  # a view, of the older form only: (key, offset, size)
        dtype = STORAGES.get(of.rpartition(".")[2]) if isinstance(of, Name) else None
        if kind not in ("storage", b"storage") or type(numel) is not int or numel < 0 or self.read_storage is None:
            raise pickle.UnpicklingError(f"expected a storage of numbers, found {kind!r:.50}")
        if dtype is None:
            return StandIn(of)
        storage = self.storages.setdefault(str(key), Storage(str(key), dtype, numel, self.read_storage))
        return storage._replace(offset=view[0][1]) if view and view[0] else storage

    def _instantiate(self, name: object, values: tuple) -> None:
        self.append(make(name, tuple(values)))

    def load_reduce(self) -> None:
        values = self.stack.pop()
        self.stack[-1] = make(self.stack[-1], values)

    def load_newobj_ex(self) -> None:
        self.stack.pop()
        self.load_reduce()

    def load_build(self) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], StandIn):
            self.stack[-1].state = state

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self._put(items)

    def load_setitem(self) -> None:
        items = self.stack[-2:]
        del self.stack[-2:]
        self._put(items)

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._put(items)

    def _put(self, items: list) -> None:
        if not isinstance(self.stack[-1], dict):
            raise pickle.UnpicklingError("items for what is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][key if isinstance(key, (*PLAIN, StandIn)) else StandIn("key", (key,))] = value

    def load_empty_set(self) -> None:
        self.append(StandIn("builtins.set"))

    def load_frozenset(self) -> None:
        self.append(StandIn("builtins.frozenset", tuple(self.pop_mark())))

    dispatch |= {
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_reduce,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.BUILD[0]: load_build,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.DICT[0]: load_dict,
        pickle.EMPTY_SET[0]: load_empty_set,
        pickle.FROZENSET[0]: load_frozenset,
    }


@contextmanager
def opened(path: str | Path) -> Iterator[object]:
    """Yield what a file of ``torch.save`` holds; a `Stored` can be read until the context ends.

    A damaged or foreign file is an `UnreadableError`, a damaged tensor when it is read. A forged one may ask for any
    amount of memory: the caller bounds it (`memory_for`).
    """
    with open(path, "rb") as file, ExitStack() as stack:
        try:
            if zipfile.is_zipfile(file):
                content = _from_zip(stack.enter_context(zipfile.ZipFile(file)))
            else:
                file.seek(0)
                if found := [said for first, said in OTHER_FILES if file.peek(16).startswith(first)]:
                    raise UnreadableError(found[0])
                content = _from_older_form(file)
        except (OSError, UnreadableError):
            raise
        except Exception as error:  # a damaged pickle raises nearly anything
            raise UnreadableError(DAMAGED) from error
        yield content


def _from_zip(archive: zipfile.ZipFile) -> object:
    names = archive.namelist()
    pickled = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if not pickled:
        raise UnreadableError(f"a zip of other files, {quoted(names, 100)}: unpack it and name the checkpoint in it")
    folder = pickled[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") != b"little":
        raise UnreadableError("numbers in the byte order of another kind of machine: save them again on one like this")

    @cache
    def read(key: str) -> Tensor:
        return _bytes(archive.read(f"{folder}data/{key}"))  # which compares them with their checksum

    return _Inert(io.BytesIO(archive.read(pickled[0])), lambda storage: read(storage.key)).load()


def _from_older_form(file: BinaryIO) -> object:
    """Return the content of a file in torch's form before 2020: pickles, one after the other, then the numbers."""
    places: dict[str, int] = {}  # key of a storage -> where its numbers begin

    @cache
    def read(storage: Storage) -> Tensor:
        file.seek(places[storage.key])
        return _bytes(file.read(storage.size))

    if _Inert(file).load() != MAGIC:
        raise UnreadableError(
            "a pickle that torch.save did not write: save it with torch.save, or get the PyTorch weights"
        )
    for _ in ("version", "machine"):
        _Inert(file).load()
    unpickler = _Inert(file, lambda storage: read(storage._replace(offset=0)))
    content = unpickler.load()
    for key in _Inert(file).load():
        (numel,) = struct.unpack("<q", file.read(8))
        places[str(key)] = file.tell()
        if (storage := unpickler.storages.get(str(key))) is None or storage.numel != numel:
            raise UnreadableError(DAMAGED)
        file.seek(storage.size, 1)
    return content


def _bytes(content: bytes) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(0, dtype=torch.uint8)
