"""What the tests of preflight share: configurations as Snakemake merges them, and their experiments."""

import yaml
from conftest import ROOT
from snakemake.utils import update_config

from pipeline_lib.config.checks import read_experiments
from pipeline_lib.finetune.terms import LOSSES

REGISTRY = ROOT / "config" / "datasets.tsv"
CONFIG_SCHEMA, SHEET_SCHEMA = (ROOT / "workflow" / "schemas" / f"{of}.schema.yaml" for of in ("config", "experiments"))


def configuration(*names: str) -> dict:
    """The default configuration with files of ``config/`` laid over it; it finds its sheet from anywhere."""
    config = {}
    for name in ("config.yaml", *names):
        update_config(config, yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8")))
    config["finetune"]["experiments"] = str(ROOT / config["finetune"]["experiments"])
    return config


def changed(config: dict, changes: dict) -> dict:
    """A configuration with an override laid over it."""
    copy = yaml.safe_load(yaml.safe_dump(config))
    update_config(copy, changes)
    return copy


def experiments(config: dict) -> list[dict]:
    """The rows of the sheet that a configuration names."""
    backbones = [model["name"] for model in config["backbones"]["models"]]
    return read_experiments(config["finetune"]["experiments"], SHEET_SCHEMA, backbones, list(LOSSES))
