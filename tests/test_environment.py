"""requirements.lock pins everything, and the conda environment and the list of licences follow from it."""

import re
import tomllib

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONTENT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = CONTENT["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKED = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]


def names(requirements):
    """The packages that requirements name, apart from this one with its extras."""
    return {canonicalize_name(Requirement(text).name) for text in requirements} - {PROJECT["name"]}


def pins(requirements):
    """Each package with its version, without the systems that it is for: ``{"torch==2.13.0": Requirement}``."""
    return {f"{canonicalize_name(one.name)}{one.specifier}": one for one in map(Requirement, requirements)}


def test_every_package_is_pinned_exactly():
    for line in LOCKED:
        assert re.fullmatch(r"==[0-9][0-9.a-z]*", str(Requirement(line).specifier)), line


@pytest.mark.parametrize("extra", [[], *EXTRAS.values()], ids=["none", *EXTRAS])
def test_the_lock_holds_what_the_project_names(extra):
    assert names([*PROJECT["dependencies"], *extra]) <= names(LOCKED)


def test_conda_installs_what_the_lock_says_but_for_what_tests_need():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pins(pip).keys() <= pins(LOCKED).keys(), "`make lock` writes environment.yml anew"
    assert names(PROJECT["dependencies"]) <= names(pip)
    assert names(LOCKED) - names(pip) >= {"pytest", "ruff"}


def test_the_licence_of_every_locked_package_is_listed():
    rows = [line.split("|") for line in (ROOT / "docs" / "licences.md").read_text().splitlines()[2:]]
    listed = {f"{canonicalize_name(row[1].strip())}=={row[2].strip().removesuffix('+cpu')}" for row in rows}
    locked = {pin: one for pin, one in pins(LOCKED).items() if one.name != "setuptools"}  # it is part of Python's tools
    everywhere = {pin for pin, one in locked.items() if not one.marker}  # others are for some systems, such as CUDA's
    assert everywhere <= listed <= locked.keys(), "`make licences` lists them anew"


def test_the_changelog_begins_with_this_version():
    newest = re.search(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest[1] == PROJECT["version"]


def test_an_installed_package_has_all_its_data_files():
    listed = CONTENT["tool"]["setuptools"]["package-data"].items()
    globs = [(ROOT.joinpath(*package.split(".")), pattern) for package, patterns in listed for pattern in patterns]
    files = {path for path in (ROOT / "pipeline_lib").rglob("*.*") if path.suffix not in (".py", ".pyc")}
    assert {path for folder, pattern in globs for path in folder.glob(pattern)} == files
