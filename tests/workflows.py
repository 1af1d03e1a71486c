"""What several test files share of the workflow: configurations, and what Snakemake plans for them."""

import copy
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from conftest import ROOT
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings

from pipeline_lib.config.checks import check_config
from pipeline_lib.config.inputs import external_files
from pipeline_lib.jobs import code_version

REGISTRY = ROOT / "config" / "datasets.tsv"


def load(name):
    """A configuration file as a dictionary."""
    return yaml.safe_load((ROOT / "config" / name).read_text())


def merged(changes, into):
    """What Snakemake makes of one configuration over another: dictionaries merge, all else is replaced."""
    result = copy.deepcopy(into)
    for key, value in changes.items():
        result[key] = merged(value, result.get(key) or {}) if isinstance(value, dict) else copy.deepcopy(value)
    return result


def configuration(*names):
    """The checked configuration of the files that are laid over config.yaml; it finds its sheet from anywhere."""
    config = load("config.yaml")
    for name in names:
        config = merged(load(name), config)
    check_config(config)
    config["finetune"]["experiments"] = str(ROOT / config["finetune"]["experiments"])
    return config


def add_row(sheet, *cells, benchmarks="all"):
    """Add a row to a sheet of experiments: its first cells, and its benchmarks; columns between them stay empty."""
    header, *_ = sheet.read_text().splitlines()
    names = header.split("\t")
    row = dict.fromkeys(names, "") | dict(zip(names, cells, strict=False)) | {"benchmarks": benchmarks}
    with open(sheet, "a") as rows:
        rows.write("\t".join(row.values()) + "\n")


def snakemake(*arguments, folder=ROOT):
    """Run Snakemake in the repository, or in a copy of it, in a process of its own."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def provide(folder, config):
    """Put an empty file in a folder wherever a configuration names something from outside."""
    for paths in external_files(config).values():
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()


class Job(NamedTuple):
    """A job of a plan."""

    rule: str
    wildcards: dict
    input: list
    output: list
    command: str


def plan(folder, *targets, **options):
    """The jobs that Snakemake would do, for `targets` or everything; see `parsed`."""
    workflow, jobs = parsed(folder, *targets, **options)
    return [
        Job(job.rule.name, dict(job.wildcards.items()), list(job.input), list(job.output), job.shellcmd or "")
        for job in jobs
        if workflow.dag.needrun(job)
    ]


def parsed(folder, *targets, configfiles=(), config=None, **asked):
    """Snakemake's own workflow and jobs of a dry run in this process, which takes a fifth of the time.

    The code is that of this process; its versions are those of the folder. `asked` are options such as `forceall`.
    """
    before = Path.cwd()
    os.chdir(folder)
    package = Path(folder, "pipeline_lib").resolve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code_version, "PACKAGE", package)
        forget_code()
        try:
            with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
                workflow = api.workflow(
                    ResourceSettings(cores=2),
                    ConfigSettings(config=config or {}, configfiles=[Path(file) for file in configfiles]),
                    snakefile=Path("Snakefile"),
                )
                dag = workflow.dag(DAGSettings(targets=set(targets), **asked))
                try:
                    dag.execute_workflow("dryrun")
                    return workflow._workflow, list(workflow._workflow.dag.jobs)
                finally:
                    workflow._workflow.sourcecache.runtime_cache.cleanup()
        finally:
            os.chdir(before)
            forget_code()


def forget_code():
    """Forget which code was read, since it is another folder's."""
    for function in (code_version.code_version, code_version._read, code_version._data_files):
        function.cache_clear()


def count(jobs):
    """How many jobs of each rule a plan has."""
    return Counter(job.rule for job in jobs)
