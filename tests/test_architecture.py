"""Which package may import which: data flows from stage to stage through files, and imports point downwards only."""

import ast
import subprocess
import sys

import pytest
from conftest import ROOT

BASE = {"jobs", "formats", "clip"}
READ = BASE | {"readers", "features"}
#: Package -> the packages that it may import.
MAY_IMPORT = {
    "jobs": set(),
    "formats": {"jobs"},
    "clip": {"jobs"},
    "blind": set(),
    **dict.fromkeys(("miniature", "fetch", "captions", "shards", "backbones", "readers"), BASE),
    "features": BASE | {"readers"},
    "distractors": READ,
    **dict.fromkeys(("finetune", "evaluate"), READ | {"blind"}),
    "config": BASE | {"readers", "backbones", "evaluate", "finetune", "fetch", "miniature", "shards"},
    "share": BASE | {"evaluate", "backbones", "paper"},
    **dict.fromkeys(("paper", "score", "preflight"), READ | {"fetch", "evaluate", "finetune", "backbones", "config"}),
}


def imports():
    """Yield every import of one of our packages by another, with the file."""
    for path in sorted((ROOT / "pipeline_lib").rglob("*.py")):
        name = str(path.relative_to(ROOT / "pipeline_lib"))
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for module in modules:
                yield name, name.partition("/")[0], module.split(".")


def test_packages_import_what_lies_below_them_and_nothing_knows_snakemake():
    wrong = []
    for file, package, (top, *rest) in imports():
        assert top != "snakemake", file
        if top == "pipeline_lib" and rest and rest[0] != package and rest[0] not in MAY_IMPORT[package]:
            wrong.append(f"{file} imports {'.'.join(rest)}")
    assert wrong == []


def test_what_may_be_imported_has_no_circle():
    below = dict(MAY_IMPORT)
    while below:
        bottom = {package for package, imported in below.items() if not imported & below.keys()}
        assert bottom, f"a circle: {sorted(below)}"
        below = {package: imported for package, imported in below.items() if package not in bottom}


def test_every_package_says_what_it_holds():
    for package in MAY_IMPORT:
        docstring = ast.get_docstring(ast.parse((ROOT / "pipeline_lib" / package / "__init__.py").read_text()))
        assert docstring, package


def test_every_option_of_every_command_has_a_help_text():
    without = []
    for path in sorted((ROOT / "pipeline_lib").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            adds = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument"
            if adds and not {"help", None} & {keyword.arg for keyword in node.keywords}:  # None: **options
                without.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert [place for place in without if "config/repeated.py" not in place] == []  # which reads Snakemake's options


#: What starts often or only plans, and packages whose import would take it seconds.
QUICK = {
    "evaluate.kinds": {"torch", "pandas", "numpy"},
    **{name: {"torch"} for name in ("evaluate.blind", "finetune.terms", "preflight.check", "paper.headline")},
    **{f"paper.{name}.__main__": {"torch"} for name in ("tables", "figures", "report")},
}


@pytest.mark.parametrize("module", QUICK)
def test_what_starts_often_imports_nothing_that_takes_seconds(module):
    code = f"import sys, pipeline_lib.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not QUICK[module] & set(done.stdout.split())
