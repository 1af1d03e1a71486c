"""Packages that only some want: the extras of pyproject.toml, each called like the module that it brings."""

from importlib.util import find_spec


def is_installed(name: str) -> bool:
    """Return whether an extra is installed."""
    return find_spec(name) is not None


def command(name: str) -> str:
    """Return what installs an extra."""
    return f"pip install -e '.[{name}]'"


def need_extra(name: str, wanted_by: str) -> None:
    """Raise a `ValueError` with the command that installs an extra, unless it is installed."""
    if not is_installed(name):
        raise ValueError(f"{wanted_by} needs the package {name}, which is not installed: {command(name)}")
