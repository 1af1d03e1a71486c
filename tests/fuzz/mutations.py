"""Damage a file: bytes, blocks, numbers and words, as accidents and as people with bad intentions do.

An edit is (kind, place, value): plain numbers, so that Hypothesis can shrink it and a report can quote it.
"""

import json
import re
from collections.abc import Iterator, Sequence

from hypothesis import strategies

KINDS = ("flip", "set", "cut", "drop", "double", "insert", "number", "word", "node")
#: What a number of 1 to 8 bytes is overwritten with: zero, ones, signs, and sizes that no file has.
NUMBERS = [
    value.to_bytes(width, order)
    for width in (1, 2, 4, 8)
    for order in ("little", "big")
    for value in (0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), 2 ** (8 * width - 1) - 1, 2 ** (8 * width - 2))
]
#: What a word or number of a text is replaced with.
WORDS = [
    b"null", b"true", b"-1", b"0", b"0.5", b"1e999", b"NaN", b"-Infinity", b"9" * 30, b"9" * 5000, b"{}", b"[]", b'""',
    b'"\\ud800"', b'"\\u0000"', b'"../../x"', b'"/etc/passwd"', b"[" * 3000, b"'", b'"', b"\t", b"\n", b"\r\n\r\n",
    b"\xff\xfe", b"\x00", b"\xef\xbb\xbf", b"!!python/object/apply:os.system [id]", b"&a [*a]", b'{"a": 1, "a": 2}',
]  # fmt: skip
#: What a value of a JSON file is replaced with, whatever it holds.
NODES = [
    None, True, -1, 0, 0.5, 10**30, -(2**63), 2**64, 1e308, "", "x", "\n", "../../x", "a\u0000b", "\ud800", "[" * 9000,
    "x" * 200_000, [], {}, [1], {"a": 1}, {"": None}, [None], ["a", "b"], [[1, 2, 3, 4]],
]  # fmt: skip
WORD = re.compile(rb'"[^"\n]*"|-?\d+(?:\.\d+)?|\w+')

Edit = tuple[str, float, int]
SHARES = strategies.floats(0, 1, exclude_max=True, allow_subnormal=False)
EDIT = strategies.tuples(strategies.sampled_from(KINDS), SHARES, strategies.integers(0, 2**16))
EDITS = strategies.lists(EDIT, min_size=1, max_size=4)


def mutated(content: bytes, edits: Sequence[Edit]) -> bytes:
    """Return a file's content after `edits`, each one of `KINDS`, its place as a share of the file, and a number."""
    for kind, place, value in edits:
        at = int(place * len(content))
        before, here, after = content[:at], content[at : at + 1], content[at + 1 :]
        size = 1 + value % max(1, len(content) // 4)
        match kind:
            case "flip":
                content = before + bytes(byte ^ 1 << value % 8 for byte in here) + after
            case "set":
                content = before + value.to_bytes(3, "little")[: 1 + value % 3] + after
            case "cut":
                content = before
            case "drop":
                content = before + content[at + size :]
            case "double":
                content = content[: at + size] + content[at:]
            case "insert":
                content = before + bytes([value % 256]) * size + content[at:]
            case "number":
                number = NUMBERS[value % len(NUMBERS)]
                content = before + number + content[at + len(number) :]
            case "word" if found := list(WORD.finditer(content)):
                word = found[int(place * len(found))]
                content = content[: word.start()] + WORDS[value % len(WORDS)] + content[word.end() :]
            case "node":
                content = _with_node(content, place, NODES[value % len(NODES)])
    return content


def _nodes(tree: object) -> Iterator[tuple[object, object]]:
    """Yield each place of a tree as (dictionary or list, key)."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        yield from _nodes(value)


def _with_node(content: bytes, place: float, value: object) -> bytes:
    try:
        tree = [json.loads(content)]
        found = list(_nodes(tree))
    except (ValueError, RecursionError):
        return content
    parent, key = found[int(place * len(found))]
    parent[key] = value
    return json.dumps(tree[0]).encode()
