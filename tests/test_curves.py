"""Curves of a training are its history, while it runs and after it was killed; they change nothing."""

import json

import pytest
from conftest import write_pool
from training import fine_tune, history, kill_once_it_can_go_on, run_pretraining
from workflows import configuration

from pipeline_lib.config.checks import check_config
from pipeline_lib.jobs import extras
from pipeline_lib.jobs.files import read_json

NAMES = ("loss", "lr", "logit_scale")


def drawn(folder):
    """What TensorBoard reads in a folder: step and value of every point of every curve."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert len(list(folder.glob("events.out.tfevents.*"))) == 1
    read = reader.EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    assert sorted(read.Tags()["scalars"]) == sorted(NAMES)
    return {name: [(point.step, point.value) for point in read.Scalars(name)] for name in NAMES}


def curves_of(steps):
    """The same of the entries of a history; curves are in fp32."""
    return {name: [(step["step"], pytest.approx(step[name], rel=1e-6)) for step in steps] for name in NAMES}


def test_a_killed_training_has_its_curves_and_goes_on_without_a_step_twice(training_files, tiny_checkpoint):
    pytest.importorskip("tensorboard")
    changes = {"epochs": 40, "checkpoint_every": 7}
    assert fine_tune(training_files, tiny_checkpoint, "without", **changes) is None
    steps, folder = history(training_files, "without"), training_files / "with"
    changes["curves"] = "tensorboard"
    kill_once_it_can_go_on(training_files, tiny_checkpoint, "with", **changes)
    seen = drawn(folder)
    count = len(seen["loss"])
    assert 7 <= count < len(steps) and seen == curves_of(steps[:count])
    assert fine_tune(training_files, tiny_checkpoint, "with", **changes) is None
    assert read_json(folder / "run.json")["resumed_at"] > 0
    assert drawn(folder) == curves_of(steps)
    for name in ("model.pt", "history.jsonl"):
        assert (folder / name).read_bytes() == (training_files / "without" / name).read_bytes()
    assert fine_tune(training_files, tiny_checkpoint, "with", curves="none") is None
    assert not list(folder.glob("events*"))  # curves of another training would stand for this one


def test_pretraining_has_curves_too(tmp_path):
    pytest.importorskip("tensorboard")
    write_pool(tmp_path / "images.tar", 8, caption="a dog")
    assert run_pretraining(tmp_path, curves="tensorboard") is None
    steps = [json.loads(line) for line in (tmp_path / "one.jsonl").read_text().splitlines()]
    assert drawn(tmp_path) == curves_of(steps)
    assert "curves" not in read_json(tmp_path / "one.json")["recipe"]


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
