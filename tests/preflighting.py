"""What the tests of preflight share: configurations as Snakemake merges them, and their experiments."""

import workflows
from conftest import ROOT

from pipeline_lib.config.checks import read_experiments

REGISTRY = ROOT / "config" / "datasets.tsv"


def configuration(*names: str) -> dict:
    """The default configuration with files of ``config/`` laid over it; it finds its sheet from anywhere."""
    config = workflows.configuration(*names)
    config["finetune"]["experiments"] = str(ROOT / config["finetune"]["experiments"])
    return config


def changed(config: dict, changes: dict) -> dict:
    """A configuration with an override laid over it."""
    return workflows.merged(changes, config)


def experiments(config: dict) -> list[dict]:
    """The rows of the sheet that a configuration names."""
    return read_experiments(config)
