"""A run whose disk fills up or takes no change, or that is ended by SIGTERM as a cluster does it.

After each fault the same command goes on, and in the end the files are those of a run left alone.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest
from faults.small import different, finish, hashes, leftovers, start, unpack

pytestmark = pytest.mark.faults
SIZES_MB = (8, 11, 14, 24, 40, 58)  # of a disk on which a run needs some 65
PLENTY_MB = 400
TABLES = ("tables.parquet", "small/tables.parquet")  # the copy too, or there is nothing to be done


@contextmanager
def mounted(folder, *arguments):
    """Mount something at `folder`; yield a function that mounts it again with other options."""

    def mount(*arguments):
        done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"may not mount here: {done.stderr.strip()}")

    mount(*arguments, folder)
    try:
        yield lambda options: mount("-o", options, folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def go_on(folder, alone):
    """Run the small world; each file that then stands is whole. Return what a run said that failed, else nothing."""
    status, said = finish(folder, "--unlock")
    assert status == 0, said
    status, said = finish(folder)
    whole = hashes(alone)
    half = [name for name, found in hashes(folder).items() if whole.get(name) != found and ".journal" not in name]
    assert half == [], f"not what a run left alone has: {half}"
    return said if status else ""


def finish_and_compare(folder, alone):
    """Let a run come to its end, which is that of a run left alone."""
    said = go_on(folder, alone)
    assert not said, said[-8000:]
    assert different(folder, alone) == [] and leftovers(folder) == []


def unfinished(folder, alone, *names):
    """Make `folder` a copy of a finished run that lacks some of its files."""
    shutil.copytree(alone, folder)
    for name in names:
        (folder / "results" / name).unlink()
    return folder


def test_a_run_whose_disk_is_full_again_and_again(small_run, tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder, "-t", "tmpfs", "-o", f"size={PLENTY_MB}m", "tmpfs") as remount:
        unpack(folder)
        for size_mb in SIZES_MB:
            remount(f"remount,size={size_mb}m")
            said = go_on(folder, small_run)
            assert "No space left on device" in said, f"{size_mb} MB: {said[-8000:]}"
            named = re.findall(r"error: (\S+): No space left on device; mend that", said)
            print(f"full at {size_mb} MB: {named or 'a file of the engine'}")
        remount(f"remount,size={PLENTY_MB}m")
        finish_and_compare(folder, small_run)


def test_a_run_whose_results_and_then_whole_folder_take_no_change(small_run, tmp_path):
    lacking = (*TABLES, "small/evaluate/blind-rule/ccneg.json")
    folder = unfinished(tmp_path / "run", small_run, *lacking)
    before = hashes(folder)
    for protected in (folder / "results", folder):
        with mounted(protected, "--bind", protected) as remount:
            remount("remount,bind,ro")
            status, said = finish(folder)
        assert status != 0 and re.search("Read-only file system|Write-protected output files", said), said[-8000:]
    assert hashes(folder) == before
    finish_and_compare(folder, small_run)


def test_a_run_that_is_ended_by_sigterm_while_it_fine_tunes(small_run, tmp_path):
    name = "small/finetune/conclip-rn-s0/model.pt"
    lacking = (name, "small/evaluate/conclip-rn-s0/ccneg.json", *TABLES)
    folder = unfinished(tmp_path / "run", small_run, *lacking)
    log, model = folder / "engine.log", folder / "results" / name
    for everything, sign in ((True, model.with_name("resume.pt")), (False, model)):  # False: the engine alone
        engine = start(folder, log=log)
        while not sign.exists():
            assert engine.poll() is None, log.read_text()
            time.sleep(0.005)
        if everything:
            os.killpg(engine.pid, signal.SIGTERM)
        else:
            engine.send_signal(signal.SIGTERM)
        assert engine.wait() != 0, "the run was to be ended"
        assert sign.exists() and not list(model.parent.glob(".*")), "half a file is left"
    assert "going on from step" in log.read_text()
    log.unlink()
    finish_and_compare(folder, small_run)
