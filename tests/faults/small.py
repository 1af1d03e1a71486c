"""A small run in a folder of its own, from nothing to tables, figures and report: what every fault is tried on."""

import hashlib
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from conftest import copy_repository

from pipeline_lib.jobs.files import read_parquet

# Measurements, and the page that shows them: times, speeds, memory. Of the outcomes of links it is one column.
MEASURED = ("/logs/", "/benchmarks/", "/run.json", "report.html")
OUTCOMES = re.compile(r"/fetch/\d{5}\.parquet$")
TEMPORARY = ("*.tmp", "*.tmp.*", "*.journal", "*resume*", ".snakemake/incomplete/*", ".snakemake/locks/*")


def unpack(folder: Path) -> Path:
    """Make `folder` a copy of the repository, which has the small world's configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    return copy_repository(folder)


def start(folder: Path, *arguments: str, log: Path | None = None) -> subprocess.Popen:
    """Start the engine on the small world, in a process group of its own; what it says goes to a file or a pipe."""
    command = [sys.executable, "-m", "snakemake", "--configfile", "config/small.yaml", "--cores", "2"]
    command += ["--scheduler", "greedy", "--rerun-incomplete", "--nocolor", *arguments]
    # Byte code is kept, wherever the tests are run: it halves the time that each job takes to start.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
    streams = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    with open(log or os.devnull, "ab") as file:
        streams["stdout"] = file if log else subprocess.PIPE
        return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **streams)


def finish(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the engine on the small world to its end; return its exit status and what it said."""
    engine = start(folder, *arguments)
    said, _ = engine.communicate()
    return engine.returncode, said.decode()


def commands(folder: Path) -> dict[str, list[str]]:
    """Return the module and the arguments of every job, by rule and values of its wildcards: ``shards 00000``."""
    status, said = finish(folder, "--dry-run", "--forceall", "--printshellcmds")
    assert status == 0, said[-3000:]
    found = {}
    for block in re.split(r"\n(?=(?:local)?rule \w+:)", said):
        rule, named = re.match(r"(?:local)?rule (\w+):", block), re.search(r"wildcards: (.*)", block)
        command = re.search(r"(?s:.*)python -m ((?:.*\\\n)*.*)", block)  # the last one: a server may stand before it
        if rule and command:
            values = ",".join(re.findall(r"=([\w-]+)", named[1])) if named else ""
            found[f"{rule[1]} {values}".strip()] = shlex.split(command[1].replace("\\\n", " "))
    return found


def jobs_of(engine: subprocess.Popen) -> dict[str, list[psutil.Process]]:
    """Return the processes of the jobs that run, by module, such as ``pipeline_lib.finetune.train``."""
    found: dict[str, list[psutil.Process]] = {}
    for process in _descendants(engine):
        try:
            words = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        modules = [word for word in words if word.startswith("pipeline_lib.")]
        if modules and "python" in words[0]:
            found.setdefault(modules[-1], []).append(process)
    return found


def kill_all(engine: subprocess.Popen) -> None:
    """SIGKILL the engine and every process below it, as a machine that is taken away does."""
    processes = _descendants(engine)
    os.killpg(engine.pid, signal.SIGKILL)
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    engine.wait()
    psutil.wait_procs(processes, timeout=30)


def _descendants(engine: subprocess.Popen) -> list[psutil.Process]:
    try:
        return psutil.Process(engine.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def hashes(folder: Path) -> dict[str, str]:
    """Return a hash of every file under results/ that is no measurement, by path."""
    paths = sorted(path for path in (folder / "results").rglob("*") if path.is_file())
    names = {str(path.relative_to(folder)): path for path in paths}
    return {name: _hash(path) for name, path in names.items() if not any(part in name for part in MEASURED)}


def _hash(path: Path) -> str:
    content = path.read_bytes()
    if OUTCOMES.search(str(path)):
        content = read_parquet(path).drop(columns="milliseconds").to_csv().encode()
    return hashlib.sha256(content).hexdigest()


def different(one: Path, other: Path) -> list[str]:
    """Return the files, measurements aside, that only one of two runs has, or that are not the same to the byte."""
    mine, theirs = hashes(one), hashes(other)
    return sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))


def leftovers(folder: Path) -> list[str]:
    """Return what a finished run must not leave behind: files written aside, states of unfinished work, locks."""
    places = [folder / "results", folder]
    found = {path for pattern in TEMPORARY for place in places for path in place.glob(f"**/{pattern}")}
    return sorted(str(path.relative_to(folder)) for path in found)
