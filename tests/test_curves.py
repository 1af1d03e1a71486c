"""Curves of a training are its history, while it runs and after it was killed; they change nothing."""

import json
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, TINY, call, write_pool
from training import command, fine_tune, history, write_training_files
from workflows import configuration

from pipeline_lib.backbones import pretrain
from pipeline_lib.config.checks import check_config
from pipeline_lib.finetune import train
from pipeline_lib.jobs import extras
from pipeline_lib.jobs.files import read_json

NAMES = ("loss", "lr", "logit_scale")


@pytest.fixture(scope="module")
def training_files(tmp_path_factory, tiny_clip):
    """A folder with a small training set."""
    folder = tmp_path_factory.mktemp("training")
    write_training_files(folder, tiny_clip)
    return folder


def drawn(folder):
    """What TensorBoard reads in a folder, as the entries of a history; a step that is there twice stays so."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert len(list(folder.glob("events.out.tfevents.*"))) == 1
    read = reader.EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    assert sorted(read.Tags()["scalars"]) == sorted(NAMES)
    points = [read.Scalars(name) for name in NAMES]
    assert all(len({point.step for point in at}) == 1 for at in zip(*points, strict=True))
    return [
        {"step": at[0].step, **{name: point.value for name, point in zip(NAMES, at, strict=True)}}
        for at in zip(*points, strict=True)
    ]


def same(drawn, steps):
    """Whether curves, in fp32, are those of the entries of a history."""
    return [entry["step"] for entry in drawn] == [entry["step"] for entry in steps] and all(
        entry[name] == pytest.approx(step[name], rel=1e-6)
        for entry, step in zip(drawn, steps, strict=True)
        for name in NAMES
    )


def test_a_killed_training_has_its_curves_and_goes_on_without_a_step_twice(training_files, tiny_checkpoint):
    pytest.importorskip("tensorboard")
    changes = {"epochs": 40, "checkpoint_every": 7}
    assert fine_tune(training_files, tiny_checkpoint, "without", **changes) is None
    steps, folder = history(training_files, "without"), training_files / "with"
    changes["curves"] = "tensorboard"
    arguments = ["-m", train.__name__, *command(training_files, tiny_checkpoint, "with", **changes)]
    killed = subprocess.Popen([sys.executable, *arguments], cwd=ROOT)
    while not (folder / "resume.pt").exists():
        assert killed.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    seen = drawn(folder)
    assert 7 <= len(seen) < len(steps) and same(seen, steps[: len(seen)])
    assert fine_tune(training_files, tiny_checkpoint, "with", **changes) is None
    assert read_json(folder / "run.json")["resumed_at"] > 0
    assert same(drawn(folder), steps)
    for name in ("model.pt", "history.jsonl"):
        assert (folder / name).read_bytes() == (training_files / "without" / name).read_bytes()
    assert fine_tune(training_files, tiny_checkpoint, "with", curves="none") is None
    assert not list(folder.glob("events*"))  # curves of another training would stand for this one


def test_pretraining_has_curves_too(tmp_path):
    pytest.importorskip("tensorboard")
    write_pool(tmp_path / "images.tar", 8, caption="a dog")
    flags = {
        **{"backbone": "tiny", "images": tmp_path / "images.tar", "architecture": json.dumps(TINY), "seed": 0},
        **{"steps": 4, "batch-size": 3, "lr": 1e-3, "weight-decay": 0.1, "warmup-steps": 1, "threads": 1},
        **{name: tmp_path / name for name in ("checkpoint", "history", "record")},
    }
    words = [text for key, value in flags.items() for text in (f"--{key}", value)]
    assert call(pretrain.main, *words, "--curves", "tensorboard") is None
    assert same(drawn(tmp_path), [json.loads(line) for line in (tmp_path / "history").read_text().splitlines()])
    assert "curves" not in read_json(tmp_path / "record")["recipe"]


def test_without_the_package_the_configuration_and_the_command_say_what_to_install(
    training_files, tiny_checkpoint, monkeypatch
):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    said = fine_tune(training_files, tiny_checkpoint, "missing", curves="tensorboard")
    assert "needs the package tensorboard, which is not installed: pip install -e '.[tensorboard]'" in said
    assert not (training_files / "missing" / "model.pt").exists()
    config = configuration()
    check_config(config)
    with pytest.raises(ValueError, match=r"curves: expected none, or .*\.\[tensorboard\]', found 'tensorboard'"):
        check_config({**config, "curves": "tensorboard"})
