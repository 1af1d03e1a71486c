"""The workflow from another folder, from `workflow/Snakefile`, and as a module of another workflow."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT, copy_repository
from workflows import snakemake

MODULE = """
module conclip:
    snakefile: "{source}/Snakefile"
    config: {{"run": "mine", "finetune": {{"epochs": 2}}}}

use rule * from conclip as conclip_*

rule mine:
    default_target: True
    input: "results/tables.parquet"
"""


def planned(folder, snakefile):
    """Return the rules and numbers of jobs that a dry run from nothing lists, and all that it says."""
    done = snakemake("--snakefile", snakefile, "--directory", folder, "--dry-run", "--nocolor")
    assert done.returncode == 0, done.stdout + done.stderr
    table = done.stdout.split("Job stats:")[1].split("\n\n")[0].splitlines()[3:]
    return {rule.removeprefix("conclip_"): int(count) for rule, count in map(str.split, table)}, done.stdout


@pytest.fixture(scope="module")
def at_home(tmp_path_factory):
    """The jobs of the default run."""
    return planned(tmp_path_factory.mktemp("home"), ROOT / "Snakefile")[0]


def test_the_catalogues_snakefile_plans_the_same_jobs(at_home, tmp_path):
    jobs, _ = planned(tmp_path, ROOT / "workflow" / "Snakefile")
    assert jobs.pop("everything") == 1
    assert jobs == {rule: count for rule, count in at_home.items() if rule != "all"} | {"total": at_home["total"]}


def test_as_a_module_it_takes_the_users_options_above_its_defaults(at_home, tmp_path):
    (tmp_path / "Snakefile").write_text(MODULE.format(source=ROOT))
    jobs, said = planned(tmp_path, tmp_path / "Snakefile")
    assert jobs["finetune"] == at_home["finetune"] and jobs["evaluate_benchmark"] == at_home["evaluate_benchmark"]
    assert "results/mine/tables.parquet" in said


def test_in_another_folder_a_job_finds_the_library_beside_the_workflow(tmp_path):
    source, folder = copy_repository(tmp_path / "source"), tmp_path / "run"
    with open(source / "pipeline_lib" / "__init__.py", "a") as library:
        library.write("print('the library beside the workflow')\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "snakemake", "--snakefile", source / "Snakefile", "--directory", folder]
    done = subprocess.run(
        [*command, "--cores", "1", "preflight"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # The workflow's own process says it once more.
    said = (folder / "results" / "miniature" / "logs" / "preflight.log").read_text()
    assert "the library beside the workflow" in said
    assert not (folder / "config").exists()


def test_the_command_that_preflight_advises_runs_where_preflight_ran(tmp_path):
    (tmp_path / "my run").mkdir()
    (tmp_path / "my run" / "my own.yaml").write_text("finetune: {epochs: 2}\n")
    asked = ("--snakefile", ROOT / "Snakefile", "--config", "run=other", "--configfile", "my own.yaml")
    said = snakemake(*asked, "--cores", "1", "--quiet", "all", "--", "preflight", folder=tmp_path / "my run").stdout
    advised = re.search(r"Everything can run: (snakemake .*)", said)[1]
    done = subprocess.run(
        ["bash", "-c", f"{advised} --dry-run"], cwd=tmp_path / "my run", capture_output=True, text=True
    )
    assert done.returncode == 0 and "results/other/tables.parquet" in done.stdout, done.stdout + done.stderr


def test_a_sheet_in_the_working_folder_goes_before_the_one_beside_the_workflow(tmp_path):
    (tmp_path / "config").mkdir()
    sheet = (ROOT / "config" / "experiments.tsv").read_text().splitlines(keepends=True)
    (tmp_path / "config" / "experiments.tsv").write_text("".join(sheet[:2]))
    assert planned(tmp_path, ROOT / "Snakefile")[0]["finetune"] == 1
