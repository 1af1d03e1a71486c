"""The paper stage's figures."""

import subprocess
import sys
from pathlib import Path

import pytest
from papers import (
    MODELS,
    ROOT,
    command,
    make_figures,
    make_tables,
    scores_of,
    write_ccneg,
    write_histories,
    write_metrics,
)
from PIL import Image

from pipeline_lib.paper.outputs import FIGURE_FILES, FIGURES


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder in which tables and figures were made."""
    folder = tmp_path_factory.mktemp("made")
    metrics = write_metrics(folder)
    steps = [make_tables(folder, metrics), make_figures(folder, metrics, write_histories(folder))]
    for step in steps:
        assert step.returncode == 0, step.stderr
        assert step.stderr == ""
    return folder


def test_figures_are_the_listed_files_at_column_width(made):
    assert {path.name for path in (made / "figures").iterdir()} == set(FIGURE_FILES)
    for name in FIGURES:
        with Image.open(made / "figures" / f"{name}.png") as picture:
            assert picture.width == 1020
            assert len(picture.convert("L").getcolors()) > 2, "the picture is blank"


def test_figures_have_the_same_bytes_each_time_even_without_histories_ablation_and_fetching(tmp_path):
    tables = tmp_path / "tables.parquet"
    metrics = write_metrics(tmp_path, MODELS[:2])
    assert make_tables(tmp_path, metrics).returncode == 0
    data = (*scores_of(metrics), *write_ccneg(tmp_path, released=True))
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        drawn = command("figures", "--tables", tables, *data, "--histories", "--fetch", "--folder", folder)
        assert drawn.returncode == 0, drawn.stderr
    for name in FIGURE_FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_broken_histories_are_named(made, tmp_path):
    for model, text, message in (
        ("conclip-vit-s0", '{"step": 1}\n', "line 1: expected JSON with numbers step and loss"),
        ("conclip-vit-s0", '{"step": 1, "loss": 2}\n{"step": 2, "loss": NaN}\n', "line 2: expected a finite loss"),
        ("stranger", '{"step": 1, "loss": 2}\n', "expected a folder named like a model"),
    ):
        path = tmp_path / model / "history.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        arguments = (
            *write_ccneg(tmp_path),
            "--scores",
            "--histories",
            path,
            "--fetch",
            made / "summary.json",
            "--folder",
            tmp_path,
        )
        failed = command("figures", "--tables", made / "tables.parquet", *arguments)
        assert failed.returncode == 1 and message in failed.stderr and str(path) in failed.stderr


def test_no_command_loads_torch():
    code = (
        "import sys, pipeline_lib.paper.tables.__main__, pipeline_lib.paper.figures.__main__, "
        "pipeline_lib.paper.report.__main__, pipeline_lib.paper.headline; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
