"""Which files of this package a module loads: what a result depends on besides its data.

Snakemake notices that an input file changed, not that an imported module did; so each rule lists its module's sources
among its inputs. They are found by reading the import statements, without importing anything.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
DATA_SUFFIXES = (".j2", ".json", ".mplstyle", ".toml", ".tsv", ".txt")


def _path(module: str) -> Path | None:
    """Return the file of a dotted module name of this package, or None if it is something in a module or not there."""
    stem = PACKAGE.parent.joinpath(*module.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _imports(path: Path) -> tuple[str, ...]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # What is imported from a package may itself be a module.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(name for name in names if name.split(".")[0] == PACKAGE.name)


def sources(module: str) -> list[str]:
    """Return the files of this package that importing `module` reads.

    Parameters
    ----------
    module : str
        Dotted name, such as ``"pipeline_lib.finetune.train"``.

    Returns
    -------
    list of str
        Paths relative to the repository root, sorted: the module's file, the files of all modules that it imports,
        directly or not, their packages' ``__init__.py``, and the data files beside them that they name in quotes.

    Raises
    ------
    ValueError
        If there is no such module.
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
        todo += _imports(path)
        if "." in name:
            todo.append(name.rpartition(".")[0])
    code = "".join(path.read_text(encoding="utf-8") for path in found)
    data = {
        path for folder in {path.parent for path in found} for path in folder.iterdir() if path.suffix in DATA_SUFFIXES
    }
    found |= {path for path in data if f'"{path.name}"' in code}
    return sorted(str(path.relative_to(PACKAGE.parent)) for path in found)


@cache
def code_version(module: str) -> str:
    """Return a short hash of every file of this package that `python -m MODULE` loads."""
    digest = hashlib.sha256()
    for name in sources(module):
        content = (PACKAGE.parent / name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]
