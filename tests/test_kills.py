"""A run that is killed again and again ends with the files of a run left alone.

`make faults` kills a job of every stage: FLAGS="--kills 40 --seed 1" kills more often and at other moments. A kill is a
SIGKILL either of everything, the engine and all its jobs, or of one job alone, as a machine without memory does it.
Its moment is drawn: a stage, and how far into a job of it.
"""

import random
import re
import time
from collections import Counter, defaultdict

import layouts
import pytest
from faults.small import commands, different, finish, jobs_of, kill_all, leftovers, start, unpack

FEW = [f"pipeline_lib.{name}" for name in ("fetch.fetch", "features.encode", "finetune.train", "paper.figures")]
ANY = "any stage"  # of a kill that came too late for its own


def durations(folder):
    """The seconds that a job of each module took in a finished run."""
    root, taken = folder / "results" / "small" / "benchmarks", defaultdict(list)
    for path in root.rglob("*.tsv"):
        rule = path.relative_to(root).parts[0].removesuffix(".tsv")
        taken[rule].append(float(path.read_text().splitlines()[1].split("\t")[0]))
    modules = {words[0]: job.split()[0] for job, words in commands(folder).items()}
    return {module: sum(taken[rule]) / len(taken[rule]) for module, rule in modules.items() if rule in taken}


def finished_outputs(log):
    """The outputs of the jobs that the engine's log calls finished."""
    outputs = {}
    for block in re.split(r"\n\s*\n|\n(?=\[)", log):
        job, files = (re.search(rf"^    {key}: (.*)$", block, re.MULTILINE) for key in ("jobid", "output"))
        if job and files:
            outputs[job[1]] = files[1].split(", ")
    done = re.findall(r"^Finished jobid: (\d+) \(Rule: ", log, re.MULTILINE)
    return [path for job in done for path in outputs.get(job, [])]


def await_job(engine, left, modules):
    """The module of a running job that is still to be killed; None when the engine ends first."""
    while engine.poll() is None:
        for module in jobs_of(engine):
            if module in modules and (left[module] > 0 or left[ANY] > 0):
                return module
        time.sleep(0.02)
    return None


def kill_once(engine, left, rng, seconds):
    """Kill a job, or everything, at a moment drawn from `rng`; return what was killed, or None when it was too late."""
    while module := await_job(engine, left, seconds):
        whole = rng.random() < 0.5
        time.sleep(rng.uniform(0, 0.8 if left[module] else 0.3) * seconds[module])
        targets = jobs_of(engine).get(module, [])
        left[module if left[module] else ANY] -= 1
        if engine.poll() is not None or not (whole or targets):
            left[ANY] += 1  # this job was quicker than drawn
            continue
        if whole:
            kill_all(engine)
        else:
            for process in targets:
                process.kill()
        return module, "everything" if whole else "job"
    return None


def kill_and_finish(folder, kills, rng, seconds):
    """Run the small world with `kills` of jobs, by module, then let it finish; return the kills by what was killed.

    No finished job may be done again, and nothing temporary may be left. `seconds` are those of a job of each module.
    """
    seen, finished, log, left = Counter(), {}, folder / "engine.log", kills.copy()
    killed = True
    while killed:
        engine, killed = start(folder, log=log), None
        while found := kill_once(engine, left, rng, seconds):
            seen[found] += 1
            killed = found
            if found != ("pipeline_lib.fetch.fetch", "job"):  # which has retries: the same engine goes on
                break
        failed = engine.wait() != 0
        text = log.read_text(errors="replace")
        assert killed or not failed, text[-8000:]
        killed = killed and failed
        done = finished_outputs(text)
        assert not (again := set(done) & finished.keys()), f"finished twice: {again}"
        finished |= {name: _version(folder / name) for name in done}
        log.unlink()
        status, said = finish(folder, "--unlock")
        assert status == 0, said
    assert len(finished) > 50, "too few to show anything"
    assert finished == {name: _version(folder / name) for name in finished}, "made anew after it was finished"
    status, said = finish(folder, "--dry-run")
    assert status == 0 and "Nothing to be done" in said, said[-3000:]
    assert leftovers(folder) == []
    return seen


def _version(path):
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns


@pytest.mark.faults
def test_a_killed_run_goes_on_and_makes_the_same_files_to_the_byte(small_run, tmp_path, pytestconfig):
    count, rng = pytestconfig.getoption("kills"), random.Random(pytestconfig.getoption("seed"))
    seconds = durations(small_run)
    kills = Counter(seconds if count >= len(seconds) else FEW)
    kills.update(rng.choices(list(seconds), k=max(0, count - kills.total())))
    killed = unpack(tmp_path / "run")
    seen = kill_and_finish(killed, kills, rng, seconds)
    for (module, what), times in sorted(seen.items()):
        print(f"killed: {what} in {module}, {times} times")
    assert seen.total() >= 0.9 * kills.total() - 1  # some may come too late
    assert different(small_run, killed) == []


def test_what_a_run_must_not_leave_or_have_otherwise_is_seen(tmp_path):
    for name in ("results/a/b.csv", "results/small/logs/b.log", "results/small/finetune/m/run.json"):
        for run in ("one", "other"):
            layouts.write(tmp_path / run / name, run.encode())
    layouts.write(tmp_path / "one" / "results" / "more.txt", b"")
    assert different(tmp_path / "one", tmp_path / "other") == ["results/a/b.csv", "results/more.txt"]
    assert leftovers(tmp_path / "one") == []
    left = ["small/shards/.train-00000.tmp.tar", "small/fetch/00000.journal", "small/finetune/m/resume.pt"]
    left = [".snakemake/incomplete/abc", *(f"results/{name}" for name in [*left, "tables/.zeroshot.tmp.csv"])]
    for name in left:
        layouts.write(tmp_path / "one" / name, b"")
    assert leftovers(tmp_path / "one") == sorted(left)
