# What several rules files share: the checked config, the sheet of experiments, and helper functions. No rules.
#
# A function for `params:` that takes `input` gives no reason to rerun: Snakemake assumes that its value follows from the
# input files. So functions whose values follow from the config or the sheet take `wildcards` alone.
import json
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import update_config

from pipeline_lib.config.checks import check_config, finetuned_models, read_experiments, subtracted_models
from pipeline_lib.config.inputs import PoolJob, local_paths, missing_data, pool_jobs
from pipeline_lib.config.repeated import check_repeated
from pipeline_lib.evaluate.kinds import BLIND
from pipeline_lib.jobs.code_version import code_version
from pipeline_lib.jobs.cores import settle_environment, usable_cores

# Rules run `python` and `torchrun`: those of the environment that runs Snakemake, also where it is not activated.
settle_environment(SOURCE)

if workflow.modifier.skip_configfile:
    # Another workflow uses this one as a module and gives a `config:`, which goes on top of the defaults too.
    given = dict(config)
    config.update(load_configfile(SOURCE / "config" / "config.yaml"))
    update_config(config, given)

try:
    check_repeated(map(os.path.relpath, workflow.configfiles), sys.argv[1:])
    check_config(config)
    # What these two name is not read here: the address of a language model, an image of a container.
    config.update(local_paths({key: config[key] for key in config.keys() - {"captions", "container"}}, SOURCE))
    EXPERIMENTS = read_experiments(config)
except (ValueError, FileNotFoundError) as error:
    raise WorkflowError(str(error)) from None

if missing := missing_data(config):
    lacking = (
        "Data that this configuration names is not here; the target `preflight` says what each is, where it comes from "
        "and what can run without it.\n  " + "\n  ".join(missing)
    )
    # Snakemake takes results/tables.parquet as it is where the rules that make it lack their input. Then the copy of
    # another run's tables would pass for this run's.
    shown = Path("results/active-run.txt")
    if "preflight" not in sys.argv and shown.is_file() and shown.read_text().strip() != config["run"]:
        raise WorkflowError(
            f"results/ shows the run {shown.read_text().strip()!r}, and this run is {config['run']!r}. Remove "
            f"results/tables.parquet, results/report.html and {shown} (results/<run>/ stays), then run again.\n{lacking}"
        )
    logger.warning(lacking)

RUN = f"results/{config['run']}"
GIVEN = json.dumps(
    config
)  # for preflight and the report; from here on `<run>` in the config's paths is this run's folder
config.update(json.loads(GIVEN.replace("<run>", RUN)))

BACKBONES = config["backbones"]["models"]
POOLS = config["features"]["pools"]
OTHERS = config["evaluate"]["transformers"]
BENCHMARKS = config["evaluate"]["benchmarks"]
MODELS = finetuned_models(EXPERIMENTS)
SUBTRACTED = subtracted_models(config, EXPERIMENTS)
PARTS = [f"{part:05d}" for part in range(config["fetch"]["parts"])]


wildcard_constraints:
    part=r"\d{5}",
    split="train|eval",
    backbone="|".join(BACKBONES),
    model="|".join([*BACKBONES, *MODELS, *SUBTRACTED]),
    pool="|".join(["ccneg-train", "ccneg-eval", *POOLS]),
    variant="|_fp16|_other-activation",
    benchmark="|".join(BENCHMARKS) or "(?!)",
    blind="|".join(BLIND),


def cores(wanted):
    """How many of --cores a job with `wanted` busy threads takes.

    Told to use more cores than the machine has, Snakemake would start too many jobs: 8 single-threaded ones on two
    cores with `--cores 8`. So a job takes its share of the cores that Snakemake was told of.
    """
    return wanted * max(1, (workflow.resource_settings.cores or 1) // usable_cores())


def grows(amount):
    """A resource that doubles with each retry: a job killed for lack of memory or time would be killed again."""

    def of_attempt(wildcards, attempt):
        return amount * 2 ** (attempt - 1)

    return of_attempt


def settings(section, *keys):
    """Options of a section of the config, all if none is named, as flags take them: null becomes `none`."""
    return {key: "none" if section[key] is None else section[key] for key in keys or section}


def flags(section, *keys):
    """These options, or all, as `--key value`; `--key name=value` for each entry of a dictionary."""
    words = []
    for key, value in settings(section, *keys).items():
        values = [f"{name}={one}" for name, one in value.items()] if isinstance(value, dict) else [value]
        words += [word for one in values for word in (f"--{key.replace('_', '-')}", str(one))]
    return shlex.join(words)


def input_folder(wildcards, input):
    """The folder of a rule's first input."""
    return Path(input[0]).parent


def where_fetched(*paths):
    """The paths, where the run makes CC-Neg from links and captions; none where it takes the released one."""
    return list(paths) if config["shards"]["released"] is None else []


def pool_parts(pool):
    """What each part of a pool encodes: one of CC-Neg's shards, or a job of an entry of config `features.pools`."""
    if pool in POOLS:
        return {f"{part:05d}": job for part, job in enumerate(pool_jobs(POOLS[pool]))}
    return {part: PoolJob("tar", [f"{RUN}/shards/{pool.removeprefix('ccneg-')}-{part}.tar"]) for part in PARTS}


def feature_files(backbone, pool, variant=""):
    """The features of a pool by a backbone's image tower, a file per part; two models share those of a shared tower.

    `variant` is empty, or `_` and a way in which the tower computes otherwise: no name of a backbone has a `_`.
    """
    entry = BACKBONES[backbone]
    tower = entry["backbone"] if entry.get("image_tower") == "backbone" else backbone
    return [f"{RUN}/features/{tower}{variant}/{pool}/{part}.safetensors" for part in pool_parts(pool)]
