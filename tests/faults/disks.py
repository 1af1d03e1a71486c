"""Take a run its disk away: one that fills up, one that takes no change. And end it as a cluster does, by SIGTERM.

::

    PYTHONPATH=tests python -m faults.disks

takes ten minutes on two cores, and needs the right to mount. After each fault the same command goes on, and in the end
the files are those of a run left alone.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from faults.small import different, finish, hashes, leftovers, start, unpack

from pipeline_lib.jobs.cli import run

SIZES_MB = (8, 11, 14, 24, 40, 58)  # of a disk on which a run needs some 65
PLENTY_MB = 400


class CannotMountError(Exception):
    """This process may not mount."""


def mount(*arguments: str | Path) -> None:
    """Call mount(8).

    Raises
    ------
    CannotMountError
        If it does not do it; the message is its own.
    """
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise CannotMountError(done.stderr.strip())


@contextmanager
def disk(folder: Path, size_mb: int) -> Iterator[Callable[[int], None]]:
    """Mount an empty disk in memory at `folder`; yield a function that gives it another size in MB."""
    folder.mkdir(parents=True)
    mount("-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", folder)
    try:
        yield lambda size_mb: mount("-o", f"remount,size={size_mb}m", folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Have `folder` take no change, not even by root."""
    mount("--bind", folder, folder)
    try:
        mount("-o", "remount,bind,ro", folder)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def go_on(folder: Path, alone: Path) -> str:
    """Run the small world; what then stands is whole, even if the run is not. Return what was said of that."""
    status, said = finish(folder, "--unlock")
    assert status == 0, said
    status, said = finish(folder)
    whole = hashes(alone)
    half = [name for name, found in hashes(folder).items() if whole.get(name) != found and ".journal" not in name]
    assert half == [], f"not what a run left alone has: {half}"
    return said if status else ""


def compare(folder: Path, alone: Path) -> None:
    """Let a run come to its end, which is that of a run left alone."""
    said = go_on(folder, alone)
    assert not said, said[-8000:]
    assert (found := different(folder, alone)) == [], f"not the same to the byte: {found}"
    assert leftovers(folder) == []


def fill_up(folder: Path, alone: Path, sizes_mb: tuple[int, ...] = SIZES_MB) -> list[str]:
    """Run on a disk that is full again and again; return which files were said to be the ones that did not fit."""
    files = []
    with disk(folder, PLENTY_MB) as resize:
        unpack(folder)
        for size_mb in sizes_mb:
            resize(size_mb)
            said = go_on(folder, alone)
            assert "No space left on device" in said, f"{size_mb} MB: {said[-8000:]}"
            files += re.findall(r"error: (\S+): No space left on device; mend that", said) or ["(the engine's own)"]
        resize(PLENTY_MB)
        compare(folder, alone)
    return files


def unfinished(folder: Path, alone: Path, *names: str) -> Path:
    """Make `folder` a copy of a finished run that lacks some of its files."""
    shutil.copytree(alone, folder)
    for name in names:
        (folder / "results" / name).unlink()
    return folder


def write_protect(folder: Path, alone: Path) -> list[str]:
    """Run where results/ takes no change, and then where nothing does; return what was said first."""
    unfinished(folder, alone, "tables.parquet", "small/evaluate/blind-rule/ccneg.json")
    before, said = hashes(folder), []
    for protected in (folder / "results", folder):
        with read_only(protected):
            status, words = finish(folder)
        found = re.search(r".*(Read-only file system|Write-protected output files).*", words)
        assert status != 0 and found, words[-8000:]
        said.append(found[0])
    assert hashes(folder) == before
    compare(folder, alone)
    return said


def terminate(folder: Path, alone: Path) -> list[str]:
    """End a run by SIGTERM while it fine-tunes: everything, then the engine alone; return how each ended."""
    model = "small/finetune/conclip-rn-s0/model.pt"
    unfinished(folder, alone, model, "small/evaluate/conclip-rn-s0/ccneg.json", "tables.parquet")
    log, seen, model = folder / "engine.log", [], folder / "results" / model
    for whole, sign in ((True, model.with_name("resume.pt")), (False, model)):
        engine = start(folder, log=log)
        while not sign.exists():
            assert engine.poll() is None, log.read_text()
            time.sleep(0.005)
        if whole:
            os.killpg(engine.pid, signal.SIGTERM)
        else:
            engine.send_signal(signal.SIGTERM)
        assert engine.wait() != 0, "the run was to be ended"
        assert sign.exists() and not list(model.parent.glob(".*")), "half a file is left"
        seen.append(f"{'everything' if whole else 'the engine'}: exit status {engine.returncode}")
    assert "going on from step" in log.read_text()
    log.unlink()
    compare(folder, alone)
    return seen


def main() -> None:
    """Try every fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = unpack(folder / "alone")
        status, said = finish(alone)
        assert status == 0, said[-8000:]
        print("read-only:", *write_protect(folder / "protected", alone), sep="\n  ", flush=True)
        print("SIGTERM:", *terminate(folder / "ended", alone), sep="\n  ", flush=True)
        print("disk full at:", *fill_up(folder / "disk", alone), sep="\n  ")


if __name__ == "__main__":
    run(main)
