"""Read a variable of a MATLAB file, level 5, in Python alone.

SciPy's reader is compiled, and a damaged or forged file makes it write where it must not: the process dies, or worse.
The labels of two sets come in such files, which nobody signs. This one reads what they hold (numbers, texts, cells and
structures), and a file can only make it raise a `ValueError`. Format: MathWorks, "MAT-File Format", 2000 and later.
"""

import math
import struct
import zlib
from collections.abc import Iterator

HEADER_BYTES = 128
MATRIX, COMPRESSED = 14, 15
NUMBERS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
ENCODINGS = {1: "latin1", 2: "latin1", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le"}
CELL, STRUCT, CHAR, NUMERIC = 1, 2, 4, range(6, 16)
MAX_DEPTH = 8


def read_mat(content: bytes, name: str, max_bytes: int) -> list | str:
    """Return a variable of a file.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        Of the variable.
    max_bytes : int
        Which it may have, unpacked.

    Returns
    -------
    list or str
        An array of numbers as a list of them, an array of structures as a list of dictionaries, a cell array as a list,
        column after column whatever its shape; a text as a str.

    Raises
    ------
    ValueError
        If the file is damaged, of another kind or level, or has no such variable.
    """
    if len(content) < HEADER_BYTES or content[124:128] != b"\x00\x01IM":
        raise ValueError("expected a MATLAB file of level 5, found something else")
    try:
        for kind, body in _elements(memoryview(content)[HEADER_BYTES:]):
            if kind == COMPRESSED:
                body = zlib.decompressobj().decompress(body, max_bytes + 1)
                if len(body) > max_bytes:
                    raise ValueError(f"expected a variable of {max_bytes:,} bytes at most, found more")
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
        start = at + 8
        if kind >> 16:
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
        there = 4 if start == at + 4 else len(data) - start
        if size > there:
            raise ValueError(f"not a whole MATLAB file: an element of {size:,} bytes, of which {there:,} are there")
        yield kind, data[start : start + size]
        if start == at + 4:
            at += 8
        else:
            at = start + size + (0 if kind == COMPRESSED else -size % 8)


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
