"""The workflow as a whole: rules, configuration, and the engine's own dry-run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from workflows import CONFIG_SCHEMA, SHEET_SCHEMA, load, merged, snakemake

from pipeline_lib.config.checks import check_config, check_experiments, read_experiments
from pipeline_lib.config.inputs import missing_data
from pipeline_lib.evaluate.kinds import KINDS, kind_module
from pipeline_lib.evaluate.prompts import NEEDED, PROMPTS, prompt_flags
from pipeline_lib.finetune.terms import LOSSES
from pipeline_lib.jobs.code_version import sources

RULE_FILES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
CHECKPOINT = {
    **{"source": "checkpoint", "path": "data/neg.pth", "activation": "quickgelu"},
    **{"family": "Neg-CLIP", "backbone": "mini-rn"},
}
RULES = {
    name: body
    for path in RULE_FILES
    for name, body in re.findall(r"^rule (\w+):\n((?:    .*\n|\n)+)", path.read_text() + "\n", re.MULTILINE)
}


def test_there_are_rules():
    assert len(RULES) >= 15


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_what_it_does_logs_and_lists_its_code(name):
    body = RULES[name]
    assert re.match(r'\s+"""[A-Z].+\."""', body), "a one-line docstring"
    for directive in ("log:", "benchmark:", "mem_mb=", "runtime="):
        assert directive in body
    assert "exec &> >(tee {log:q})" in body
    called = set(re.findall(r"(?:python|\{params\.launcher\}) -m pipeline_lib\.([\w.{}]+)", body))
    listed = set(re.findall(r'library\("([\w.]+)"\)', body))
    if name == "evaluate_benchmark":  # whose module follows from the benchmark's kind
        assert called == {"{params.module}"} and "code=benchmark_code" in body
    else:
        assert called == listed


@pytest.mark.parametrize("name", RULES)
def test_rules_whose_code_moves_to_a_gpu_ask_for_one_and_others_do_not(name):
    body = RULES[name]
    modules = re.findall(r"-m pipeline_lib\.([\w.]+)", body)
    if name == "evaluate_benchmark":
        modules = sorted(set(map(kind_module, KINDS)))
    stems = [ROOT / "pipeline_lib" / module.replace(".", "/") for module in modules]
    files = [stem / "__main__.py" if stem.is_dir() else stem.with_suffix(".py") for stem in stems]
    texts = [file.read_text() for file in files]
    assert {bool(re.search(r"\b(pick_device|load_model)\(", text)) for text in texts} == {"gpu=" in body}


def test_a_retry_asks_for_more_memory_and_time_and_local_rules_are_the_light_ones(empty_copy):
    sized = {name for name, body in RULES.items() if "mem_mb=grows(" in body}
    local = {name for name, body in RULES.items() if "localrule: True" in body}
    assert sized | local == set(RULES) and not sized & local
    assert local == {"crepe_triplets", "figures", "preflight"}
    asked = {}
    for attempt in (1, 3):
        done = snakemake("--dry-run", "--cores", "2", "--attempt", str(attempt), folder=empty_copy)
        said = done.stdout + done.stderr
        for rule in ("features", "finetune"):
            block = re.search(rf"rule {rule}:\n(?: .*\n)*? +resources: (.*)", said)[1]
            asked[rule, attempt] = dict(re.findall(r"(mem_mb|runtime|gpu)=(\d+)", block))
    assert asked["features", 1] == {"mem_mb": "6000", "runtime": "240", "gpu": "1"}
    assert asked["features", 3] == {"mem_mb": "24000", "runtime": "960", "gpu": "1"}
    # Fine-tuning goes on from its last checkpoint.
    assert asked["finetune", 3] == {**asked["finetune", 1], "mem_mb": "64000"}


def test_what_the_config_says_is_tracked():
    # The engine does not compare what a function with `input` gives: these three give nothing but the inputs' paths.
    common = (ROOT / "workflow" / "rules" / "common.smk").read_text()
    assert re.findall(r"def (\w+)\(wildcards, input\)", common) == ["serving", "annotations_path", "folder"]


def test_the_library_knows_nothing_of_the_engine():
    for path in (ROOT / "pipeline_lib").rglob("*.py"):
        assert not re.search(r"^\s*(import|from) snakemake", path.read_text(), re.MULTILINE), path


@pytest.mark.parametrize(
    "module",
    sorted(
        {m for body in RULES.values() for m in re.findall(r'library\("([\w.]+)"\)', body)}
        | set(map(kind_module, KINDS))
    ),
)
def test_the_listed_code_is_all_that_is_loaded(module):
    code = (
        f"import sys, pipeline_lib.{module}; "
        "print(*[m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'pipeline_lib'], sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {str(Path(line).relative_to(ROOT)) for line in done.stdout.split()}
    assert loaded <= set(sources(f"pipeline_lib.{module}"))


def test_a_data_file_belongs_to_the_modules_that_name_it():
    template = "pipeline_lib/paper/report/report.html.j2"
    assert template in sources("pipeline_lib.paper.report")
    assert template not in sources("pipeline_lib.paper.tables")
    prompts = {"pipeline_lib/captions/chat/decompose.txt", "pipeline_lib/captions/chat/form.txt"}
    assert prompts <= set(sources("pipeline_lib.captions.negate"))
    assert "pipeline_lib/captions/quality.html.j2" not in sources("pipeline_lib.captions.negate")


def test_an_unknown_module_has_no_sources():
    with pytest.raises(ValueError, match=r"found 'pipeline_lib\.nothing'"):
        sources("pipeline_lib.nothing")


def benchmark(**changes):
    """A configuration with one benchmark."""
    entry = {"name": "a", "kind": "mcq", "annotations": "a.csv", "pool": "sugarcrepe", "count": None}
    return {"evaluate": {"benchmarks": [{**entry, **changes}]}}


@pytest.mark.parametrize("name", ["config.yaml", "paper.yaml"])
def test_both_configurations_fit_the_schema(name):
    config = merged(load(name), load("config.yaml"))
    check_config(config, CONFIG_SCHEMA)
    backbones = [model["name"] for model in config["backbones"]["models"]]
    assert read_experiments(ROOT / config["finetune"]["experiments"], SHEET_SCHEMA, backbones, list(LOSSES))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"finetune": {"epoch": 3}},
            r"finetune: unknown key 'epoch'; did you mean 'epochs'\? Allowed: batch_size, .*epochs",
        ),
        ({"finetun": {}}, r"the top level: unknown key 'finetun'; did you mean 'finetune'\?"),
        (
            {"finetune": {"lr": "1e-6"}},
            r"finetune/lr: expected a number more than 0 and at most 1,000, found '1e-6' \(YAML reads 1e-6",
        ),
        ({"finetune": {"epochs": 0}}, "finetune/epochs: expected a whole number at least 1 .*, found 0"),
        ({"finetune": {"order": "random"}}, r"finetune/order: expected one of shuffled, paper, found 'random'"),
        ({"run": "tables"}, "run: "),
        ({"backbones": {"pretrain": {"warmup_steps": 600}}}, "warmup_steps: expected less than steps, 600"),
        ({"run": "My Run"}, "run: expected a text that matches .*, found 'My Run'"),
        ({"distractors": {"backbone": "vit"}}, "distractors/backbone: expected one of mini-rn, mini-slim, found 'vit'"),
        ({"miniature": {"answers": {"dead": 0.999}}}, "miniature/answers: expected shares with a sum below 1"),
        ({"evaluate": {"zeroshot": {"prompts": {"plain": ["a photo"]}}}}, "evaluate/zeroshot/prompts/plain/0"),
        (
            {"evaluate": {"zeroshot": {"prompts": {"foto": ["a {}"]}}}},
            r"prompts: unknown key 'foto'; did you mean 'photo'\? Allowed: bare, ensemble, negated, photo, plain",
        ),
        ({"evaluate": {"zeroshot": {"prompts": {"photo": "set"}}}}, r"prompts/photo: expected one of dataset"),
        (
            {"evaluate": {"zeroshot": {"prompts": {"ensemble": "dataset"}}}},
            "datasets/kinds: the prompt 'ensemble' takes the dataset's own templates; name a file of them",
        ),
        ({"features": {"pools": []}}, "features/pools: expected a list of at least 1 entries, found"),
        (
            {"features": {"pools": [{"name": "a", "images": []}]}},
            "features/pools/0/images: expected a text .* or a list of at least 1 entries",
        ),
        ({"features": {"pools": [{"name": "ccneg-eval", "images": "a.tar"}]}}, "features/pools/0/name: "),
        (benchmark(name="zeroshot"), "evaluate/benchmarks/0/name: "),
        (benchmark(name="embeddings"), "evaluate/benchmarks/0/name: "),
        (benchmark(kind="mqc"), r"evaluate/benchmarks/a/kind: expected one of mcq, retrieval, .*, found 'mqc'"),
        (benchmark(pool="kitchens"), "features/pools: the pool 'kitchens' is missing"),
        (benchmark(count={"one": 1}), r"evaluate/benchmarks/a/count: expected null or a number, found \{'one': 1\}"),
        (
            benchmark(count=0),
            "evaluate/benchmarks/0/count: expected a whole number at least 1 .* or a dictionary or null, found 0",
        ),
        (
            benchmark(kind="sugarcrepe-plus", count=4757),
            r"evaluate/benchmarks/a/count: expected null or a number for each of replace_obj, .*, found 4757",
        ),
        (
            {"evaluate": {"benchmarks": 2 * benchmark()["evaluate"]["benchmarks"]}},
            "evaluate/benchmarks: 'a' occurs twice",
        ),
        (
            {"features": {"pools": [{"name": "a", "images": "x", "reader": "coko"}]}},
            "features/pools/a/reader: expected one of caltech-101, .*, found 'coko'; did you mean 'coco'",
        ),
        (
            {"features": {"pools": [{"name": "a", "images": ["x", "y"], "reader": "coco"}]}},
            "features/pools/a/images: the reader coco does not take 2 paths; expected a COCO 2017 split",
        ),
        (
            {"features": {"pools": [{"name": "a", "images": ["x.tar", "y.tar"], "parts": 2, "count": 5}]}},
            "features/pools/a/parts: several tars are encoded by a job each.*\n.*features/pools/a/count: several tars",
        ),
        (
            {"features": {"precision": "fp8"}},
            r"features/precision: expected one of fp32, bf16, fp16, found 'fp8'",
        ),
    ],
)
def test_a_mistake_in_the_configuration_is_explained(changes, message):
    with pytest.raises(ValueError, match=message):
        check_config(merged(changes, load("config.yaml")), CONFIG_SCHEMA)


def test_a_missing_key_is_named():
    config = load("config.yaml")
    del config["shards"]["seed"]
    with pytest.raises(ValueError, match="shards: missing seed"):
        check_config(config, CONFIG_SCHEMA)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("b\tX\tmini-rn\tl9\tccneg\t0\tall", "line 3, loss: expected one of l1, l2, l1\\+l2, conclip, found 'l9'"),
        ("b\tX\tnone\tl1\tccneg\t0\tall", "line 3, backbone: expected one of mini-rn, found 'none'"),
        ("b\tX\tmini-rn\tl1\tother\t0\tall", "line 3, negatives: expected one of"),
        ("b\tX\tmini-rn\tl1\tccneg\t0;1\tall", "line 3, seeds: expected a text that matches"),
        ("a\tX\tmini-rn\tl1\tccneg\t0\tall", "line 3: experiment 'a' stands in line 2 already"),
        ("B b\tX\tmini-rn\tl1\tccneg\t0\tall", "line 3, experiment: expected a text that matches"),
    ],
)
def test_a_mistake_in_the_sheet_is_explained(tmp_path, row, message):
    sheet = tmp_path / "experiments.tsv"
    good = "a\tCoN-CLIP\tmini-rn\tl1+l2\tccneg\t0,2\tall"
    sheet.write_text(f"experiment\tfamily\tbackbone\tloss\tnegatives\tseeds\tbenchmarks\n{good}\n")
    assert read_experiments(sheet, SHEET_SCHEMA, ["mini-rn"], list(LOSSES))[0]["seeds"] == [0, 2]
    sheet.write_text(f"{sheet.read_text()}{row}\n")
    with pytest.raises(ValueError, match=message):
        read_experiments(sheet, SHEET_SCHEMA, ["mini-rn"], list(LOSSES))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"negatives": "crepe"}, "a: loss conclip needs distractors, which negatives crepe does not have"),
        ({"family": "CLIP"}, "a: the family CLIP is for models that are not fine-tuned"),
        ({"seeds": [0, 0]}, r"a: expected different seeds, found \[0, 0\]"),
        ({"experiment": "mini", "seeds": [1]}, "mini: mini-s1 is the name of another model"),
        ({"experiment": "flava", "seeds": [1]}, "flava: flava-s1 is the name of another model"),
        (
            {"benchmarks": ["ccneg", "valse"]},
            "a: benchmarks: expected all, or some of .*; found 'valse'",
        ),
        ({"backbone": "neg"}, "a: expected a backbone that is a CLIP, mini-rn, mini-slim, mini-s1, found 'neg'"),
    ],
)
def test_rows_that_would_fail_hours_later_are_refused_at_once(row, message):
    config = load("config.yaml")
    config["backbones"]["models"] += [
        {"name": "mini-s1", "source": "openai", "released": "RN50"},
        {**CHECKPOINT, "name": "neg"},
    ]
    config["evaluate"]["transformers"] = [{"name": "flava-s1", "kind": "flava", "path": "data/flava"}]
    good = {"experiment": "a", "family": "CoN-CLIP", "backbone": "mini-rn"}
    good |= {"loss": "conclip", "negatives": "ccneg", "seeds": [0, 1], "benchmarks": None}
    check_experiments([good], config, ["l2", "l1+l2", "conclip"])
    with pytest.raises(ValueError, match=message):
        check_experiments([{**good, **row}], config, ["l2", "l1+l2", "conclip"])


def test_several_seeds_in_the_papers_order_are_refused():
    config = merged({"finetune": {"order": "paper"}}, load("config.yaml"))
    row = {
        "experiment": "a",
        "family": "CoN-CLIP",
        "backbone": "mini-rn",
        "loss": "l1",
        "negatives": "ccneg",
        "benchmarks": None,
    }
    row["seeds"] = [0, 1]
    with pytest.raises(ValueError, match="nothing depends on the seed"):
        check_experiments([row], config, [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_resolution": 80}, "mini-rn/image_resolution: expected a multiple of 32, found 80"),
        ({"vision_width": 13}, "mini-rn/vision_width: expected an even number, found 13"),
        ({"vision_patch_size": 8}, "mini-rn/vision_patch_size: expected null for a ResNet, found 8"),
        ({"vision_layers": 3}, "mini-rn/vision_patch_size: expected a number of pixels for a ViT, found null"),
        ({"vision_layers": 3, "vision_patch_size": 8}, "mini-rn/vision_width: expected a multiple of 64 for a ViT"),
    ],
)
def test_an_architecture_that_cannot_be_built_is_refused(changes, message):
    config = load("config.yaml")
    config["backbones"]["models"][0]["architecture"].update(changes)
    with pytest.raises(ValueError, match=message):
        check_config(config, CONFIG_SCHEMA)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"source": "openai"}, "extra: source openai needs the key 'released'"),
        ({"source": "pretrain"}, "extra: source pretrain needs the key 'architecture'"),
        ({"source": "checkpoint", "path": "a.pt"}, "extra: source checkpoint needs the key 'activation'"),
        ({**CHECKPOINT, "released": "RN50"}, "extra: the key 'released' does not go with source checkpoint; allowed: "),
        (
            {**CHECKPOINT, "backbone": "other"},
            "extra: backbone: expected a CLIP among mini-rn, mini-slim, found 'other'",
        ),
        ({**CHECKPOINT, "family": "CLIP"}, "extra: family: expected the name of its method"),
        ({**CHECKPOINT, "activation": "relu"}, r"activation: expected one of quickgelu, gelu, found 'relu'"),
        ({**CHECKPOINT, "benchmarks": ["ccneg", "valse2"]}, "extra/benchmarks: expected some of .* found 'valse2'"),
        ({**CHECKPOINT, "benchmarks": []}, "benchmarks: expected a list of at least 1 entries"),
        (
            {"source": "checkpoint", "path": "a.pt", "activation": "gelu", "image_tower": "backbone"},
            "extra: the key 'image_tower' needs the key 'backbone'",
        ),
    ],
)
def test_a_mistake_in_a_models_entry_is_explained(entry, message):
    config = load("config.yaml")
    config["backbones"]["models"].append({"name": "extra", **entry})
    with pytest.raises(ValueError, match=message):
        check_config(config, CONFIG_SCHEMA)


def test_a_model_of_another_kind_has_a_name_of_its_own():
    config = load("config.yaml")
    config["evaluate"]["transformers"] = [{"name": "mini-rn", "kind": "blip", "path": "data/blip"}]
    with pytest.raises(ValueError, match="evaluate/transformers: 'mini-rn' is the name of a backbone too"):
        check_config(config, CONFIG_SCHEMA)


def test_the_released_models_stand_beside_the_papers():
    overlay = load("released-models.yaml")
    config = merged(overlay, merged(load("paper.yaml"), load("config.yaml")))
    check_config(config, CONFIG_SCHEMA)
    papers = load("paper.yaml")["backbones"]["models"]
    assert overlay["backbones"]["models"][: len(papers)] == papers
    missing = "\n".join(missing_data(config))
    for path in ("data/checkpoints/negclip_b32.pth", "data/models/flava-full"):
        assert path in missing


def test_released_models_and_models_of_few_benchmarks_are_planned(empty_copy):
    data = empty_copy / "data"
    data.mkdir()
    for name in ("released.pt", "neg.pth", "flava"):
        (data / name).touch()
    models = load("config.yaml")["backbones"]["models"]
    models[1]["benchmarks"] = ["ccneg"]
    own = {**CHECKPOINT, "name": "neg", "benchmarks": ["ccneg", "sugarcrepe"]}
    shared = {**CHECKPOINT, "name": "released", "path": "data/released.pt", "family": "CoN-CLIP (released)"}
    shared["image_tower"] = "backbone"
    changes = {
        "backbones": {"models": [*models, own, shared]},
        "evaluate": {"transformers": [{"name": "flava-full", "kind": "flava", "path": "data/flava"}]},
    }
    (empty_copy / "mine.yaml").write_text(yaml.safe_dump(changes))
    sheet = empty_copy / "config" / "experiments.tsv"
    sheet.write_text("".join(line for line in sheet.read_text().splitlines(True) if "slim" not in line))
    target = "results/tables.parquet"
    arguments = ("--dry-run", "--printshellcmds", "--cores", "2", "--configfile", "mine.yaml", "--", target)
    done = snakemake(*arguments, folder=empty_copy)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    evaluated = set(re.findall(r"results/miniature/evaluate/([\w-]+/[\w]+)\.json", said))
    everything = {"ccneg", "embeddings", "zeroshot", "sugarcrepe"}
    for model, expected in {
        **{"mini-rn": everything, "released": everything, "conclip-rn-s0": everything},
        **{"mini-slim": {"ccneg", "embeddings"}, "neg": {"ccneg", "embeddings", "sugarcrepe"}},
        "flava-full": {"ccneg", "run"},
    }.items():
        assert {name.partition("/")[2] for name in evaluated if name.startswith(f"{model}/")} == expected, model
    encoded = set(re.findall(r"results/miniature/features/([\w-]+)/([\w-]+)/", said))
    assert {pool for model, pool in encoded if model == "neg"} == {"ccneg-eval", "sugarcrepe"}
    assert not any(model == "released" for model, _ in encoded)
    assert re.search(
        r"backbones\.checkpoint\s+\\?\s*--model released.*\n?.*"
        r"--family 'CoN-CLIP \(released\)' --backbone mini-rn --image-tower backbone "
        r"--backbone-weights results/miniature/backbones/mini-rn/model\.pt",
        said,
        re.DOTALL,
    )


def test_the_miniature_needs_no_data_and_the_paper_run_names_what_it_lacks(empty_copy, monkeypatch):
    monkeypatch.chdir(empty_copy)
    assert missing_data(load("config.yaml")) == []
    missing = missing_data(merged(load("paper.yaml"), load("config.yaml")))
    assert missing[0].startswith("fetch/captions: data/cc3m/")
    pools = [pool["name"] for pool in load("paper.yaml")["features"]["pools"]]
    assert all(any(line.startswith(f"features/pools/{name}: data/") for line in missing) for name in pools)
    assert "features/pools/distractors: data/coco/train2017.zip (a COCO 2017 split: " in "\n".join(missing)


def test_class_names_that_do_not_fit_the_readers_labels_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = merged(load("paper.yaml"), load("config.yaml"))
    check_config(config, CONFIG_SCHEMA)
    caltech = next(entry for entry in config["evaluate"]["zeroshot"]["datasets"] if entry["name"] == "caltech-101")
    (tmp_path / "classes.txt").write_text(f"background\n{(ROOT / caltech['classes']).read_text()}")
    caltech["classes"] = str(tmp_path / "classes.txt")
    message = (
        r"classes\.txt: expected 101 class names, one for each label of caltech-101 as read from data/.*; found 102"
    )
    with pytest.raises(ValueError, match=message):
        check_config(config, CONFIG_SCHEMA)


def test_the_prompts_of_the_configuration_are_those_of_the_tables():
    schema = yaml.safe_load(CONFIG_SCHEMA.read_text())
    assert tuple(schema["$defs"]["prompts"]["properties"]) == PROMPTS
    assert (
        tuple(schema["properties"]["evaluate"]["properties"]["zeroshot"]["properties"]["prompts"]["required"]) == NEEDED
    )


def test_the_paper_run_has_every_prompt_and_imagenet_its_templates_for_the_bare_one():
    zeroshot = merged(load("paper.yaml"), load("config.yaml"))["evaluate"]["zeroshot"]
    files = {dataset["name"]: dataset["templates"] for dataset in zeroshot["datasets"]}
    flags = {name: templates for name, *templates in prompt_flags(zeroshot, files)}
    assert [name for name in flags if ":" not in name] == list(PROMPTS[:4])
    assert set(zeroshot["prompts"]) == set(PROMPTS)
    assert [flags[name] for name in ("plain", "negated", "bare", "photo")] == [
        ["this is a photo of a {}"], ["this is not a photo of a {}"], ["{}"], ["a photo of a {}."],
    ]  # fmt: skip
    assert flags["imagenet-1k:bare"] == flags["imagenet-1k:ensemble"] == ["@config/templates/imagenet-1k.txt"]
    assert {name for name in flags if ":" in name} == {"imagenet-1k:bare", *(f"{name}:ensemble" for name in files)}


def test_a_set_cannot_bring_a_prompt_that_the_others_lack():
    config = load("config.yaml")
    config["evaluate"]["zeroshot"]["datasets"][1]["prompts"] = {"photo": ["a photo of a {}."]}
    with pytest.raises(ValueError, match="datasets/colours/prompts: 'photo' is no prompt of evaluate/zeroshot/prompts"):
        check_config(config, CONFIG_SCHEMA)


def test_the_engine_plans_every_stage():
    done = snakemake("--dry-run", "--forceall", "--cores", "2", "--config", "run=never-run")
    assert done.returncode == 0, done.stdout + done.stderr
    counts = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE))
    config = load("config.yaml")
    backbones = [model["name"] for model in config["backbones"]["models"]]
    sheet = read_experiments(ROOT / config["finetune"]["experiments"], SHEET_SCHEMA, backbones, list(LOSSES))
    finetuned = sum(len(row["seeds"]) for row in sheet)
    models = finetuned + len(backbones)
    assert counts["finetune"] == str(finetuned)
    assert counts["pretrain"] == str(len(backbones))
    assert counts["fetch"] == counts["negate"] == counts["shards"] == "2"
    assert all(counts[f"evaluate_{benchmark}"] == str(models) for benchmark in ("ccneg", "zeroshot", "benchmark"))
    assert counts["evaluate_blind"] == "2"


def test_a_pool_of_several_tars_is_encoded_by_a_job_for_each(empty_copy):
    pools = load("config.yaml")["features"]["pools"]
    kinds = next(pool for pool in pools if pool["name"] == "kinds")
    kinds["images"] = [kinds["images"], "data/more kinds.tar"]
    (empty_copy / "mine.yaml").write_text(yaml.safe_dump({"features": {"pools": pools}}))
    target = "results/miniature/evaluate/mini-rn/zeroshot.json"
    arguments = ("--dry-run", "--cores", "2", "--printshellcmds", "--configfile", "mine.yaml", "--", target)
    done = snakemake(*arguments, folder=empty_copy)
    assert done.returncode != 0
    assert "features/pools/kinds: data/more kinds.tar" in done.stdout + done.stderr
    (empty_copy / "data").mkdir()
    (empty_copy / "data" / "more kinds.tar").touch()
    done = snakemake(*arguments, folder=empty_copy)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "--images 'data/more kinds.tar'" in said
    parts = [f"results/miniature/features/mini-rn/kinds/{part}.safetensors" for part in ("00000", "00001")]
    assert f"kinds.classes.txt {' '.join(parts)} --dataset colours" in said
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE))
    assert jobs["features"] == "9"  # eight sets, one of them in two parts


def test_a_pool_as_distributed_is_shared_by_jobs_and_its_missing_files_are_named(empty_copy):
    pools = load("config.yaml")["features"]["pools"]
    named = {pool["name"]: pool for pool in pools}
    named["kinds"] |= {"reader": "cifar-10", "images": "data/my sets", "parts": 3, "count": 10000}
    named["sizes"] |= {"reader": "caltech-101", "images": "data/my sets"}
    (empty_copy / "mine.yaml").write_text(yaml.safe_dump({"features": {"pools": pools}}))
    target = "results/miniature/evaluate/mini-rn/zeroshot.json"
    arguments = ("--dry-run", "--cores", "2", "--printshellcmds", "--configfile", "mine.yaml", "--", target)
    done = snakemake(*arguments, folder=empty_copy)
    assert done.returncode != 0
    assert "features/pools/kinds: data/my sets/cifar-10-python.tar.gz (CIFAR-10's" in done.stdout + done.stderr
    folder = empty_copy / "data" / "my sets"
    (folder / "caltech101" / "101_ObjectCategories").mkdir(parents=True)
    (folder / "cifar-10-python.tar.gz").touch()
    done = snakemake(*arguments, folder=empty_copy)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for part in range(3):
        assert f"--reader cifar-10 --images 'data/my sets' --part {part} --parts 3" in said
    assert len(re.findall(r"^ +--count 10000", said, re.MULTILINE)) == 3
    parts = [f"results/miniature/features/mini-rn/kinds/{part:05d}.safetensors" for part in range(3)]
    assert f"kinds.classes.txt {' '.join(parts)} --dataset colours" in said
    inputs = re.findall(r"input: (.*)\n.*output: results/miniature/features/mini-rn/kinds/", said)
    assert all("my sets/cifar-10-python.tar.gz" in line and "readers/cifar.py" in line for line in inputs)
    assert not any("readers/plain.py" in line for line in inputs)
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE))
    assert jobs["features"] == "10"  # eight sets, one of them in three parts


def test_the_engine_shows_a_mistake_without_a_traceback():
    done = snakemake("--dry-run", "--cores", "2", "--config", "rum=x")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "unknown key 'rum'; did you mean 'run'? Allowed: backbones, captions" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("arguments", [("--dry-run",), ("--unlock",), ("--dry-run", "--cores", "8")])
def test_the_engine_starts_in_an_empty_folder(empty_copy, arguments):
    done = snakemake(*arguments, folder=empty_copy)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_paper_run_fails_for_missing_data_with_a_message_that_says_so(empty_copy):
    done = snakemake("--dry-run", "--cores", "2", "--configfile", "config/paper.yaml", folder=empty_copy)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Data that this configuration names is not here" in said
    assert "Missing input files for rule" in said


def test_the_tables_of_one_run_do_not_pass_for_those_of_another(empty_copy):
    (empty_copy / "results").mkdir()
    for name in ("tables.parquet", "report.html"):
        (empty_copy / "results" / name).touch()
    (empty_copy / "results" / "active-run.txt").write_text("miniature\n")
    arguments = ("--dry-run", "--cores", "2", "--configfile", "config/paper.yaml")
    done = snakemake(*arguments, folder=empty_copy)
    assert done.returncode != 0
    assert "results/ shows the run 'miniature', and this run is 'paper'" in done.stdout + done.stderr
    shutil.rmtree(empty_copy / "results")
    done = snakemake(*arguments, "--", "results/paper/backbones/vit-b32/model.pt", folder=empty_copy)
    assert done.returncode == 0, done.stdout + done.stderr
