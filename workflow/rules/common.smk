# What the rules share: the checked config, the sheet of experiments, and helper functions. No rules.
import json
import os
import shlex
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from pipeline_lib.finetune.terms import LOSSES, needs_distractors
from pipeline_lib.settings import check_config, missing_data, read_experiments
from pipeline_lib.sources import sources

try:
    check_config(config, "workflow/schemas/config.schema.yaml")
    EXPERIMENTS = read_experiments(
        config["finetune"]["experiments"],
        "workflow/schemas/experiments.schema.yaml",
        [model["name"] for model in config["backbones"]["models"]],
        list(LOSSES),
    )
except (ValueError, FileNotFoundError) as error:
    raise WorkflowError(str(error)) from None

if missing := missing_data(config):
    logger.warning(
        "Data that this configuration names is not here; config/README.md says what each is and where it comes from. "
        "Targets that need none of it can run.\n  " + "\n  ".join(missing)
    )

BACKBONES = {model["name"]: model for model in config["backbones"]["models"]}
POOLS = {pool["name"]: pool["images"] for pool in config["features"]["pools"]}
DATASETS = {dataset["name"]: dataset["classes"] for dataset in config["evaluate"]["zeroshot"]["datasets"]}
MODELS = {f"{row['experiment']}-s{seed}": {**row, "seed": seed} for row in EXPERIMENTS for seed in row["seeds"]}
PARTS = [f"{part:05d}" for part in range(config["fetch"]["parts"])]


wildcard_constraints:
    part=r"\d{5}",
    split="train|eval",
    backbone="|".join(BACKBONES),
    model="|".join([*BACKBONES, *MODELS]),
    pool="|".join(["ccneg-train", "ccneg-eval", *POOLS]),


def library(module):
    """Every file of pipeline_lib that `python -m pipeline_lib.MODULE` loads: an input, so that editing one reruns."""
    return sources(f"pipeline_lib.{module}")


def cores(wanted):
    """What a job with `wanted` busy threads claims of --cores.

    Told to use more cores than the machine has, Snakemake would start too many jobs: 8 single-threaded ones on two
    cores with `--cores 8`. So a job claims its share of what Snakemake believes to have.
    """
    machine = len(os.sched_getaffinity(0))
    return wanted * max(1, (workflow.cores or 1) // machine)


def options(section, *keys):
    """`--key value` for keys of a config section, for `params:`, where changes are tracked; null becomes `none`."""
    values = {key: "none" if section[key] is None else str(section[key]) for key in keys}
    return " ".join(f"--{key.replace('_', '-')} {shlex.quote(value)}" for key, value in values.items())
