"""A stopped run goes on from its last state, and ends with the bits of a run that was not stopped."""

import io
import json
import os
import signal

import pytest
import torch
from training import fine_tune, kill_once_it_can_go_on

from pipeline_lib.clip.load import load_clip
from pipeline_lib.features.store import tower_id
from pipeline_lib.finetune.facts import load_facts
from pipeline_lib.finetune.samples import load_samples
from pipeline_lib.finetune.terms import needs
from pipeline_lib.finetune.train import resume, train
from pipeline_lib.finetune.trainer import Recipe, Trainer

RECIPE = Recipe("conclip+", 3, 4, 1e-3, 0.2, 2, "shuffled", 0, "fp32")
OUTPUTS = ["history.jsonl", "model.pt", "run.json"]


@pytest.fixture
def trainer(training_files, tiny_checkpoint, tiny_clip):
    """A function that makes a trainer at its first step."""
    files = (training_files / "distractors.parquet", [training_files / "pool.safetensors"])
    files = (training_files / "train.parquet", [training_files / "train.safetensors"], *files)
    samples = load_samples(needs(RECIPE.loss), tower_id(tiny_clip), *files)
    facts = load_facts(files[0], RECIPE.seed)
    return lambda: Trainer(load_clip(tiny_checkpoint), samples, RECIPE, torch.device("cpu"), facts=facts)


def advance(trainer, steps):
    """Do a number of steps."""
    for _ in range(steps):
        trainer.step()
    return trainer


def assert_same_end(one, other):
    """Two trainers have the same weights, to the bit, and the same history."""
    for mine, theirs in zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    assert one.history.read() == other.history.read()


@pytest.mark.parametrize("stopped_after", [0, 1, 4, 8])
def test_a_run_stopped_after_any_step_ends_with_the_same_bits(trainer, stopped_after):
    file = io.BytesIO()
    torch.save(advance(trainer(), stopped_after).state(), file)
    file.seek(0)
    resumed = trainer()
    resumed.restore(torch.load(file, weights_only=True))
    assert resumed.step_number == stopped_after
    assert_same_end(advance(resumed, 9 - stopped_after), advance(trainer(), 9))


def test_a_killed_command_goes_on_and_writes_what_it_would_have(training_files, tiny_checkpoint, capsys):
    changes = {"epochs": 40, "checkpoint_every": 7}
    assert fine_tune(training_files, tiny_checkpoint, "whole", **changes) is None
    kill_once_it_can_go_on(training_files, tiny_checkpoint, "killed", **changes)
    assert not (training_files / "killed/model.pt").exists()

    assert fine_tune(training_files, tiny_checkpoint, "killed", **changes) is None
    assert "resume.pt: going on from step" in capsys.readouterr().out
    assert sorted(path.name for path in (training_files / "killed").iterdir()) == OUTPUTS
    for name in ("model.pt", "history.jsonl"):
        assert (training_files / "killed" / name).read_bytes() == (training_files / "whole" / name).read_bytes()
    resumed_at = json.loads((training_files / "killed/run.json").read_text())["resumed_at"]
    assert resumed_at > 0 and resumed_at % 7 == 0


def test_sigterm_saves_the_state_and_the_run_goes_on_with_the_same_bits(trainer, tmp_path):
    state, ended = tmp_path / "resume.pt", trainer()
    step = ended.step

    def step_and_signal():
        if ended.step_number == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        step()

    ended.step = step_and_signal
    with pytest.raises(SystemExit) as end:
        train(ended, state, "this", 100, "fine-tune")
    assert end.value.code == 143 and ended.step_number == 4  # the step that it came in is finished
    resumed = trainer()
    resume(resumed, state, "this")
    assert resumed.step_number == 4
    train(resumed, state, "this", 100, "fine-tune")
    assert_same_end(resumed, advance(trainer(), 9))


def test_the_state_of_another_run_or_half_a_file_is_not_resumed(training_files, tiny_checkpoint, trainer, capsys):
    folder = training_files / "other"
    folder.mkdir()
    torch.save({"run": "another", **advance(trainer(), 3).state()}, folder / "resume.pt")
    whole = (folder / "resume.pt").read_bytes()
    for content, said in ((whole, "the state of another run"), (whole[:5000], "not a whole state of a run")):
        (folder / "resume.pt").write_bytes(content)
        (folder / ".resume.tmp.pt").write_bytes(b"half")  # what a kill left of a state goes with the finished run
        assert fine_tune(training_files, tiny_checkpoint, "other") is None
        assert f"resume.pt: {said}" in capsys.readouterr().out
        assert json.loads((folder / "run.json").read_text())["resumed_at"] == 0
        assert sorted(path.name for path in folder.iterdir()) == OUTPUTS
