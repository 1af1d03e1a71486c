"""Packages that only some want: the extras of pyproject.toml, each called like the module that it brings."""

from importlib.util import find_spec


def need_extra(name: str, wanted_by: str) -> None:
    """Raise a `ValueError` with the command that installs an extra, unless it is installed."""
    if find_spec(name) is None:
        raise ValueError(f"{wanted_by} needs the package {name}, which is not installed: pip install -e '.[{name}]'")
