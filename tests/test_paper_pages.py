"""The paper stage's figures and report."""

import base64
import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from papers import (
    MODELS,
    ROOT,
    command,
    make_tables,
    scores_of,
    write_ccneg,
    write_fetch_summary,
    write_metrics,
)
from PIL import Image

from pipeline_lib.paper.layout import layout
from pipeline_lib.paper.outputs import FIGURE_FILES, FIGURES, TABLES
from pipeline_lib.paper.report import SECTIONS
from pipeline_lib.paper.schema import read_tables


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder in which tables, figures and report were made."""
    folder = tmp_path_factory.mktemp("made")
    metrics = write_metrics(folder)
    steps = [make_tables(folder, metrics)]
    histories, runs = [], []
    for model, _, _, loss, _, seed in MODELS:
        if loss is None:
            continue
        trained = folder / "finetune" / model
        trained.mkdir(parents=True)
        lines = [{"step": step, "loss": 4 / step, "lr": 1e-4, "logit_scale": 4.6} for step in range(1, 6)]
        (trained / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        run = {"seed": seed, "parameters": {"lr": 1e-4, "note": "<script>alert(1)</script>"}, "backbones": ["a", "b"]}
        (trained / "run.json").write_text(json.dumps(run))
        histories.append(trained / "history.jsonl")
        runs.append(trained / "run.json")
    tables, fetch = folder / "tables.parquet", ("--fetch", write_fetch_summary(folder / "summary.json"))
    figures, data = folder / "figures", (*scores_of(metrics), *write_ccneg(folder))
    steps.append(command("figures", "--tables", tables, *data, "--histories", *histories, *fetch, "--folder", figures))
    steps.append(
        command("report", "--tables", tables, "--folder", folder / "tables", "--figures", figures, *fetch,
                "--runs", *runs, "--output", folder / "report.html")
    )  # fmt: skip
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


class Page(HTMLParser):
    """Collect tags, links, table cells and balance of a page."""

    VOID = ("meta", "img", "link", "br")

    def __init__(self, text: str):
        super().__init__()
        self.open, self.tags, self.links, self.text, self.alternatives = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [found for name, found in attrs if name in ("src", "href")]
        self.alternatives += [found for name, found in attrs if name == "alt"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data.strip())


def test_report_is_one_page_with_everything_in_it(made):
    tables, _ = read_tables(made / "tables.parquet")
    text = (made / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == [] and "script" not in page.tags
    assert all(link.startswith(("#", "data:")) for link in page.links), "the page reaches for the network"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text and "parameters.lr" in page.text
    for name in TABLES:
        for row in layout(tables, name).text_rows():
            assert set(row) <= set(page.text)
    assert {"http 404", "60", "6.00", "pointless", "may help"} <= set(page.text)
    assert "926 of 1,000 rows have an image (92.6%)." in text and "cc3m.tsv, 12,345 bytes, sha256 abab" in text
    images = [link for link in page.links if link.startswith("data:image/svg+xml;base64,")]
    assert len(images) == len(page.alternatives) == len(FIGURES)
    assert all(b"<svg" in base64.b64decode(link.partition(",")[2]) for link in images)


def test_report_places_every_table_and_figure_once():
    assert list(SECTIONS) == ["headline", *TABLES, "fetch"]
    assert sorted(figure for figures in SECTIONS.values() for figure in figures) == sorted(FIGURES)


def test_a_run_that_fetched_nothing_has_no_section_on_it(made, tmp_path):
    page = tmp_path / "report.html"
    inputs = ("--tables", made / "tables.parquet", "--folder", made / "tables", "--figures", made / "figures")
    done = command("report", *inputs, "--fetch", "--runs", "--output", page)
    assert done.returncode == 0, done.stderr
    assert 'id="fetch"' in (made / "report.html").read_text()
    assert 'id="fetch"' not in page.read_text()


def test_report_names_what_is_missing(made, tmp_path):
    tables = made / "tables.parquet"
    summary = made / "summary.json"
    arguments = ("--tables", tables, "--folder", made / "tables", "--output", tmp_path / "report.html", "--fetch")
    failed = command("report", *arguments, summary, "--figures", tmp_path, "--runs")
    assert failed.returncode == 1 and "intro.svg" in failed.stderr
    (tmp_path / "run.json").write_text("[]")
    failed = command("report", *arguments, summary, "--figures", made / "figures", "--runs", tmp_path / "run.json")
    assert failed.returncode == 1 and "run.json: expected a JSON object" in failed.stderr
    failed = command("report", *arguments, tmp_path / "run.json", "--figures", made / "figures", "--runs")
    assert failed.returncode == 1 and "run.json: expected a summary with captions" in failed.stderr
    assert not (tmp_path / "report.html").exists()


def test_no_command_loads_torch():
    code = (
        "import sys, pipeline_lib.paper.tables, pipeline_lib.paper.figures, pipeline_lib.paper.report, "
        "pipeline_lib.paper.headline; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
