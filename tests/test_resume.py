"""A stopped run goes on from its last state, and ends with the bits of a run that was not stopped."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT
from training import command, train, write_training_files

from pipeline_lib.clip.load import load_clip
from pipeline_lib.features.store import tower_id
from pipeline_lib.finetune.samples import load_samples
from pipeline_lib.finetune.train import resume
from pipeline_lib.finetune.train import train as train_on
from pipeline_lib.finetune.trainer import Recipe, Trainer

RECIPE = Recipe("conclip", 3, 4, 1e-3, 0.2, 2, "shuffled", 0, "fp32")


@pytest.fixture(scope="module")
def training_files(tmp_path_factory, tiny_clip):
    """A folder with a small training set."""
    folder = tmp_path_factory.mktemp("training")
    write_training_files(folder, tiny_clip)
    return folder


@pytest.fixture
def trainer(training_files, tiny_checkpoint, tiny_clip):
    """A function that makes a trainer at its first step."""
    features, pool = [training_files / "train.safetensors"], [training_files / "pool.safetensors"]
    samples = load_samples(
        training_files / "train.parquet", features, tower_id(tiny_clip), training_files / "distractors.parquet", pool
    )
    return lambda: Trainer(load_clip(tiny_checkpoint), samples, RECIPE, torch.device("cpu"))


def advance(trainer, steps):
    """Do a number of steps."""
    for _ in range(steps):
        trainer.step()
    return trainer


def same_bits(one, other):
    """Whether two models have the same weights."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(mine, theirs) for mine, theirs in pairs)


@pytest.mark.parametrize("stopped_after", [0, 1, 4, 8])
def test_a_run_stopped_after_any_step_ends_with_the_same_bits(trainer, stopped_after):
    whole = advance(trainer(), 9)
    file = io.BytesIO()
    torch.save(advance(trainer(), stopped_after).state(), file)
    file.seek(0)
    resumed = trainer()
    resumed.restore(torch.load(file, weights_only=True))
    assert resumed.step_number == stopped_after
    advance(resumed, 9 - stopped_after)
    assert same_bits(resumed.model, whole.model)
    assert resumed.history.read() == whole.history.read()


def test_a_killed_command_goes_on_and_writes_what_it_would_have(training_files, tiny_checkpoint):
    changes = {"epochs": 40, "checkpoint_every": 7}
    whole = train(training_files, tiny_checkpoint, "whole", **changes)
    assert whole.returncode == 0, whole.stderr
    arguments = command(training_files, tiny_checkpoint, "killed", **changes)
    killed = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    state = training_files / "killed/resume.pt"
    while not state.exists():
        assert killed.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (training_files / "killed/model.pt").exists()

    again = train(training_files, tiny_checkpoint, "killed", **changes)
    assert "resume.pt: going on from step" in again.stdout
    assert sorted(path.name for path in (training_files / "killed").iterdir()) == [
        "history.jsonl",
        "model.pt",
        "run.json",
    ]
    for name in ("model.pt", "history.jsonl"):
        assert (training_files / "killed" / name).read_bytes() == (training_files / "whole" / name).read_bytes()
    resumed_at = json.loads((training_files / "killed/run.json").read_text())["resumed_at"]
    assert resumed_at > 0
    assert resumed_at % 7 == 0


def test_sigterm_saves_the_state_and_the_run_goes_on_with_the_same_bits(trainer, tmp_path):
    whole, state = advance(trainer(), 9), tmp_path / "resume.pt"
    ended = trainer()
    step = ended.step

    def step_and_signal():
        if ended.step_number == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        step()

    ended.step = step_and_signal
    with pytest.raises(SystemExit) as end:
        train_on(ended, state, "this", 100, "fine-tune")
    assert end.value.code == 143 and ended.step_number == 4  # the step that it came in is finished
    resumed = trainer()
    resume(resumed, state, "this")
    assert resumed.step_number == 4
    train_on(resumed, state, "this", 100, "fine-tune")
    assert same_bits(resumed.model, whole.model) and resumed.history.read() == whole.history.read()


def test_what_a_kill_left_of_a_state_goes_with_the_finished_run(training_files, tiny_checkpoint):
    folder = training_files / "left"
    folder.mkdir()
    (folder / ".resume.tmp.pt").write_bytes(b"half")
    assert train(training_files, tiny_checkpoint, "left").returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["history.jsonl", "model.pt", "run.json"]


def test_the_state_of_another_run_or_half_a_file_is_not_resumed(training_files, tiny_checkpoint, trainer):
    folder = training_files / "other"
    folder.mkdir()
    torch.save({"run": "another", **advance(trainer(), 3).state()}, folder / "resume.pt")
    done = train(training_files, tiny_checkpoint, "other")
    assert "resume.pt: the state of another run" in done.stdout
    assert json.loads((folder / "run.json").read_text())["resumed_at"] == 0

    torch.save({"run": "another", **trainer().state()}, folder / "resume.pt")
    (folder / "resume.pt").write_bytes((folder / "resume.pt").read_bytes()[:5000])
    done = train(training_files, tiny_checkpoint, "other")
    assert "resume.pt: not a whole state of a run" in done.stdout
    assert done.returncode == 0, done.stderr
