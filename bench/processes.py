"""Run commands side by side and say what they and all their children took. Linux only: it reads /proc."""

import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import psutil

SECONDS_BETWEEN_LOOKS = 0.1
ROOT = Path(__file__).parents[1]


class Cost(NamedTuple):
    """What a run took."""

    seconds: float  # from the first start to the last end
    cpu_s: float  # of all processes, those that they waited for included
    threads_s: float  # the share of `cpu_s` of threads other than each command's first one, children aside
    before_s: float  # CPU seconds of the first threads until the other ones were last seen at work
    memory_bytes: int  # most at a time, seen every tenth of a second; a page that processes share counts once (PSS)
    peak_bytes: int  # the most that one process had resident

    def __str__(self) -> str:
        load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        return f"{self.seconds:.1f} s, {self.cpu_s:.1f} s of processor time, {self.peak_bytes / 1e6:,.0f} MB; {load}"


def cost_of(commands: list[list], log: Path, folder: Path = ROOT) -> Cost:
    """Run commands at the same time in a folder; `log` takes what they print. A `RuntimeError` if one fails."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1", "PYTHONPATH": str(ROOT)}
    ended, looks = threading.Event(), Looks()
    with open(log, "wb") as output:
        start = time.monotonic()
        processes = [
            subprocess.Popen([*map(str, command)], cwd=folder, env=environment, stdout=output, stderr=output)
            for command in commands
        ]
        watch = threading.Thread(target=looks.look_until, args=(ended, [process.pid for process in processes]))
        watch.start()
        usages = []
        for process in processes:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            usages.append(usage)
        seconds = time.monotonic() - start
        ended.set()
        watch.join()
    for process in processes:
        if process.returncode:
            said = log.read_text()[-2000:]
            raise RuntimeError(f"{' '.join(process.args)[:400]} ended with {process.returncode}:\n{said}")
    cpu_s = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    others_s, firsts_s = sum(looks.others_s.values()), sum(looks.firsts_s.values())
    return Cost(seconds, cpu_s, others_s, firsts_s, looks.memory_bytes, max(use.ru_maxrss for use in usages) * 1024)


def cost_of_python(arguments: list, log: Path, folder: Path = ROOT) -> Cost:
    """Run Python with these arguments."""
    return cost_of([[sys.executable, *arguments]], log, folder)


class Looks:
    """Looks at running processes now and then; holds `Cost.threads_s` and `Cost.before_s` of each, and the memory."""

    def __init__(self) -> None:
        self.others_s: dict[int, float] = defaultdict(float)
        self.firsts_s: dict[int, float] = defaultdict(float)
        self.memory_bytes = 0

    def look_until(self, ended: threading.Event, pids: list[int]) -> None:
        """Look until told to stop."""
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            memory_bytes = 0
            for pid in pids:
                try:
                    process = psutil.Process(pid)
                    threads_s = thread_seconds(process)
                    tree = [process, *process.children(recursive=True)]
                    memory_bytes += sum(each.memory_full_info().pss for each in tree)
                except psutil.Error:  # it ended while we looked
                    continue
                others_s = sum(threads_s.values()) - threads_s.get(pid, 0.0)
                if others_s > self.others_s[pid]:
                    self.others_s[pid], self.firsts_s[pid] = others_s, threads_s[pid]
            self.memory_bytes = max(self.memory_bytes, memory_bytes)


def thread_seconds(process: psutil.Process) -> dict[int, float]:
    """Return the CPU seconds of each thread of a process, by its number."""
    return {thread.id: thread.user_time + thread.system_time for thread in process.threads()}
