"""Preflight's report: what can run, what an override leaves out, what a run costs, and how it is printed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, call
from workflows import REGISTRY, configuration, merged, snakemake

from pipeline_lib.config.checks import check_config, check_experiments, read_experiments
from pipeline_lib.config.inputs import external_files
from pipeline_lib.preflight.check import braces, duration, free_bytes, gpus, main, write_override
from pipeline_lib.preflight.estimate import SIZES, Estimate
from pipeline_lib.preflight.requirements import Requirements, leave_out, targets


@pytest.fixture
def paper(monkeypatch):
    """The paper's configuration and its experiments."""
    monkeypatch.chdir(ROOT)  # whose files are not from outside
    config = configuration("paper.yaml")
    return config, read_experiments(config)


@pytest.fixture
def report(tmp_path, monkeypatch, capsys):
    """Run the command in an empty folder as the rule does; return what it prints."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.chdir(tmp_path)

    def reported(config):
        Path("config.json").write_text(json.dumps(config))
        flags = ["--config", "config.json", "--configfiles", "config/paper.yaml"]
        assert call(main, *flags, "--datasets", REGISTRY, "--folder", "out") is None
        return capsys.readouterr().out

    return reported


def by_name(config, rows, lacking):
    """The targets by name."""
    return {target.name: target for target in targets(config, Requirements(config, rows), lacking)}


# ------------------------------------------------------------------------------------------------------ what can run
def test_with_everything_here_everything_can_run(paper):
    for target in targets(paper[0], Requirements(*paper), set()):
        assert len(target.outputs) == target.count and not target.lacks


def test_what_waits_for_the_distractor_images(paper):
    found = by_name(*paper, {"features/pools/distractors"})
    assert not found["distractors"].outputs
    assert {Path(path).parent.name for path in found["fine-tuned models"].outputs} == {
        f"{row}-s{seed}" for row in ("l1-b32", "crepe-b32") for seed in (0, 1, 2)
    }
    assert len(found["CC-Neg"].outputs) == 1
    assert found["fine-tuned models"].lacks == ["features/pools/distractors"]
    assert (found["sugarcrepe"].lacks, found["sugarcrepe"].after) == ([], "models")
    assert (found["all tables"].outputs, found["all tables"].after) == ([], "the above")
    assert "results/paper/evaluate/vit-b32/sugarcrepe.json" in found["sugarcrepe"].outputs


def test_a_missing_labelled_set_stops_zero_shot_only(paper):
    found = by_name(*paper, {"features/pools/cifar-10"})
    assert not found["zeroshot"].outputs and not found["all tables"].outputs
    waiting = {name for name, target in found.items() if len(target.outputs) < target.count}
    assert waiting == {"zeroshot", "all tables"}


def test_paths_are_joined_as_a_shell_reads_them():
    assert braces(["a/b/c"]) == "a/b/c"
    assert braces(["a/b/c", "a/d/c"]) == "a/{b,d}/c"
    assert braces(["a/b/c", "x/d/c"]) == "a/b/c x/d/c"


# ------------------------------------------------------------------------------------------ leaving out what is missing
def test_an_override_leaves_out_what_is_missing_and_nothing_else(paper):
    config, rows = paper
    lacking = {"features/pools/cifar-10", "features/pools/crepe", "features/pools/distractors"}
    override = leave_out(config, rows, lacking)
    assert {row["experiment"] for row in override.experiments} == {"l1-b32"}
    left = merged(override.config, config)
    check_config(left)
    assert lacking & set(external_files(left)) == {"features/pools/distractors"}  # named, and used by nothing
    kept = list(left["evaluate"]["zeroshot"]["datasets"])
    assert kept == [name for name in config["evaluate"]["zeroshot"]["datasets"] if name != "cifar-10"]
    assert len(by_name(left, override.experiments, lacking)["all tables"].outputs) == 1


def test_a_benchmark_that_is_left_out_is_named_by_no_model(paper):
    config, rows = paper
    config["backbones"]["models"]["rn50"]["benchmarks"] = ["ccneg", "sugarcrepe"]
    override = leave_out(config, rows, {"evaluate/benchmarks/sugarcrepe"})
    left = merged(override.config, config)
    check_config(left)
    check_experiments(override.experiments, left)
    assert left["backbones"]["models"]["rn50"]["benchmarks"] == ["ccneg"]
    kept = {tuple(row["benchmarks"] or ["all"]) for row in override.experiments}
    assert kept == {("all",), ("ccneg", "zeroshot", "truth-table")}


def test_nothing_is_left_out_where_nothing_can_replace_it(paper):
    config, rows = paper
    with pytest.raises(ValueError, match="everything needs fetch/captions"):
        leave_out(config, rows, {"fetch/captions"})
    sets = {f"features/pools/{name}" for name in config["evaluate"]["zeroshot"]["datasets"]}
    with pytest.raises(ValueError, match="nothing would be left of evaluate/zeroshot/datasets"):
        leave_out(config, rows, sets)
    only = [row for row in rows if row["loss"] == "conclip"]
    with pytest.raises(ValueError, match="no experiment of the sheet can be trained"):
        leave_out(config, only, {"features/pools/distractors"})


def test_models_of_others_that_are_missing_are_left_out(monkeypatch):
    monkeypatch.chdir(ROOT)
    config = configuration("paper.yaml", "released-models.yaml")
    rows = read_experiments(config)
    lacking = {"backbones/models/negclip-b32", "evaluate/transformers/flava-full"}
    found = by_name(config, rows, lacking)
    assert found["ccneg"].count - len(found["ccneg"].outputs) == 2
    assert not any("rn50" in path or "flava" in path for path in found["zeroshot"].outputs)
    override = leave_out(config, rows, lacking)
    assert override.experiments == rows
    assert override.left_out == ["backbones/models: negclip-b32", "evaluate/transformers: flava-full"]
    left = merged(override.config, config)
    check_config(left)
    assert not lacking & set(external_files(left))


# -------------------------------------------------------------------------------------------------------------- costs
def test_costs_are_counts_times_rates(paper):
    config, rows = paper
    few = [row for row in rows if row["experiment"] == "conclip-b32"]
    images = dict.fromkeys(config["features"]["pools"], 0) | {"distractors": 1000}
    costs = Estimate(config, Requirements(config, few), 10_000, images).by_stage()
    by_stage = {cost.stage: cost for cost in costs}
    samples = round(10_000 * 0.65 * 0.30)
    trained = round(samples * 0.825)
    assert by_stage["CC-Neg"].basis == f"{samples:,} samples, {trained:,} to train on"
    assert by_stage["captions"].hours == pytest.approx(10_000 / 2_100 / 3600)
    assert by_stage["fetch"].hours == pytest.approx(10_000 * 0.14 / 10 / 3600)
    step = SIZES["ViT-B/32"].sample_ms / 3.6e6
    assert by_stage["fine-tuning"].hours == pytest.approx(3 * 5 * trained * step)
    held_out = samples - trained
    encoded = {"ViT-B/32": samples + 1000, "ViT-B/16": held_out + 1000}
    encoded |= dict.fromkeys(("ViT-L/14", "RN50", "RN101"), held_out)
    assert by_stage["features"].bytes == sum(SIZES[name].dimensions * 4 * count for name, count in encoded.items())
    assert by_stage["backbones"].bytes == 4 * sum(size.parameters for size in SIZES.values())


def test_the_rates_are_about_what_the_documents_say():
    measured = (ROOT / "docs" / "speed.md").read_text()

    def row(start):
        line = next(line for line in measured.splitlines() if line.startswith(f"| {start}"))
        return [float(cell) for cell in line.strip("| ").split("|")[1:4]]

    for position, name in enumerate(("ViT-B/32", "ViT-B/16", "ViT-L/14")):
        assert SIZES[name].image_ms == pytest.approx(row("ours fp32: decode and encode")[position], rel=0.5)
        assert SIZES[name].sample_ms == pytest.approx(row("ours fp32: step")[position], rel=0.5)


def test_times_are_said_in_words():
    assert [duration(hours) for hours in (0.001, 0.2, 8, 57 * 24)] == ["1 min", "12 min", "8 h", "57 days"]


def test_the_machine_is_looked_at(tmp_path, monkeypatch):
    assert free_bytes(tmp_path / "not" / "yet") > 0
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus() == []
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA A100, 40960 MiB'\n")
    tool.chmod(0o755)
    assert gpus() == ["NVIDIA A100, 40960 MiB"]
    tool.write_text("#!/bin/sh\necho 'driver not loaded'; exit 9\n")
    assert gpus() == []


# --------------------------------------------------------------------------------------------------------- as printed
def test_the_report_names_every_path_and_fits_a_terminal(report):
    config = configuration("paper.yaml")
    said = report(config)
    assert all(len(line) <= 100 for line in said.splitlines() if not line.startswith(("snakemake", "  results")))
    for paths in external_files(config).values():
        assert re.search(rf"^ +{re.escape(paths[0])} *$", said, re.MULTILINE), paths[0]
    assert re.search(r"^ to fetch +clip-vit-l14: .*\n +data/openai-clip/ViT-L-14\.pt", said, re.MULTILINE)
    assert "without it: no SugarCREPE" in said
    assert "No tables can be made yet: everything needs fetch/captions." in said
    assert "results/paper/backbones/{vit-b32,vit-b16,vit-l14,rn50,rn101}/model.pt" in said
    assert "fp16 needs a GPU" in said or "GPU: none" not in said


def test_what_is_wrong_says_expected_and_found(report):
    config = configuration("paper.yaml")
    captions = Path(config["fetch"]["captions"])
    captions.parent.mkdir(parents=True)
    captions.write_text("a dog\thttp://a\n")
    said = report(config)
    assert re.search(r"^ wrong +cc3m-labels", said, re.MULTILINE)
    assert "expected 2,007,528 rows, found 1" in " ".join(said.split())


def test_what_is_missing_is_left_out_by_the_override_that_is_written(report):
    config = configuration()
    config["features"]["pools"]["mine"] = {"images": "data/mine"}
    said = report(config)
    assert "not in config/datasets.tsv; named at features/pools/mine" in said
    assert said.endswith("out/override.yaml leaves out:\n  features/pools: mine\n")
    assert yaml.safe_load(Path("out/override.yaml").read_text()) == {"features": {"pools": {"mine": None}}}


def test_the_miniature_needs_nothing_from_outside(report):
    said = report(configuration())
    assert "Data: nothing is taken from outside." in said
    assert "Everything can run: snakemake --configfile config/paper.yaml" in said
    assert not Path("out").exists()


# ------------------------------------------------------------------------------------------------- beside the engine
def bring(config, lacking):
    """Put an empty file or folder at every external path but those of `lacking`, below the current folder."""
    for _ in range(2):  # what is looked for in a folder is known once it is there
        for key, paths in external_files(config).items():
            for path in () if key in lacking else map(Path, paths):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch() if path.suffix else path.mkdir(exist_ok=True)


@pytest.mark.slow
def test_the_engine_agrees_on_what_can_run_and_takes_the_override(empty_copy, paper, monkeypatch):
    monkeypatch.chdir(empty_copy)
    config, rows = paper
    lacking = {"features/pools/distractors", "features/pools/cifar-10"}
    bring(config, lacking)
    able = [path for target in by_name(config, rows, lacking).values() for path in target.outputs]
    waiting = ["results/paper/distractors/train.parquet", "results/paper/evaluate/vit-b32/zeroshot.json"]
    assert not set(waiting) & set(able)
    override = write_override(leave_out(config, rows, lacking), rows, Path("out"))
    asked = ("--dry-run", "--cores", "2", "--configfile", "config/paper.yaml")
    for well, arguments in (
        (True, ("--", *able)),
        *((False, ("--", path)) for path in waiting),
        (True, (str(override), "--", "results/tables.parquet")),
    ):
        done = snakemake(*asked, *arguments, folder=empty_copy)
        assert (done.returncode == 0) == well, done.stdout + done.stderr


@pytest.mark.slow
def test_the_engine_prints_the_report_alone_at_every_call(empty_copy):
    (empty_copy / "results").mkdir()
    (empty_copy / "results" / "active-run.txt").write_text("miniature\n")  # tables of another run change nothing
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "config/paper.yaml"]
    command += ["--quiet", "all", "--", "preflight"]
    # An environment that is not activated, and a terminal's wishes.
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(empty_copy), "FORCE_COLOR": "1", "COLUMNS": "40"}
    for _ in range(2):
        done = subprocess.run(command, cwd=empty_copy, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("Run paper: ") and "\x1b" not in done.stdout
