"""Unpickle what others saved with ``torch.save``: tensors and plain values are made, and nothing is executed.

A pickle may name any function and have it called. ``torch.load(weights_only=True)`` refuses a file that names one it
does not know, and what stands beside the weights names many: numpy's numbers in an optimizer's state, paths, enums, a
configuration of another library. The weights do not need them.

So here no name in a pickle is ever looked up. A tensor becomes a `Stored`, which is read from the file on demand: an
optimizer's state, twice the size of the weights, is never read. Numbers of numpy become Python's. Everything else
becomes a `StandIn`, which only notes what the pickle says of the object.
"""

import pickle
import struct
from collections.abc import Callable
from typing import BinaryIO, ClassVar, NamedTuple

import torch
from torch import Tensor

from pipeline_lib.jobs.cli import DISK_ERRORS

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
TYPES = {str(kind): kind for kind in vars(torch).values() if isinstance(kind, torch.dtype)}
NUMBERS = {"f8": "d", "f4": "f", "f2": "e", "b1": "?", "i8": "q", "i4": "i", "i2": "h", "i1": "b"}
NUMBERS |= {"u8": "Q", "u4": "I", "u2": "H", "u1": "B"}  # numpy's names of types: those of `struct`
DAMAGED = "a file of torch.save that is not whole: compare its size with the published one, and download it again"
PLAIN = (str, bytes, int, float, type(None))  # what a dictionary's keys may be; hashing deep tuples can crash


class UnreadableError(ValueError):
    """What a file is in the place of one that can be read, and what to do, in words."""


def unreadable(error: Exception, detail: str = "") -> Exception:
    """Return what to raise for an error met while a file was read; what is in words, or the disk's, stays."""
    if isinstance(error, UnreadableError) or (isinstance(error, OSError) and error.errno in DISK_ERRORS):
        return error
    return UnreadableError(f"{DAMAGED}{detail}")


class Name(str):
    """A function or class that a pickle names, such as ``collections.OrderedDict``; it is not looked up."""


class StandIn(dict):
    """An object that is not made: what a pickle says of it, and its items, where it is a container."""

    __hash__, __eq__ = object.__hash__, object.__eq__

    def __init__(self, name: object, made_from: object = ()) -> None:
        super().__init__()
        self.name, self.made_from, self.state = str(name), made_from, None

    def __repr__(self) -> str:
        return f"<{self.name[:80]!r:.100}>".replace("'", "")

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

    def __repr__(self) -> str:
        return f"<a tensor of shape {self.shape}>"

    def tensor(self) -> Tensor:
        """Read it; tensors that share numbers in the file share them here."""
        try:
            content = self.storage.read(self.storage)
            if len(content) != self.storage.size:
                raise UnreadableError(DAMAGED)
            return content.view(self.dtype).as_strided(self.shape, self.stride, self.offset)
        except Exception as error:  # of zipfile and torch, for missing and damaged records and for forged shapes
            raise unreadable(error, f" (its numbers {self.storage.key:.50}: {error!s:.100})") from error


def _dict(pairs: list = ()) -> dict:
    return {key: value for key, value in pairs if isinstance(key, PLAIN)}


def _tensor(storage: Storage, offset: int, shape: tuple, stride: tuple, *_: object) -> Stored:
    start, numbers = storage.offset + offset, (*shape, *stride)
    if not all(type(number) is int and number >= 0 for number in (start, *numbers)):
        raise ValueError("not the shape of a tensor")
    return Stored(storage, start, tuple(shape), tuple(stride), storage.dtype)


def _tensor_of_type(storage: Storage, offset: int, shape: tuple, stride: tuple, *more: object) -> Stored:
    return _tensor(storage, offset, shape, stride)._replace(dtype=TYPES[more[2]])


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


class InertUnpickler(pickle._Unpickler):
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
