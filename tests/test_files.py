"""Atomic writing and reproducible tars."""

import errno
import os
import signal
import time
from functools import partial

import pandas as pd
import pytest
import webdataset as wds
from conftest import call, jpeg_bytes
from safetensors import SafetensorError

from pipeline_lib.formats.images import read_images
from pipeline_lib.formats.tars import read_samples, write_samples
from pipeline_lib.jobs.files import atomic, discard, write_json, write_parquet

SAMPLES = [("000000000", {"jpg": b"one", "json": b"{}"}), ("000000001", {"jpg": b"two", "json": b"{}"})]


def test_a_failed_writer_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic(path) as aside:
        aside.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["out.txt"]


def torch_on_a_full_disk():
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    finally:
        raise RuntimeError("unexpected pos 576 vs 534")


def on_a_full_disk(error):
    raise error


@pytest.mark.parametrize(
    "fail",
    [
        torch_on_a_full_disk,
        lambda: on_a_full_disk(SafetensorError("I/O error: No space left on device (os error 28)")),
        lambda: on_a_full_disk(OSError(errno.ENOSPC, "Error writing bytes. [errno 28] No space left on device")),
    ],
    ids=["torch", "safetensors", "parquet"],
)
def test_a_full_disk_is_named_with_the_file_in_one_line(tmp_path, fail):
    def write():
        with atomic(tmp_path / "out.bin") as aside:
            aside.write_bytes(b"half")
            fail()

    said = call(write)
    assert said == f"error: {tmp_path}/out.bin: No space left on device; mend that and run the same command again"
    assert list(tmp_path.iterdir()) == []


def test_other_mistakes_of_a_writer_stay_what_they_are(tmp_path):
    for mistake in (OSError(errno.EBADF, "Bad file descriptor"), RuntimeError("no such thing")):
        with pytest.raises(type(mistake)) as found, atomic(tmp_path / "out.bin"):
            raise mistake
        assert found.value is mistake


def test_sigterm_ends_a_command_on_the_way_out_of_what_is_open(tmp_path, capfd, request):
    request.addfinalizer(partial(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, signal.SIG_DFL)))

    def write():
        with atomic(tmp_path / "out.bin") as aside:
            aside.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)

    assert call(write) == 143
    assert list(tmp_path.iterdir()) == [] and "ended by SIGTERM" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_what_is_discarded_is_gone_with_what_a_kill_left_of_it(tmp_path):
    for name in ("out.bin", ".out.tmp.bin", "other.bin"):
        (tmp_path / name).touch()
    discard(tmp_path / "out.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["other.bin"]
    discard(tmp_path / "out.bin")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # webdataset leaves its files open
@pytest.mark.parametrize("count", [0, 1, 5, 19, 20])  # at 20 the last block of a record is full
def test_webdataset_writes_and_reads_the_same_tar(tmp_path, count):
    samples = [(f"{number:09d}", {"jpg": bytes(number), "json": b"{}"}) for number in range(count)]
    write_samples(tmp_path / "ours.tar", samples)
    with (
        open(tmp_path / "theirs.tar", "wb") as content,
        wds.TarWriter(content, encoder=False, mtime=0, user="root", group="root", mode=0o644) as tar,
    ):
        for key, parts in samples:
            tar.write({"__key__": key, **parts})
    assert (tmp_path / "ours.tar").read_bytes() == (tmp_path / "theirs.tar").read_bytes()
    read = wds.WebDataset(str(tmp_path / "ours.tar"), shardshuffle=False, empty_check=False)
    assert [(sample["__key__"], {"jpg": sample["jpg"], "json": sample["json"]}) for sample in read] == samples
    assert list(read_samples(tmp_path / "ours.tar")) == samples


@pytest.mark.parametrize("kept", [0, 100, 512, 1024, 1600, 3072])
def test_a_truncated_tar_is_named(tmp_path, kept):
    path = tmp_path / "cut.tar"
    write_samples(path, SAMPLES)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"cut\.tar: expected a whole tar"):
        list(read_samples(path))


def test_a_tar_with_a_damaged_header_is_named_and_not_read_as_a_shorter_one(tmp_path):
    path = tmp_path / "damaged.tar"
    write_samples(path, SAMPLES)
    content = bytearray(path.read_bytes())
    content[2 * 1024 + 150] ^= 1  # the third member's checksum: each member is a header and a block of 512 bytes
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged\.tar: expected a whole tar, .*\(.* at byte 2,048\)"):
        list(read_samples(path))


@pytest.mark.parametrize("key", ["../evil", "a/b", "a.b", "", "a\nb"])
def test_a_key_that_could_leave_the_folder_is_refused(tmp_path, key):
    with pytest.raises(ValueError, match="a key must be"):
        write_samples(tmp_path / "a.tar", [(key, {"jpg": b""})])
    assert not (tmp_path / "a.tar").exists()


def test_metadata_that_is_no_json_is_named_and_what_is_no_object_says_nothing(tmp_path):
    def said(content):
        write_samples(tmp_path / "a.tar", [("000000007", {"jpg": jpeg_bytes(), "json": content})])
        return next(read_images([tmp_path / "a.tar"]))[2]

    with pytest.raises(ValueError, match=r"a\.tar: sample 000000007: "):
        said(b"{")
    assert said(b'{"label": 3, "a": "1"}') == {"label": 3, "a": "1"}
    assert said(b"[1]") == {}


def test_files_do_not_depend_on_when_they_are_written(tmp_path):
    for name in ("a", "b"):
        write_json(tmp_path / f"{name}.json", {"b": 1, "a": [1.5, None]})
        write_parquet(tmp_path / f"{name}.parquet", pd.DataFrame({"x": [1, 2], "y": ["p", None]}))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
