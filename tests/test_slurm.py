"""The workflow on a real SLURM of one node: the tables are those of a local run, whatever the scheduler kills.

Four minutes on two cores, one of them waiting for a time limit: SLURM has none below a minute. It needs root and the
packages that tests/slurm/start.sh names, and is skipped without them.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from faults.small import unpack
from workflows import load, merged

PATH = f"{os.environ['PATH']}:/usr/sbin"
PATIENCE_S = 900  # for one thing to happen, on a busy machine
RESOURCES = [
    "distractors_choose:mem_mb=250 if attempt == 1 else 2000",  # torch needs more
    "finetune:runtime=1 if attempt == 1 else 60",  # minutes; the first attempt spends one stopped
    "finetune:mem_mb=2000",  # here and below less than for the paper's models: the node may not have it
    *(f"{rule}:mem_mb=2000" for rule in ("features", "evaluate_ccneg", "evaluate_zeroshot")),
]
ARGUMENTS = [
    *("--profile", "workflow/profiles/slurm", "--default-resources", "slurm_partition=main", "slurm_account=none"),
    *("--set-resources", *RESOURCES, "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "1"),
]


def said(*command):
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def node(tmp_path_factory):
    """The name of the one node of a SLURM that is started for this."""
    if lacking := [tool for tool in ("munged", "sbatch", "slurmctld", "slurmd") if not shutil.which(tool, path=PATH)]:
        pytest.skip(f"no {', '.join(lacking)} here; tests/slurm/start.sh says which packages have them")
    if os.geteuid() != 0:
        pytest.skip("needs root, to start SLURM's daemons")
    if Path("/etc/slurm/slurm.conf").exists():
        pytest.skip("this machine has a SLURM: /etc/slurm/slurm.conf")
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run([ROOT / "tests/slurm/start.sh", folder], check=True)
    yield said("sinfo", "--noheader", "--format=%n").strip()
    subprocess.run([ROOT / "tests/slurm/stop.sh", folder], check=True)


def smaller_world(folder):
    """Make a copy of the repository with a part of the small run: 19 jobs of seconds for its tables."""
    unpack(folder)
    sheet, config = folder / "config/small.tsv", yaml.safe_load((folder / "config/small.yaml").read_text())
    sheet.write_text("".join(sheet.read_text().splitlines(keepends=True)[:2]))  # one experiment
    unused = load("config.yaml")["features"]["pools"].keys() - {"distractors", "kinds"}
    changes = {
        # Which images come must not depend on how busy the machine is.
        "fetch": {"parts": 1, "timeout_s": 100.0, "deadline_s": 300.0, "breaker_failures": 1000},
        "features": {"pools": dict.fromkeys(unused)},
        "finetune": {"epochs": 20, "warmup_steps": 2},
        "evaluate": {"benchmarks": {"sugarcrepe": None}},
    }
    (folder / "config/small.yaml").write_text(yaml.safe_dump(merged(changes, config)))


class Run:
    """Snakemake in the background, on the smaller world in a folder of its own."""

    def __init__(self, folder, *arguments):
        smaller_world(folder)
        self.folder = folder
        target = "results/tables.parquet"
        command = [sys.executable, "-m", "snakemake", *arguments, "--configfile", "config/small.yaml", "--", target]
        environment = os.environ | {"PATH": PATH, "PYTHONPATH": str(folder)}
        with open(folder / "said.log", "w") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)

    def said(self):
        """What Snakemake has said so far."""
        return (self.folder / "said.log").read_text()

    def until(self, happened):
        """Wait until something has happened, and return what `happened` returns then."""
        end = time.monotonic() + PATIENCE_S
        while not (found := happened()):
            assert self.process.poll() is None and time.monotonic() < end, self.said()[-6000:]
            time.sleep(0.2)
        return found

    def tables(self):
        """Wait for the end, and return the table of all results as it lies on the disk."""
        assert self.process.wait(PATIENCE_S) == 0, self.said()[-6000:]
        return (self.folder / "results" / "tables.parquet").read_bytes()

    def stop(self):
        """End it, if it has not ended."""
        self.process.kill()
        self.process.wait()


def jobs(rule):
    """The number, the state and the GPUs of each job of a rule that the scheduler has seen, in order."""
    lines = said("squeue", "--states=all", "--noheader", "--Format=JobID:20,State:20,tres-per-job:20,Comment:99")
    fields = sorted((int(line.split()[0]), *line.split()[1:]) for line in lines.splitlines())
    named = re.compile(rf"rule_{rule}(_wildcards_.*)?")
    return [(job, state, gpus) for job, state, gpus, what in fields if named.fullmatch(what)]


def states(rule):
    """The states of a rule's jobs, in order."""
    return [state for _, state, _ in jobs(rule)]


def failed_logs(run, rule):
    """What SLURM has kept of the failed jobs of a rule."""
    logs = sorted((run.folder / ".snakemake" / "slurm_logs" / f"rule_{rule}").rglob("*.log"))
    return "".join(path.read_text(errors="replace") for path in logs)


@pytest.mark.slurm
def test_what_the_scheduler_kills_is_retried_and_the_tables_are_those_of_a_local_run(node, tmp_path):
    cluster = Run(tmp_path / "cluster", *ARGUMENTS)
    local = Run(tmp_path / "local", "--cores", "1")
    try:
        # The node is lost under a job.
        cluster.until((tmp_path / "cluster/results/small/logs/backbones_pretrain/mini-rn.log").exists)
        said("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        cluster.until(lambda: "NODE_FAIL" in states("backbones_pretrain"))
        said("scontrol", "update", f"nodename={node}", "state=resume")

        # A job hangs after its first checkpoint, until its time is over. (On a busy machine it is over before.)
        state = tmp_path / "cluster/results/small/finetune/conclip-rn-s0/resume.pt"
        cluster.until(lambda: state.exists() or "TIMEOUT" in states("finetune"))
        if states("finetune") == ["RUNNING"]:
            said("scancel", "--signal=STOP", str(jobs("finetune")[0][0]))
        cluster.until(lambda: "TIMEOUT" in states("finetune"))

        assert cluster.tables() == local.tables()
    finally:
        cluster.stop()
        local.stop()
    assert states("backbones_pretrain") == ["NODE_FAIL", "COMPLETED"]
    assert states("finetune") == ["TIMEOUT", "COMPLETED"]
    # A job that needs more memory than it asked for; this SLURM has no name of its own for such an end.
    assert states("distractors_choose") == ["FAILED", "COMPLETED"]
    assert "exceeded memory limit" in failed_logs(cluster, "distractors_choose")

    on_cards = (
        "backbones_pretrain",
        "features",
        "distractors_choose",
        "finetune",
        "evaluate_ccneg",
        "evaluate_zeroshot",
    )
    for rule in on_cards:
        assert {gpus for _, _, gpus in jobs(rule)} == {"gres:gpu:1"}, rule
    grouped = "part_captions_negate_shards_build"
    for rule in ("miniature", "fetch", "shards_index", "evaluate_blind", "paper_tables", grouped):
        assert {gpus for _, _, gpus in jobs(rule)} == {"N/A"}, rule
