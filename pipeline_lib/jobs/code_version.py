"""Which code a result was made with: a hash of what a module loads, and the repository's commit.

The workflow gives each rule the hash of its module (`code_version`). So a change of the code reruns what uses it, and a
change of a comment, a docstring or the layout reruns nothing. Modules are read, not imported.
"""

import ast
import hashlib
import os
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parent.parent
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def code_version(module: str, **entries: tuple[str, ...]) -> str:
    """Return a short hash of the code and data files of this package that ``python -m MODULE`` loads.

    `entries` name dictionaries at the top of modules and the keys that the run uses, such as ``LOSSES=("l1",)``: other
    keys, and functions that only these use, do not count.
    """
    digest = hashlib.sha256()
    for name in sources(module):
        path = PACKAGE.parent / name
        content = _used(_read(path).code, entries) if path.suffix == ".py" else path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def sources(module: str) -> list[str]:
    """Return the files of this package that importing a module reads, as sorted paths from the repository's root.

    They are the file of the module, such as ``"pipeline_lib.finetune.train"``, those of all modules that it imports,
    directly or not, their packages' ``__init__.py``, and the data files of this package that they name in quotes.
    """
    if _path(module) is None:
        raise ValueError(f"expected a module of {PACKAGE.name}, found {module!r}")
    found: set[Path] = set()
    todo = [module, f"{module}.__main__"]
    while todo:
        name = todo.pop()
        path = _path(name)
        if path is None or path in found:
            continue
        found.add(path)
        todo += _read(path).imports
        if "." in name:
            todo.append(name.rpartition(".")[0])
    named = set().union(*(_read(path).texts for path in found))
    found |= {path for path in _data_files() if path.name in named}
    return sorted(str(path.relative_to(PACKAGE.parent)) for path in found)


def _path(module: str) -> Path | None:
    """Return the file of a module of this package; None for a name in a module, or one that is not there."""
    stem = PACKAGE.parent.joinpath(*module.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


class _Module(NamedTuple):
    """What a module imports, its texts, and its code without comments, docstrings and layout."""

    imports: list[str]
    texts: set[str]
    code: bytes


@cache
def _read(path: Path) -> _Module:
    tree = ast.parse(path.read_bytes())
    names, texts = [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # What is imported from a package may itself be a module.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
        elif isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body[0] = ast.Pass()
    imports = [name for name in names if name.split(".")[0] == PACKAGE.name]
    return _Module(imports, texts, ast.unparse(tree).encode())


def _used(code: bytes, entries: dict[str, tuple[str, ...]]) -> bytes:
    """Return a module's code without the entries that a run does not use, and the functions that only they use."""
    if not any(f"\n{name} = {{".encode() in code for name in entries):
        return code
    tree, unused = ast.parse(code), []
    for node in tree.body:
        if isinstance(node, ast.Assign) and (name := ast.unparse(node.targets[0])) in entries:
            values = {key.value: value for key, value in zip(node.value.keys, node.value.values, strict=True)}
            used = [key for key in values if key in entries[name]]
            unused += [value for key, value in values.items() if key not in used]
            node.value = ast.Dict([ast.Constant(key) for key in used], [values[key] for key in used])
    while unused:
        mentioned = _names(unused)
        unused = [
            node
            for node in tree.body
            if isinstance(node, ast.FunctionDef)
            and node.name in mentioned
            and node.name not in _names(other for other in tree.body if other is not node)
        ]
        tree.body = [node for node in tree.body if node not in unused]
    return ast.unparse(tree).encode()


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    return {part.id for node in nodes for part in ast.walk(node) if isinstance(part, ast.Name)}


@cache
def _data_files() -> tuple[Path, ...]:
    return tuple(path for path in PACKAGE.rglob("*.*") if path.suffix not in (".py", ".pyc"))


class Commit(NamedTuple):
    """The checked-out commit, None where this package has no history, and whether tracked files differ from it."""

    commit: str | None
    dirty: bool


def checked_out() -> Commit:
    """Return what is checked out; a repository around this one, or one that the environment names, does not count."""
    top = _git("rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != PACKAGE.parent.resolve():
        return Commit(None, False)
    return Commit(_git("rev-parse", "HEAD"), bool(_git("status", "--porcelain", "--untracked-files=no")))


def _git(*arguments: str) -> str | None:
    # GIT_DIR and others name another repository: hooks, and tools that call git, set them.
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # In a container the checkout often belongs to another user. Its code is what runs here, so git may trust it too.
    command = ["git", "-c", f"safe.directory={PACKAGE.parent.resolve()}", *arguments]
    try:
        done = subprocess.run(command, cwd=PACKAGE.parent, env=own, capture_output=True, encoding="utf-8", check=True)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None  # an unpacked archive has no history
    return done.stdout.strip()
