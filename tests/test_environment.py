"""The three lists of packages agree, so that every way to install gives the same environment."""

import re
import tomllib

import yaml
from conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_dependency_is_pinned_exactly():
    for requirement in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]:
        assert re.fullmatch(r"[A-Za-z0-9_-]+==[0-9][0-9.a-z]*", requirement), requirement


def test_conda_and_pip_install_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == PROJECT["dependencies"]


def test_the_lock_holds_every_pin():
    locked = {line.lower() for line in (ROOT / "requirements.lock").read_text().splitlines()}
    for requirement in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]:
        assert requirement.lower() in locked, requirement


def test_the_licence_of_every_locked_package_is_listed():
    rows = [line.split("|") for line in (ROOT / "docs" / "licences.md").read_text().splitlines()[2:]]
    listed = {f"{row[1].strip()}=={row[2].strip().removesuffix('+cpu')}".lower() for row in rows}
    locked = {line.lower() for line in (ROOT / "requirements.lock").read_text().splitlines() if line[0] != "#"}
    assert listed == locked, "`make licences` lists them anew"


def test_the_changelog_begins_with_this_version():
    newest = re.search(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest[1] == PROJECT["version"]
