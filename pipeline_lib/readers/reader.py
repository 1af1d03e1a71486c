"""What every reader says of itself, and how one is found by its name."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from pipeline_lib.formats.images import Sample


def present(*candidates: str) -> str:
    """Return the first path that exists, or the first where none does."""
    return next((path for path in candidates if Path(path).exists()), candidates[0])


@dataclass(frozen=True)
class Reader:
    """How the samples of a dataset come from its files.

    `read` takes one or several paths, and reads no image. `needs` takes the same paths and returns what is read, files
    and folders; where a dataset is missing, those of its download.
    """

    read: Callable[..., Iterable[Sample]]
    layout: str  # the files that it expects, in words
    needs: Callable[..., list[str]] = lambda *paths: list(paths)
    classes: int | None = None  # labels are below it; None: samples have no label, or the number is not known
    counts: Mapping[int, str] = field(default_factory=dict)  # those that tell of a mistake, such as of another split
    may_be_empty: bool = False  # as a shard of CC-Neg is that has no sample of a split

    def accepts(self, paths: list[str]) -> bool:
        """Return whether `paths` are as many as the reader takes."""
        try:
            inspect.signature(self.read).bind(*paths)
        except TypeError:
            return False
        return True


def _place(name: str) -> list[str]:
    # Not by an import statement, which the rules follow to know a job's code: a new reader must not rerun other pools.
    places = import_module(f"{__package__}.catalogue").READER_PLACES
    if name not in places:
        raise ValueError(f"expected the name of a reader, one of {', '.join(places)}, found {name!r}")
    return places[name].split(".")


def module_name(name: str) -> str:
    """Return the module of this package that has the reader `name`."""
    return _place(name)[0]


def find_reader(name: str) -> Reader:
    """Return a reader by its name in the config; only its own module is loaded."""
    module, attribute = _place(name)
    return getattr(import_module(f"{__package__}.{module}"), attribute)
