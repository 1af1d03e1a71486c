"""The paper's effect in the miniature's results, where a run has made them.

The claims' bounds are wider than what runs show: another processor rounds otherwise, and training goes another way.
"""

import os
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, jpeg_bytes

from pipeline_lib.jobs.files import read_json
from pipeline_lib.paper.tables import claims
from pipeline_lib.paper.tables.schema import read_tables

TABLES = ROOT / "results" / "tables.parquet"
OF_ONE_BACKBONE = ("l1-learns-it", "l2-does-not", "control-does-not-answer", "control-does-not-read")
MISSED = {  # docs/beyond.md says by how much
    ("plus-keeps-zeroshot", "plus-rn"),
    ("plus-keeps-zeroshot", "plus-slim-s0"),
    ("plus-finds-without", "plus-slim-s0"),
}
RECORD = ROOT / "results" / "miniature" / "finetune" / "conclip-rn-s0" / "run.json"


@pytest.fixture(scope="module")
def tables():
    """The tidy table of the run."""
    if not TABLES.is_file():
        pytest.skip("no results yet: `make tables` makes them")
    tables, run = read_tables(TABLES)
    if run != "miniature":
        pytest.skip(f"the results are of the run {run!r}")
    recipe = read_json(RECORD)["recipe"]
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["finetune"]
    names = ("epochs", "batch_size", "lr", "weight_decay", "warmup_steps", "order")
    if any(recipe[name] != config[name] for name in names):
        pytest.skip("the results are of another recipe: `make tables` makes them anew")
    return tables


@pytest.mark.parametrize("name", claims.ALL)
def test_the_run_shows_what_the_paper_claims(tables, name):
    found = claims.judge(tables)
    found = found[found.claim == name]
    assert set(found.backbone) == ({"mini-rn"} if name in OF_ONE_BACKBONE else {"mini-rn", "mini-slim"})
    missed = {(name, model) for model in found.model[found.verdict != claims.HOLDS]}
    assert missed <= MISSED, found.to_string()


def test_no_cell_of_the_miniature_is_compared_with_the_paper(tables):
    assert tables.reason.eq("other backbone").all()


def test_the_readmes_commands_use_a_finished_run(tables, tmp_path):
    lines = (ROOT / "README.md").read_text().split("## Results")[1].split("```")[1].splitlines()
    commands = [line.removeprefix("$ python ") for line in lines if line.startswith("$ ")]
    python = [line.removeprefix(">>> ") for line in lines if line.startswith(">>> ")]
    assert len(commands) == 4 and len(python) == 2
    imports = ["from pipeline_lib.clip.load import load_torchvision; load_torchvision()", "import datasets, open_clip"]
    (tmp_path / "results").symlink_to(ROOT / "results")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "dog.jpg").write_bytes(jpeg_bytes())
    (tmp_path / "captions.txt").write_text("a photo of a dog\nnot a photo of a dog\n")
    surroundings = os.environ | {"PYTHONPATH": str(ROOT), "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    (tmp_path / "load.py").write_text("\n".join(imports + python))
    for command in [*commands, "load.py"]:
        done = subprocess.run(
            f"{sys.executable} {command}", shell=True, cwd=tmp_path, env=surroundings, capture_output=True, text=True
        )
        assert done.returncode == 0, command + done.stderr
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 5  # by the model and its CLIP
