"""Text files of words: lists that people extend are data, and stand beside the code that reads them.

    # Nouns that name the picture and not what is in it.
    [pictures]
    photo
    still life

One entry per line (of a table: one row, with tabs); ``[name]`` starts a list, ``#`` a comment. A module in the same
folder has to name the file in double quotes, so that `code_version` counts it.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace


def read_table(path: Path) -> Iterator[list[str]]:
    """Yield the lines of a text file as their fields, which tabs part; without comments and empty lines."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")


@cache
def read_word_lists(path: Path) -> SimpleNamespace:
    """Return the lists of a file as frozen sets, each an attribute: ``read_word_lists(path).pictures``."""
    lists: dict[str, set[str]] = {}
    for (entry,) in read_table(path):
        if entry.startswith("["):
            entries = lists.setdefault(entry.strip("[]"), set())
        else:
            entries.add(entry)
    return SimpleNamespace(**{name: frozenset(entries) for name, entries in lists.items()})
