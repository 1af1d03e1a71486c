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
