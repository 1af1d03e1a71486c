"""Each thing that a user may add, added as docs/adding.md says: one edit, and the engine plans the rest."""

import copy
import random
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from benchmarks import TEXTS, random_rows, write_csv, write_features
from conftest import ROOT, jpeg_bytes
from made_up_items import KIND_OF
from papers import MODELS, write_metrics
from workflows import add_row, count, load, plan, snakemake

from pipeline_lib.clip.load import save_checkpoint
from pipeline_lib.jobs.files import write_json
from pipeline_lib.paper.tables.schema import read_tables

#: As the rule of the tables names the benchmarks of the miniature.
BENCHMARKS = {f"{name}={entry['kind']}" for name, entry in load("config.yaml")["evaluate"]["benchmarks"].items()}


def dry_run(folder, *arguments):
    """What a dry run of the copy's own code says."""
    done = snakemake("--dry-run", "--cores", "2", "--printshellcmds", *arguments, folder=folder)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    return said


def more(folder, **config):
    """The jobs by which a plan is larger than that of the miniature as it is, counted by rule, and all jobs."""
    jobs = plan(folder, config=config)
    return count(jobs) - count(plan(ROOT, config={"run": "never-run"})), jobs


SHEET = Path("config", "experiments.tsv")


def test_a_row_and_a_seed(empty_copy):
    add_row(empty_copy / SHEET, "l2-slim", "CoN-CLIP", "mini-slim", "l2", "ccneg", "0,1", benchmarks="ccneg,sugarcrepe")
    added, jobs = more(empty_copy)
    # mini-slim has all the features that it takes but those of the pool of distractors, which conclip-slim needs too.
    assert added == {"finetune": 2, "evaluate_ccneg": 2, "evaluate_benchmark": 2}
    assert {job.wildcards.get("model") for job in jobs} >= {"l2-slim-s0", "l2-slim-s1"}
    assert "l2-slim-s1" not in {job.wildcards["model"] for job in jobs if job.rule == "evaluate_zeroshot"}


def test_a_row_with_a_recipe_of_its_own(empty_copy):
    sheet = empty_copy / SHEET
    rows = pd.read_csv(sheet, sep="\t", dtype=str, keep_default_na=False).assign(epochs="", lr="", batch_size="")
    rows.loc[rows.experiment == "l1-rn", ["epochs", "lr"]] = "13", "1e-4"
    rows.to_csv(sheet, sep="\t", index=False)
    recipes = {
        job.wildcards["model"]: re.findall(r"--(?:epochs|batch-size|lr) (\S+)", job.command)
        for job in plan(empty_copy)
        if job.rule == "finetune"
    }
    common = load("config.yaml")["finetune"]
    size = str(common["batch_size"])
    assert recipes.pop("l1-rn-s0") == ["13", size, "0.0001"]
    assert set(map(tuple, recipes.values())) == {(str(common["epochs"]), size, str(common["lr"]))}


def test_a_backbone(empty_copy):
    config = load("config.yaml")
    add_row(empty_copy / SHEET, "conclip-new", "CoN-CLIP", "mini-new", "conclip", "ccneg", "0")
    added, _ = more(empty_copy, backbones={"models": {"mini-new": config["backbones"]["models"]["mini-rn"]}})
    assert added == {
        "backbones_pretrain": 1, "finetune": 1, "evaluate_ccneg": 2, "evaluate_zeroshot": 2,
        "features": len(config["features"]["pools"].keys() - {"crepe"}) + 2 * config["fetch"]["parts"],
        "evaluate_benchmark": 2 * len(BENCHMARKS),
    }  # fmt: skip


def test_a_loss_with_a_term_of_its_own(empty_copy):
    terms = empty_copy / "pipeline_lib" / "finetune" / "terms.py"
    text = terms.read_text().replace('"l3": Term', '"own": Term(("caption", "negated"), similar),\n    "l3": Term')
    text = text.replace('"l2": Loss', '"l1+own": Loss("L1+OWN", ("l1", "own")),\n    "l2": Loss')
    function = "def similar(caption, negated, scale):\n    return scale * (caption * negated).sum(dim=1).mean()\n\n\n"
    terms.write_text(text.replace("TERMS = {", f"{function}TERMS = {{"))
    add_row(empty_copy / SHEET, "own-rn", "CoN-CLIP", "mini-rn", "l1+own", "ccneg", "0")
    assert "--loss l1+own" in dry_run(empty_copy)
    code = (
        "import torch; from pipeline_lib.finetune.terms import loss_value; c = torch.eye(3); "
        "features = {'image': c, 'caption': c, 'negated': c}; "
        "one, both = (loss_value(name, features, torch.tensor(2.0)) for name in ('l1', 'l1+own')); "
        "print(round(float(2 * both - one), 4)); from pipeline_lib.paper.tables.metrics import read_metrics"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=empty_copy, capture_output=True, text=True)
    assert done.stdout.strip() == "2.0", done.stderr  # the scale times the cosine of a caption with itself


def test_a_reader_is_added_as_the_documentation_says(empty_copy):
    page = (ROOT / "docs" / "adding.md").read_text()
    (recipe,) = (code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "READER =" in code)
    (empty_copy / "pipeline_lib" / "readers" / "my_set.py").write_text(recipe)
    catalogue = empty_copy / "pipeline_lib" / "readers" / "catalogue.py"
    lines = catalogue.read_text()
    catalogue.write_text(lines.replace('    "tar": ', '    "my-set": "my_set.READER",\n    "tar": '))
    kinds = {"reader": "my-set", "images": "data/mine", "count": 2}
    (empty_copy / "mine.yaml").write_text(yaml.safe_dump({"features": {"pools": {"kinds": kinds}}}))
    (empty_copy / "data" / "mine" / "test").mkdir(parents=True)
    for name in ("3-dog.jpg", "5-cat.jpg"):
        (empty_copy / "data" / "mine" / "test" / name).write_bytes(jpeg_bytes())
    target = "results/miniature/features/mini-rn/kinds/00000.safetensors"
    done = snakemake("-n", "--cores", "2", "-p", "--configfile", "mine.yaml", "--", target, folder=empty_copy)
    assert re.search(r"--reader my-set \\\s+--images data/mine ", done.stdout), done.stdout + done.stderr
    code = (
        "from pipeline_lib.readers.pool import read_pool; "
        "print([(s.key, s.said['label']) for s in read_pool('my-set', ['data/mine'], count=2)])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=empty_copy, capture_output=True, text=True)
    assert done.stdout.strip() == "[('3-dog', 3), ('5-cat', 5)]", done.stderr


OWN_KIND = '''"""Own: the true caption among several, by its rank; a folder of two CSVs."""

from pathlib import Path

from pipeline_lib.evaluate.declaration import Choice, Kind, Metric
from pipeline_lib.formats.annotations import image_key, read_rows, texts


def _read(path: Path) -> list[Choice]:
    rows = []
    for where, row in read_rows(path, ["picture", "style", "true", "others"]):
        true, others = texts(row, ("true", "others"), where)
        key = image_key(row["picture"], where)
        rows.append(Choice({"item": len(rows), "key": key, "style": row["style"]}, [key], [true, *others.split("|")]))
    return rows


def score(kind, rows, images_of, captions_of):
    import pandas as pd

    ranks = []
    for row in rows:
        scores = captions_of(row.captions) @ images_of(row.images)[0]
        ranks.append(int((scores >= scores[0]).sum()))
    items = pd.DataFrame([row.columns for row in rows])
    return items.assign(rank=ranks, reciprocal=[1 / rank for rank in ranks])


KIND = Kind(
    "own-kind",
    read=_read,
    parts={"one": "1.csv", "two": "2.csv"},
    item=("part", "item"),
    scorer="pipeline_lib.evaluate.own_kind:score",
    metrics=(
        Metric("{benchmark}", "mrr", "reciprocal"),
        Metric("{benchmark}", "recall@10", "rank", at_most=10),
        Metric("{benchmark}/{style}", "mrr", "reciprocal", percent=False),
    ),
)
'''


def add_kind(folder):
    """Add a kind to a copy of the repository: a module, and its place in the registry."""
    kinds = folder / "pipeline_lib" / "evaluate" / "kinds.py"
    kinds.with_name("own_kind.py").write_text(OWN_KIND)
    text = kinds.read_text().replace("_ALL = (\n", "_ALL = (\n    own_kind.KIND,\n")
    line = "from pipeline_lib.evaluate.declaration"
    kinds.write_text(text.replace(line, f"from pipeline_lib.evaluate import own_kind\n{line}"))


def test_a_benchmark_is_an_entry_and_a_kind_a_module(empty_copy):
    add_kind(empty_copy)
    entries = {
        "questions": {"kind": "mcq", "annotations": "data/q.csv", "pool": "sugarcrepe", "count": 12},
        "own": {"kind": "own-kind", "annotations": "data", "pool": "kinds", "count": {"one": 3, "two": 4}},
    }
    (empty_copy / "mine.yaml").write_text(yaml.safe_dump({"evaluate": {"benchmarks": entries}}))
    (empty_copy / "data").mkdir()
    for name in ("q.csv", "1.csv", "2.csv"):
        (empty_copy / "data" / name).touch()
    said = dry_run(empty_copy, "--configfile", "mine.yaml", "--", "results/tables.parquet")
    before = [job for job in plan(ROOT, config={"run": "never-run"}) if job.rule == "evaluate_benchmark"]
    models = sum(job.wildcards["benchmark"] == "mcq" for job in before)  # those that have all benchmarks
    assert re.search(rf"^evaluate_benchmark +{len(before) + 2 * models}$", said, re.MULTILINE)
    assert re.search(r"--kind mcq .*--benchmark questions .*--annotations data/q\.csv .*--count 12 ", said, re.DOTALL)
    assert re.search(r"--kind own-kind .*--annotations data .*--count one=3,two=4 ", said, re.DOTALL)
    assert re.search(r"input: .*mini-rn/model\.pt.* data/1\.csv, data/2\.csv, ", said)
    (kinds,) = re.findall(r"--kinds (.*?) \\\n", said)
    assert set(kinds.split()) == {*BENCHMARKS, "questions=mcq", "own=own-kind"}


def test_a_kind_in_a_module_of_its_own_is_scored_and_stands_in_the_tables(empty_copy, tiny_clip):
    """Several CSVs, a mean of a number and a recall@10, a column that no other kind has; with intervals and a test."""
    add_kind(empty_copy)
    rng, keys = random.Random(0), [f"photo{number}" for number in range(40)]
    (empty_copy / "own").mkdir()
    for name in ("1.csv", "2.csv"):
        rows = [[f"{key}.jpg", rng.choice(["plain", "formal"]), rng.choice(TEXTS)] for key in keys]
        rows = [[*row, "|".join(rng.sample([text for text in TEXTS if text != row[2]], 30))] for row in rows]
        write_csv(empty_copy / "own" / name, ["picture", "style", "true", "others"], rows)
    pool = write_features(empty_copy / "pool.safetensors", tiny_clip, keys, random_rows(len(keys)))
    models = [MODELS[1], MODELS[4]]
    metrics, items = write_metrics(empty_copy, models), {}
    for number, (name, family, backbone, loss, negatives, seed) in enumerate(models):
        model, folder = copy.deepcopy(tiny_clip), empty_copy / "evaluate" / name
        torch.manual_seed(number)
        torch.nn.init.normal_(model.text_projection, std=0.1)
        save_checkpoint(folder / "model.pt", model)
        identity = {"model": name, "family": family, "backbone": backbone}
        write_json(folder / "run.json", {**identity, "loss": loss, "negatives": negatives, "seed": seed})
        flags = ["--weights", folder / "model.pt", "--record", folder / "run.json", "--features", pool, "--threads", 1]
        flags += ["--kind", "own-kind", "--benchmark", "own", "--annotations", "own", "--count", "one=40,two=40"]
        flags += ["--scores", folder / "own.parquet", "--metrics", folder / "own.json"]
        in_copy(empty_copy, "evaluate.benchmark", *flags)
        items[name] = pd.read_parquet(folder / "own.parquet")
        metrics.append(folder / "own.json")
    kinds = [f"{name}={kind}" for name, kind in {**KIND_OF, "own": "own-kind"}.items()]
    in_copy(
        empty_copy, "paper.tables", "--run", "test", "--ccneg", "generated", "--precision", "fp32",
        "--published", "config/published.tsv",
        "--kinds", *kinds, "--metrics", *metrics, "--output", "tables.parquet", "--folder", "tables",
    )  # fmt: skip
    tables = read_tables(empty_copy / "tables.parquet")[0].set_index(["model", "dataset", "metric"])
    rows = tables[tables.table == "negation"]
    for name, found in items.items():
        assert found["style"].isin(["plain", "formal"]).all() and len(found) == 80
        row = rows.loc[name, "own", "mrr"]
        assert (row.value, row.n) == (pytest.approx(100 * found["reciprocal"].mean()), 80)
        width = 100 * 1.96 * found["reciprocal"].std() / 80**0.5
        assert (row.low, row.high) == pytest.approx((row.value - width, row.value + width), rel=0.15)
        row = rows.loc[name, "own", "recall@10"]
        assert row.value == 100 * (found["rank"] <= 10).mean() and row.low < row.value < row.high
        plain = found[found["style"] == "plain"]
        assert rows.loc[name, "own/plain", "mrr"].value == pytest.approx(plain["reciprocal"].mean())
    assert pd.notna(rows.loc["conclip-rn-s0", "own", "recall@10"].p)
    assert "| own mrr | own R@10 |" in re.sub(" +", " ", (empty_copy / "tables" / "negation.md").read_text())


def in_copy(folder, module, *flags):
    """Run a command in a copy of the repository."""
    command = [sys.executable, "-W", "error", "-m", f"pipeline_lib.{module}", *map(str, flags)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
