"""What every reader says of itself, and how one is found by its name.

The modules of readers import nothing heavy: the workflow loads all of them to know which files a pool needs.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from pipeline_lib.formats.images import Sample

MAX_TABLE_BYTES = 1 << 28  # of a file of labels; the largest of the usual sets, CIFAR's, has 31 MB


def as_given(*paths: str) -> list[str]:
    """Return the paths: a reader's files are those that it is given."""
    return list(paths)


def present(*candidates: str) -> str:
    """Return the first path that exists, or the first where none does."""
    return next((path for path in candidates if Path(path).exists()), candidates[0])


@dataclass(frozen=True)
class Reader:
    """How the samples of a dataset come from its files.

    Attributes
    ----------
    read : callable
        From one or several paths to the samples, without reading an image, in an order that depends on the files alone.
    layout : str
        The files that it expects, in words.
    needs : callable
        From the same paths to the files and folders that are read; where a dataset is not there, those of its download.
    classes : int or None
        Labels are below it; None where samples have no label, or their number is not known.
    counts : mapping of int to str
        Numbers of images that tell of a mistake, such as those of another split, and what they are.
    """

    read: Callable[..., Iterable[Sample]]
    layout: str
    needs: Callable[..., list[str]] = as_given
    classes: int | None = None
    counts: Mapping[int, str] = field(default_factory=dict)

    def accepts(self, paths: list[str]) -> bool:
        """Return whether `paths` are as many as the reader takes."""
        try:
            inspect.signature(self.read).bind(*paths)
        except TypeError:
            return False
        return True


def module_name(name: str) -> str:
    """Return the module of this package in which the reader `name` is."""
    return name.replace("-", "_")


def find_reader(name: str) -> Reader:
    """Return a reader by its name in the config; only its own module is loaded.

    Raises
    ------
    ValueError
        If there is none.
    """
    module = f"{__package__}.{module_name(name)}"
    if re.fullmatch(r"[a-z0-9-]+", name) and find_spec(module):
        found = getattr(import_module(module), "READER", None)
        if found is not None:
            return found
    raise ValueError(f"expected the name of a reader in {__package__}, found {name!r}")
