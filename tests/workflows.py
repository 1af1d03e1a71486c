"""What tests of the workflow share: the configuration as Snakemake reads it, and one call of the engine."""

import copy
import subprocess
import sys

import yaml
from conftest import ROOT

CONFIG_SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
SHEET_SCHEMA = ROOT / "workflow" / "schemas" / "experiments.schema.yaml"


def load(name):
    """A configuration file as a dictionary."""
    return yaml.safe_load((ROOT / "config" / name).read_text())


def merged(changes, into):
    """What Snakemake makes of one configuration over another: dictionaries merge, all else is replaced."""
    result = copy.deepcopy(into)
    for key, value in changes.items():
        result[key] = (
            merged(value, result[key]) if isinstance(value, dict) and isinstance(result.get(key), dict) else value
        )
    return result


def snakemake(*arguments, folder=ROOT):
    """Run the engine in the repository, or in a copy of it."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)
