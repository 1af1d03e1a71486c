"""Run commands side by side and say what they and all their children took. Linux only: it reads /proc."""

import os
import subprocess
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

SECONDS_BETWEEN_LOOKS = 0.1
TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """What a run took.

    Attributes
    ----------
    seconds : float
        From the first start to the last end.
    cpu_s : float
        Of all processes, those that they waited for included.
    threads_s : float
        The share of `cpu_s` of threads other than each command's first one; those of its children do not count.
    before_s : float
        CPU seconds of the first threads until the other ones were last seen at work.
    memory_bytes : int
        Most memory at a time. A page that several processes share counts once (proportional set size).
    """

    seconds: float
    cpu_s: float
    threads_s: float
    before_s: float
    memory_bytes: int


def cost_of(commands: list[list[str]], environment: dict[str, str], log: Path) -> Cost:
    """Run commands at the same time.

    Parameters
    ----------
    commands : list of list of str
        Programs with their arguments.
    environment : dict of str to str
        Variables to set beside our own.
    log : Path
        Takes what they print.

    Raises
    ------
    RuntimeError
        If one fails.
    """
    ended, looks = threading.Event(), Looks()
    with open(log, "wb") as output:
        start = time.monotonic()
        processes = [
            subprocess.Popen(command, env=os.environ | environment, stdout=output, stderr=output)
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
            raise RuntimeError(f"{' '.join(process.args)} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
    cpu_s = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return Cost(seconds, cpu_s, sum(looks.others_s.values()), sum(looks.firsts_s.values()), looks.memory_bytes)


class Looks:
    """Looks at running processes now and then.

    Attributes
    ----------
    others_s, firsts_s : dict of int to float
        By command: `Cost.threads_s` and `Cost.before_s`.
    memory_bytes : int
        Most so far.
    """

    def __init__(self) -> None:
        self.others_s: dict[int, float] = defaultdict(float)
        self.firsts_s: dict[int, float] = defaultdict(float)
        self.memory_bytes = 0

    def look_until(self, ended: threading.Event, pids: list[int]) -> None:
        """Look until told to stop."""
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            for pid in pids:
                threads_s = thread_seconds(pid)
                others_s = sum(threads_s.values()) - threads_s.get(pid, 0.0)
                if others_s > self.others_s[pid]:
                    self.others_s[pid], self.firsts_s[pid] = others_s, threads_s[pid]
            self.memory_bytes = max(self.memory_bytes, sum(map(memory_bytes, tree(pids))))


def tree(pids: list[int]) -> list[int]:
    """Return processes and all their descendants."""
    found = list(pids)
    for pid in found:
        for children in read_all(f"/proc/{pid}/task", "children"):
            found += map(int, children.split())
    return found


def thread_seconds(pid: int) -> dict[int, float]:
    """Return the CPU seconds of each thread of a process, by its number; none if the process has ended."""
    seconds = {}
    for stat in read_all(f"/proc/{pid}/task", "stat"):
        number, _, rest = stat.partition(" ")
        fields = rest.rpartition(")")[2].split()
        seconds[int(number)] = (int(fields[11]) + int(fields[12])) / TICKS  # utime and stime: proc(5)
    return seconds


def memory_bytes(pid: int) -> int:
    """Return a process's proportional set size; 0 if it has ended."""
    for rollup in read_all(f"/proc/{pid}", "smaps_rollup", pattern=""):
        return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return 0


def read_all(folder: str, name: str, pattern: str = "*") -> list[str]:
    """Return the content of a file in each folder in `folder`, or in `folder` itself; what has gone is left out."""
    contents = []
    try:
        for each in Path(folder).glob(pattern) if pattern else [Path(folder)]:
            contents.append((each / name).read_text())
    except OSError:  # it ended while we looked
        pass
    return [content for content in contents if content]
