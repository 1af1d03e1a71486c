"""Kill a run at random moments of every stage, each time go on with the same command, and compare with one left alone.

::

    PYTHONPATH=tests python -m faults.kills --kills 26 --seed 0

takes a quarter of an hour on two cores. A kill is a SIGKILL either of everything, the engine and all its jobs, or of
one job alone, as a machine without memory does it. Its moment is drawn: a stage, and how far into a job of it.
"""

import argparse
import random
import re
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from faults.small import different, finish, jobs_of, kill_all, leftovers, start, unpack

from pipeline_lib.jobs.cli import run

# The modules of a run and their rules.
STAGES = {
    "miniature.make": "miniature",
    "fetch.fetch": "fetch",
    "captions.negate": "captions_negate",
    "captions.quality": "captions_quality",
    "backbones.pretrain": "backbones_pretrain",
    "fetch.summary": "fetch_summary",
    "shards.build": "shards_build",
    "shards.crepe": "shards_crepe",
    "shards.index": "shards_index",
    "features.encode": "features",
    "distractors.choose": "distractors_choose",
    "finetune.train": "finetune",
    "evaluate.ccneg": "evaluate_ccneg",
    "evaluate.zeroshot": "evaluate_zeroshot",
    "evaluate.benchmark": "evaluate_benchmark",
    "evaluate.blind": "evaluate_blind",
    "paper.tables": "paper_tables",
    "paper.figures": "paper_figures",
    "paper.report": "paper_report",
}
ANY = "any stage"  # of a kill that came too late for its own


@dataclass
class Seen:
    """What a killed run showed.

    Attributes
    ----------
    kills : Counter
        By module and by what was killed, ``everything`` or ``job``.
    finished : dict
        Every output of a job that the engine called finished, and the file as it was then: inode and time.
    went_on : int
        How often fine-tuning or fetching took over what an earlier try had done.
    """

    kills: Counter = field(default_factory=Counter)
    finished: dict[str, tuple[int, int]] = field(default_factory=dict)
    went_on: int = 0


def durations(folder: Path) -> dict[str, float]:
    """Return the seconds that a job of each rule took in a finished run, from its benchmarks."""
    root = folder / "results" / "small" / "benchmarks"
    taken: dict[str, list[float]] = {}
    for path in root.rglob("*.tsv"):
        rule = path.relative_to(root).parts[0].removesuffix(".tsv")
        taken.setdefault(rule, []).append(float(path.read_text().splitlines()[1].split("\t")[0]))
    return {rule: sum(seconds) / len(seconds) for rule, seconds in taken.items()}


def finished_outputs(log: str) -> list[str]:
    """Return the outputs of the jobs that the engine's log calls finished."""
    outputs = {}
    for block in re.split(r"\n\s*\n|\n(?=\[)", log):
        if (job := re.search(r"^    jobid: (\d+)$", block, re.MULTILINE)) and (
            files := re.search(r"^    output: (.*)$", block, re.MULTILINE)
        ):
            outputs[job[1]] = files[1].split(", ")
    done = re.findall(r"^Finished jobid: (\d+) \(Rule: ", log, re.MULTILINE)
    return [path for job in done for path in outputs.get(job, [])]


def await_job(engine: subprocess.Popen, wanted: Counter) -> str | None:
    """Return the module of a job that runs, of those that are `wanted`; None when the engine comes to its end first."""
    while engine.poll() is None:
        for module in jobs_of(engine):
            if module in STAGES and (wanted[module] > 0 or wanted[ANY] > 0):
                return module
        time.sleep(0.02)
    return None


def kill_and_finish(folder: Path, kills: Counter, rng: random.Random, seconds: dict[str, float]) -> Seen:
    """Run the small world with kills, then let it finish.

    Parameters
    ----------
    folder : Path
        Made by `unpack`.
    kills : Counter
        How often jobs of which module are to be killed.
    rng : Random
        Draws moments and what is killed.
    seconds : dict of str to float
        How long a job of each rule takes.

    Raises
    ------
    AssertionError
        If a finished job was done again, a run does not go on, or something temporary is left.
    """
    seen, log, left = Seen(), folder / "engine.log", kills.copy()

    def end() -> None:
        """Note what was finished in the round that ended; nothing may be finished twice."""
        said = log.read_text(errors="replace")
        done = finished_outputs(said)
        again = sorted(set(done) & seen.finished.keys())
        assert not again, f"finished twice: {again}"
        for name in done:
            stat = (folder / name).stat()
            seen.finished[name] = stat.st_ino, stat.st_mtime_ns
        seen.went_on += len(re.findall(r"going on from step|rows are settled", said))
        log.unlink()

    killed = True
    while killed:
        engine, killed = start(folder, log=log), False
        while module := await_job(engine, left):
            whole = rng.random() < 0.5
            time.sleep(rng.uniform(0, 0.8 if left[module] else 0.3) * seconds[STAGES[module]])
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
            seen.kills[module, "everything" if whole else "job"] += 1
            killed = True
            if whole or module != "fetch.fetch":  # which has retries: the same engine goes on
                break
        killed &= engine.wait() != 0
        assert killed or engine.returncode == 0, log.read_text(errors="replace")[-8000:]
        end()
        status, said = finish(folder, "--unlock")
        assert status == 0, said
    for name, (inode, changed) in seen.finished.items():
        stat = (folder / name).stat()
        assert (stat.st_ino, stat.st_mtime_ns) == (inode, changed), f"{name} was made anew after it was finished"
    status, said = finish(folder, "--dry-run")
    assert status == 0 and "Nothing to be done" in said, said[-3000:]
    assert leftovers(folder) == []
    return seen


def main() -> None:
    """Kill as often as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=26, help="one for each stage, the others drawn")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    drawn = Counter(list(STAGES)) if args.kills >= len(STAGES) else Counter()
    drawn.update(rng.choices(list(STAGES), k=args.kills - drawn.total()))
    with tempfile.TemporaryDirectory() as folder:
        alone, killed = unpack(Path(folder) / "alone"), unpack(Path(folder) / "killed")
        start_s = time.monotonic()
        status, said = finish(alone)
        assert status == 0, said[-8000:]
        print(f"left alone: {time.monotonic() - start_s:.0f} s", flush=True)
        start_s = time.monotonic()
        seen = kill_and_finish(killed, drawn, rng, durations(alone))
        print(f"killed: {time.monotonic() - start_s:.0f} s")
        for (module, what), count in sorted(seen.kills.items()):
            print(f"  {module}: {what} {count}")
        assert (found := different(alone, killed)) == [], f"not the same to the byte: {found}"
    whole = sum(count for (_, what), count in seen.kills.items() if what == "everything")
    print(
        f"{seen.kills.total()} kills, {whole} of everything: same files to the byte, {len(seen.finished)} outputs "
        f"made once each, nothing temporary left; {seen.went_on} times fine-tuning or fetching went on where it was"
    )


if __name__ == "__main__":
    run(main)
