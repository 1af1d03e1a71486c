"""Read a variable of a MATLAB file, level 5, in Python alone.

SciPy's reader is compiled, and a damaged or forged file makes it write where it must not: the process dies, or worse.
It would be safe on files whose checksum is known; but of ImageNet's meta.mat and the cars' cars_meta.mat none is
published. This one reads what such files hold (numbers, texts, cells and structures) and refuses everything else by a
`ValueError`. Format: MathWorks, "MAT-File Format", 2000 and later.
"""

import math
import struct
import zlib
from collections.abc import Iterator

from pipeline_lib.formats import MAX_TABLE_BYTES
from pipeline_lib.jobs.file_kind import other_kind

HEADER_BYTES = 128
MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
ENCODINGS = {1: "latin1", 2: "latin1", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le"}
CELL, STRUCT, CHAR, NUMERIC = 1, 2, 4, range(6, 16)
MAX_DEPTH = 8


def read_mat(content: bytes, name: str) -> list | str:
    """Return the variable `name` of a file.

    An array of numbers is a list of them, an array of structures a list of dictionaries, a cell array a list, each
    column after column whatever its shape; a text is a str.
    """
    if len(content) < HEADER_BYTES or content[124:128] != b"\x00\x01IM":
        raise ValueError(f"expected a MATLAB file of level 5, found {other_kind(content) or 'something else'}")
    try:
        for kind, body in _elements(memoryview(content)[HEADER_BYTES:]):
            if kind == COMPRESSED:
                body = zlib.decompressobj().decompress(body, MAX_TABLE_BYTES + 1)
                if len(body) > MAX_TABLE_BYTES:
                    raise ValueError(f"expected a variable of {MAX_TABLE_BYTES:,} bytes at most, found more")
                kind, body = next(_elements(memoryview(body)))
            if kind == MATRIX and _name(body) == name:
                return _value(body, 0)
    except (struct.error, zlib.error, StopIteration, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"not a whole MATLAB file ({error!r:.200})") from error
    raise ValueError(f"expected the variable {name}, found none")


def _elements(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield type and bytes of each element: a tag and its data, in 8 bytes together or with 8 for the tag alone."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        small = kind >> 16  # tag and data in 8 bytes together: the size is in the upper half
        if small:
            kind, size, start, there = kind & 0xFFFF, small, at + 4, 4
        else:
            start, there = at + 8, len(data) - at - 8
        if size > there:
            raise ValueError(f"not a whole MATLAB file: an element of {size:,} bytes, of which {there:,} are there")
        yield kind, data[start : start + size]
        padding = 0 if kind == COMPRESSED else -size % 8
        at = at + 8 if small else start + size + padding


def _name(body: memoryview) -> str:
    _, _, (_, name) = (element for _, element in zip(range(3), _elements(body), strict=False))
    return bytes(name).decode("latin1")


def _value(body: memoryview, depth: int) -> list | str:
    if depth > MAX_DEPTH:
        raise ValueError(f"not a MATLAB file of labels: nested more than {MAX_DEPTH} deep")
    if not body:  # an empty cell or field
        return []
    elements = _elements(body)
    flags, shape, _ = next(elements)[1], next(elements)[1], next(elements)
    kind = struct.unpack_from("<I", flags)[0] & 0xFF
    if kind in NUMERIC:
        return _numbers(*next(elements, (1, b"")))
    if kind == CHAR:
        encoding, text = next(elements, (1, b""))
        return bytes(text).decode(ENCODINGS[encoding])
    count = math.prod(_numbers(5, shape))
    if kind == CELL:
        return [_value(next(elements)[1], depth + 1) for _ in range(count)]
    if kind == STRUCT:
        width, names = _numbers(*next(elements))[0], bytes(next(elements)[1])
        if width < 1:
            raise ValueError("not a whole MATLAB file: names of fields without a width")
        fields = [names[at : at + width].split(b"\0")[0].decode("latin1") for at in range(0, len(names), width)]
        if not fields and count > 0:
            raise ValueError("not a MATLAB file of labels: a structure without fields")
        return [{field: _value(next(elements)[1], depth + 1) for field in fields} for _ in range(count)]
    raise ValueError(
        f"not a MATLAB file of labels: an array of class {kind}, expected numbers, texts, cells or structures"
    )


def _numbers(kind: int, data: bytes | memoryview) -> list:
    code = NUMBERS[kind]
    return list(struct.unpack(f"<{len(data) // struct.calcsize(f'<{code}')}{code}", data))
