"""The workflow as a whole: its rules, and what it plans or refuses for which configuration."""

import re
import shutil
import subprocess
import sys
from collections import Counter

import pytest
import yaml
from conftest import ROOT, copy_repository
from workflows import configuration, count, load, parsed, plan, provide, snakemake

from pipeline_lib.config.inputs import missing_data
from pipeline_lib.jobs.code_version import code_version, sources
from pipeline_lib.jobs.cores import usable_cores

SHOWN = {"show_tables", "show_figures", "show_report"}
TARGETS = {"all", "retry_failed"}
SECOND_RULES = {"fetch_retry", "shards_build_released", "backbones_openai"}  # of their modules
ONLY_RULES = {"miniature", "features", "finetune", "preflight"}  # of their stages
ZEROSHOT = "results/miniature/evaluate/mini-rn/zeroshot.json"


@pytest.fixture(scope="module")
def miniature():
    """Snakemake's workflow and jobs of the miniature, of which nothing is made yet."""
    return parsed(ROOT, config={"run": "never-run"})


@pytest.fixture(scope="module")
def rules(miniature, tmp_path_factory):
    """All rules, by name: those of the miniature, and those that replace some where the authors' data are used."""
    folder = copy_repository(tmp_path_factory.mktemp("rules"))
    overlays = ["paper.yaml", "released-models.yaml", "released-ccneg.yaml"]
    provide(folder, configuration(*overlays))
    released, _ = parsed(folder, configfiles=[f"config/{name}" for name in overlays])
    return {rule.name: (rule, workflow) for workflow in (released, miniature[0]) for rule in workflow.rules}


def modules(rule):
    """The modules that a rule runs, below pipeline_lib."""
    return re.findall(r"(?:python|\{params\.launcher\}) -m pipeline_lib\.([\w.{}]+)", rule.shellcmd or "")


def test_a_rule_is_named_after_its_module_as_its_logs_and_benchmarks_are(rules):
    assert len(rules) == 33 + len(SHOWN)
    for name, (rule, _) in rules.items():
        assert re.fullmatch(r"[A-Z].+\.", rule.docstring), name
        if name in TARGETS:
            continue
        (log,) = rule.log
        assert f"/logs/{name}" in log
        # A benchmark counts as an output, and a rule without outputs is to run whenever it is asked for.
        assert f"/benchmarks/{name}" in rule.benchmark if rule.output else rule.benchmark is None, name
        assert "exec &> >(tee {log:q})" in rule.shellcmd
        for module in modules(rule):
            stage, verb = module.split(".")
            names = {f"{stage}_{verb}", *([stage] if stage == verb or stage in ONLY_RULES else [])}
            assert name in names or name in SECOND_RULES, name


def test_a_rule_is_given_the_version_of_the_code_that_it_runs(rules):
    for name, (rule, _) in rules.items():
        given = dict(rule.params.items()).get("code")
        if name in ("fetch", "fetch_retry", "preflight"):  # whose images may be gone by now; which always runs
            assert given is None
        elif name != "finetune":  # by the loss: tests/test_reruns.py
            assert [given] == [code_version(f"pipeline_lib.{module}") for module in modules(rule)] or not modules(rule)


def test_rules_say_what_they_need(rules):
    local = {name for name, (rule, workflow) in rules.items() if rule.name in workflow._localrules}
    own = {"data_copy", "shards_crepe", "paper_figures", "preflight", "retry_failed", "evaluate_activations"}
    assert local == own | SHOWN
    gpu = {name for name, (rule, _) in rules.items() if "gpu" in rule.resources}
    scored = {f"evaluate_{name}" for name in ("ccneg", "ccneg_transformers", "zeroshot", "benchmark", "activation")}
    assert gpu == {"backbones_pretrain", "features", "distractors_choose", "finetune"} | scored
    _, jobs = parsed(ROOT, config={"run": "never-run"})  # functions of rules see the workflow that was read last
    job = {job.rule.name: job for job in jobs}

    def asked(name, attempt):
        job[name].attempt = attempt
        return [job[name].resources[key] for key in ("mem_mb", "runtime", "gpu")]

    # torch, 8 million weights twice, a batch of 256 images of 2 MB, one process
    assert asked("features", 1) == [2000 + 64 + 512 + 100, 240, 1] and asked("features", 3) == [4 * 2676, 960, 1]
    assert asked("finetune", 1) == [16000, 720, 1] and asked("finetune", 3) == [64000, 720, 1]  # it goes on, so 720


def test_the_hash_of_the_code_covers_all_modules_and_data_that_are_loaded(rules):
    names = {module for rule, _ in rules.values() for module in modules(rule) if "{" not in module}
    names = sorted(names)
    code = f"""
import importlib, sys
for name in {names}:
    for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] == "pipeline_lib"]:
        del sys.modules[loaded]
    importlib.import_module("pipeline_lib." + name)
    print(name, *(module.__file__ for loaded, module in sys.modules.items() if loaded.split(".")[0] == "pipeline_lib"))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    by_hand = ("backbones.inspect", "share.dataset", "share.model")  # no rule runs them
    hashed = {path for name in by_hand for path in sources(f"pipeline_lib.{name}")}
    for line in done.stdout.splitlines():
        name, *files = line.split()
        known = sources(f"pipeline_lib.{name}")
        assert {file.removeprefix(f"{ROOT}/") for file in files} <= set(known), name
        hashed.update(known)
    data = [path for path in (ROOT / "pipeline_lib").rglob("*.*") if path.suffix not in (".py", ".pyc")]
    assert {str(path.relative_to(ROOT)) for path in data} <= hashed  # each by the rules whose modules name it
    assert "pipeline_lib/captions/quality.html.j2" not in sources("pipeline_lib.captions.negate")
    with pytest.raises(ValueError, match=r"found 'pipeline_lib\.nothing'"):
        sources("pipeline_lib.nothing")


def test_every_stage_is_planned(miniature):
    jobs = Counter(job.rule.name for job in miniature[1])
    assert jobs["finetune"] == 11 and jobs["backbones_pretrain"] == jobs["evaluate_blind"] == 2
    assert jobs["evaluate_blind_benchmark"] == 2  # SugarCREPE and the questions
    assert jobs["fetch"] == jobs["captions_negate"] == jobs["shards_build"] == 2
    # 13 models, and 2 whose captions are scored by subtraction too; of the ablation's 4 not all benchmarks.
    assert jobs["evaluate_ccneg"] == jobs["evaluate_zeroshot"] == 15 and jobs["evaluate_benchmark"] == 11 * 4 + 4 * 2


def test_two_runs_do_not_touch_each_other(miniature):
    outputs = [path for job in miniature[1] if job.rule.name not in SHOWN for path in job.output]
    assert outputs and all(path.startswith("results/never-run/") for path in outputs)


# ----------------------------------------------------------------------------------------------- other configurations
def test_released_models_and_models_of_few_benchmarks_are_planned(empty_copy):
    neg = {"source": "checkpoint", "path": "data/neg.pth", "activation": "quickgelu"}
    neg |= {"family": "Neg-CLIP", "backbone": "mini-rn"}
    released = {**neg, "path": "data/released.pt", "family": "CoN-CLIP (released)", "image_tower": "backbone"}
    models = {"mini-slim": {"benchmarks": ["ccneg"]}, "neg": {**neg, "benchmarks": ["ccneg", "sugarcrepe"]}}
    config = {
        "backbones": {"models": {**models, "released": released}},
        "evaluate": {"transformers": {"flava-full": {"kind": "flava", "path": "data/flava"}}},
    }
    (empty_copy / "data" / "flava").mkdir(parents=True)
    for name in ("released.pt", "neg.pth"):
        (empty_copy / "data" / name).touch()
    sheet = empty_copy / "config" / "experiments.tsv"
    sheet.write_text("".join(line for line in sheet.read_text().splitlines(True) if "slim" not in line))
    jobs = plan(empty_copy, "results/tables.parquet", config=config)
    made = "\n".join(path for job in jobs for path in job.output)
    evaluated = set(re.findall(r"/evaluate/([\w-]+)/([\w-]+)\.json", made))
    everything = {"ccneg", "embeddings", "zeroshot", *load("config.yaml")["evaluate"]["benchmarks"]}
    for model, expected in {
        **{"mini-rn": everything, "released": everything, "conclip-rn-s0": everything},
        **{"mini-slim": {"ccneg", "embeddings"}, "neg": {"ccneg", "embeddings", "sugarcrepe"}},
        "flava-full": {"ccneg", "run"},
    }.items():
        assert {name for other, name in evaluated if other == model} == expected, model
    encoded = set(re.findall(r"/features/([\w-]+)/([\w-]+)/", made))
    assert {pool for model, pool in encoded if model == "neg"} == {"ccneg-eval", "sugarcrepe"}
    assert not any(model == "released" for model, _ in encoded)  # which has its CLIP's features
    (command,) = (job.command for job in jobs if job.wildcards == {"backbone": "released"})
    assert (
        "--activation quickgelu --family 'CoN-CLIP (released)' --backbone mini-rn --image-tower backbone "
        "--backbone-weights results/miniature/backbones/mini-rn/model.pt" in command
    )


def test_the_precision_paper_encodes_for_clip_itself_once_more_and_for_published_benchmarks_alone(empty_copy):
    jobs = plan(empty_copy, "results/tables.parquet", config={"evaluate": {"precision": "paper"}})
    in_fp16 = [job for job in jobs if "_fp16/" in " ".join(job.output)]
    assert {job.wildcards["pool"] for job in in_fp16} == {"ccneg-eval", "sugarcrepe"}
    assert all("--precision fp32" in job.command and "--variant fp16" in job.command for job in in_fp16)
    scored = {"evaluate_ccneg", "evaluate_benchmark", "evaluate_zeroshot"}
    for job in (job for job in jobs if job.rule in scored):
        published = job.rule == "evaluate_ccneg" or job.wildcards.get("benchmark") == "sugarcrepe"
        expected = published and job.wildcards["model"] in ("mini-rn", "mini-slim", "mini-rn-subtract")
        assert ("--precision fp16" in job.command) == expected
        assert any("_fp16/" in path for path in job.input) == expected
    assert not any("fp16" in job.command for job in plan(empty_copy, "results/tables.parquet") if job.rule in scored)


def test_the_other_activation_is_scored_where_it_is_asked_for(empty_copy):
    (empty_copy / "mcq.csv").touch()
    mcq = {"kind": "mcq", "annotations": "mcq.csv", "pool": "sugarcrepe", "count": None}
    config = {"evaluate": {"benchmarks": {"my-mcq": mcq}}}
    jobs = plan(empty_copy, "results/miniature/activation.tsv", config=config)
    checked = [job for job in jobs if job.rule == "evaluate_activation"]
    checks = {job.wildcards["model"]: " ".join(job.command.split()) for job in checked}
    assert {"mini-rn", "mini-slim", "conclip-rn-s0"} < set(checks)
    features = "results/miniature/features/mini-rn"
    for words in (
        f"--features sugarcrepe {features}/sugarcrepe/00000.safetensors",
        f"--other sugarcrepe {features}_other-activation/sugarcrepe/00000.safetensors",
        "--mcq my-mcq mcq.csv sugarcrepe none",
    ):
        assert words in checks["conclip-rn-s0"]
    encoded = [job for job in jobs if "_other-activation/" in " ".join(job.output)]
    assert len(encoded) == 8 and all("--variant other-activation" in job.command for job in encoded)
    made = {job.rule for job in plan(empty_copy, "results/tables.parquet", config=config)}
    assert not made & {"evaluate_activation", "evaluate_activations"}


def test_pools_as_distributed_and_of_several_tars_are_encoded_by_several_jobs(empty_copy):
    pools = {
        "kinds": {"reader": "cifar-10", "images": "data/my sets", "parts": 3, "count": 10000},
        "sizes": {"reader": "caltech-101", "images": "data/my sets"},
        "colours": {"images": ["<run>/miniature/zeroshot/colours.tar", "data/more colours.tar"]},
    }
    (empty_copy / "mine.yaml").write_text(yaml.safe_dump({"features": {"pools": pools}}))
    done = snakemake("-n", "--cores", "2", "--configfile", "mine.yaml", "--", ZEROSHOT, folder=empty_copy)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "Data that this configuration names is not here" in said
    assert "features/pools/kinds: data/my sets/cifar-10-python.tar.gz (CIFAR-10's" in said
    assert "features/pools/colours: data/more colours.tar" in said
    (empty_copy / "data/my sets/caltech101/101_ObjectCategories").mkdir(parents=True)
    for name in ("my sets/cifar-10-python.tar.gz", "more colours.tar"):
        (empty_copy / "data" / name).touch()
    config = {"evaluate": {"zeroshot": {"datasets": {"kinds": {"classes": "config/classes/cifar-10.txt"}}}}}
    jobs = plan(empty_copy, ZEROSHOT, configfiles=["mine.yaml"], config=config)
    assert count(jobs)["features"] == 11  # eight sets, one of them in three parts, one in two
    encoded = {(job.wildcards["pool"], job.wildcards["part"]): job for job in jobs if job.rule == "features"}
    for part in range(3):
        job = encoded["kinds", f"0000{part}"]
        words = " ".join(job.command.replace("\\", "").split())
        assert f"--reader cifar-10 --images 'data/my sets' --part {part} --parts 3 --count 10000 --classes 10" in words
        assert "data/my sets/cifar-10-python.tar.gz" in job.input
    assert "--images 'data/more colours.tar'" in encoded["colours", "00001"].command
    (scored,) = (job.command for job in jobs if job.rule == "evaluate_zeroshot")
    for pool, parts in (("kinds", 3), ("colours", 2)):
        files = [f"results/miniature/features/mini-rn/{pool}/0000{part}.safetensors" for part in range(parts)]
        assert f".txt {' '.join(files)}" in scored


def test_an_overlay_adds_changes_and_removes_entries_by_name(empty_copy):
    pools = {"sugarcrepe": {"count": 7}, "kinds": None, "more": {"images": "more.tar"}}
    config = {"features": {"pools": pools}, "evaluate": {"zeroshot": {"datasets": {"kinds": None}}}}
    (empty_copy / "more.tar").touch()
    jobs = plan(empty_copy, "results/miniature/features/mini-rn/more/00000.safetensors", config=config)
    assert "--images more.tar" in jobs[0].command or "--images more.tar" in jobs[-1].command
    jobs = plan(empty_copy, config=config)
    encoded = {job.wildcards["pool"]: job.command for job in jobs if job.rule == "features"}
    assert "kinds" not in encoded and "colours" in encoded and "more" not in encoded
    assert "--count 7" in encoded["sugarcrepe"] and "miniature/sugarcrepe.tar" in encoded["sugarcrepe"]


@pytest.mark.parametrize(("asked", "gpus", "decoders"), [(1, 0, 1), (3, 0, 1), (3, 1, usable_cores()), (1, 64, 1)])
def test_a_job_beside_a_gpu_has_its_share_of_the_cores_to_decode(asked, gpus, decoders):
    """`asked` is how many times the cores of this machine Snakemake is told of."""
    target = "results/never-run/features/mini-rn/counts/00000.safetensors"
    cores = ("--cores", str(asked * usable_cores()), *(("--resources", f"gpu={gpus}") if gpus else ()))
    done = snakemake("--dry-run", "-p", *cores, "--config", "run=never-run", "--", target)
    command = done.stdout.partition("python -m pipeline_lib.features.encode")[2].partition("--output")[0]
    assert f"--threads {decoders} " in command, done.stdout + done.stderr
    assert f"mem_mb={2576 + 100 * decoders}" in done.stdout


# ------------------------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize("arguments", [("--unlock",), ("--dry-run", "--cores", "8")])
def test_snakemake_starts_in_an_empty_folder(empty_copy, arguments):
    done = snakemake(*arguments, folder=empty_copy)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_mistake_is_shown_without_a_traceback():
    done = snakemake("--dry-run", "--cores", "2", "--config", "rum=x")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "unknown key 'rum'; did you mean 'run'? Allowed: backbones, captions" in said
    assert "Traceback" not in said


def test_the_tables_of_one_run_do_not_pass_for_those_of_another_whose_data_are_missing(empty_copy):
    arguments = ("--dry-run", "--cores", "2", "--configfile", "config/paper.yaml")
    done = snakemake(*arguments, folder=empty_copy)
    assert done.returncode != 0 and "Missing input files for rule" in done.stdout + done.stderr
    (empty_copy / "results").mkdir()
    for name in ("tables.parquet", "report.html"):
        (empty_copy / "results" / name).touch()
    (empty_copy / "results" / "active-run.txt").write_text("miniature\n")
    done = snakemake(*arguments, folder=empty_copy)
    assert done.returncode != 0
    assert "results/ shows the run 'miniature', and this run is 'paper'" in done.stdout + done.stderr
    shutil.rmtree(empty_copy / "results")
    (job,) = plan(empty_copy, "results/paper/backbones/vit-b32/model.pt", configfiles=["config/paper.yaml"])
    assert job.rule == "backbones_openai"


def test_the_miniature_needs_no_data_and_the_paper_run_names_what_it_lacks(empty_copy, monkeypatch):
    monkeypatch.chdir(empty_copy)
    assert missing_data(load("config.yaml")) == []
    missing = missing_data(configuration("paper.yaml", "released-models.yaml"))
    assert missing[0].startswith("fetch/captions: data/cc3m/")
    for name, pool in load("paper.yaml")["features"]["pools"].items():
        assert pool is None or any(line.startswith(f"features/pools/{name}: data/") for line in missing)
    said = "\n".join(missing)
    assert "features/pools/distractors: data/coco/train2017.zip (a COCO 2017 split: " in said
    assert "data/checkpoints/negclip_b32.pth" in said and "data/models/flava-full" in said
