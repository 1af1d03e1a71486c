"""Each thing that a user may add, added as config/README.md says: one edit, and the engine plans the rest."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, jpeg_bytes
from workflows import load, snakemake


def jobs_of(folder, *arguments):
    """Return the jobs of each rule that a dry run plans, and all that it says."""
    done = snakemake("--dry-run", "--cores", "2", *arguments, folder=folder)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)}, said


@pytest.fixture
def before(empty_copy):
    """The jobs of the miniature as it is."""
    return jobs_of(empty_copy)[0]


def more(jobs, before):
    """Return by how many jobs of each rule a plan is larger."""
    return {name: count - before.get(name, 0) for name, count in jobs.items() if count != before.get(name, 0)}


def add_row(folder, *cells):
    """Add a row to the sheet of experiments."""
    with open(folder / "config" / "experiments.tsv", "a") as sheet:
        sheet.write("\t".join(cells) + "\n")


def test_a_row_and_a_seed(empty_copy, before):
    add_row(empty_copy, "l2-slim", "CoN-CLIP", "mini-slim", "l2", "ccneg", "0,1", "ccneg,sugarcrepe")
    jobs, said = jobs_of(empty_copy, "--printshellcmds")
    # mini-slim has all the features that it takes but those of the pool of distractors, which conclip-slim needs too.
    assert more(jobs, before) == {"finetune": 2, "evaluate_ccneg": 2, "evaluate_benchmark": 2, "total": 6}
    assert "--model l2-slim-s1" in said and "evaluate/l2-slim-s1/zeroshot" not in said


def test_a_backbone(empty_copy, before):
    backbones = load("config.yaml")["backbones"]["models"]
    backbones.append({**backbones[0], "name": "mini-new"})
    (empty_copy / "mine.yaml").write_text(yaml.safe_dump({"backbones": {"models": backbones}}))
    add_row(empty_copy, "conclip-new", "CoN-CLIP", "mini-new", "conclip", "ccneg", "0", "all")
    jobs, _ = jobs_of(empty_copy, "--configfile", "mine.yaml")
    slim = sum(1 for pool in load("config.yaml")["features"]["pools"] if pool["name"] != "crepe")
    assert more(jobs, before) == {
        "pretrain": 1, "finetune": 1, "features": slim + 2 * load("config.yaml")["fetch"]["parts"],
        "evaluate_ccneg": 2, "evaluate_zeroshot": 2, "evaluate_benchmark": 2,
        "total": 8 + slim + 2 * load("config.yaml")["fetch"]["parts"],
    }  # fmt: skip


def test_a_loss_with_a_term_of_its_own(empty_copy, before):
    terms = empty_copy / "pipeline_lib" / "finetune" / "terms.py"
    text = terms.read_text().replace('"l2": ("l2",),', '"l2": ("l2",),\n    "l1+l4": ("l1", "l4"),')
    terms.write_text(text.replace('"l2": "L2",', '"l2": "L2", "l1+l4": "L1+L4",'))
    loss = empty_copy / "pipeline_lib" / "finetune" / "loss.py"
    branch = 'elif term == "l4":\n            terms.append(scale * (caption * negated).sum(dim=1).mean())\n        '
    loss.write_text(loss.read_text().replace('elif term == "l2":', f'{branch}elif term == "l2":'))
    add_row(empty_copy, "l1l4-rn", "CoN-CLIP", "mini-rn", "l1+l4", "ccneg", "0", "all")
    jobs, said = jobs_of(empty_copy, "--printshellcmds")
    assert more(jobs, before)["finetune"] == 1 and "--loss l1+l4" in said
    code = (
        "import torch; from pipeline_lib.finetune.loss import loss_value as loss; i, c = torch.eye(3), torch.eye(3); "
        "one, both = (loss(name, i, c, c, None, torch.tensor(2.0)) for name in ('l1', 'l1+l4')); "
        "print(round(float(2 * both - one), 4)); from pipeline_lib.paper.tables.metrics import read_metrics"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=empty_copy, capture_output=True, text=True)
    assert done.stdout.strip() == "2.0", done.stderr  # the scale times the cosine of a caption with itself


def test_a_reader_is_added_as_the_readme_says(empty_copy):
    (recipe,) = re.findall(r"```python\n(def read.*?)```", (ROOT / "config" / "README.md").read_text(), re.DOTALL)
    header = """from collections.abc import Iterator

from pipeline_lib.formats.images import Sample
from pipeline_lib.readers.containers import list_images
from pipeline_lib.readers.reader import Reader


def label_of(name):
    return int(name[0])


"""
    (empty_copy / "pipeline_lib" / "readers" / "my_set.py").write_text(header + recipe)
    catalogue = empty_copy / "pipeline_lib" / "readers" / "catalogue.py"
    lines = catalogue.read_text()
    catalogue.write_text(lines.replace('    "tar": ', '    "my-set": "my_set.READER",\n    "tar": '))
    pools = load("config.yaml")["features"]["pools"]
    kinds = next(pool for pool in pools if pool["name"] == "kinds")
    kinds |= {"reader": "my-set", "images": "data/mine", "count": 2}
    (empty_copy / "mine.yaml").write_text(yaml.safe_dump({"features": {"pools": pools}}))
    (empty_copy / "data" / "mine" / "test").mkdir(parents=True)
    for name in ("3-dog.jpg", "5-cat.jpg"):
        (empty_copy / "data" / "mine" / "test" / name).write_bytes(jpeg_bytes())
    target = "results/miniature/features/mini-rn/kinds/00000.safetensors"
    done = snakemake("-n", "--cores", "2", "-p", "--configfile", "mine.yaml", "--", target, folder=empty_copy)
    assert "--reader my-set --images data/mine" in done.stdout, done.stdout + done.stderr
    code = (
        "from pipeline_lib.readers.pool import read_pool; from pipeline_lib.readers.reader import find_reader; "
        "print([(s.key, s.said['label']) for s in read_pool(find_reader('my-set'), ['data/mine'], count=2)])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=empty_copy, capture_output=True, text=True)
    assert done.stdout.strip() == "[('3-dog', 3), ('5-cat', 5)]", done.stderr


def test_a_benchmark_is_added_by_an_entry_and_a_kind_by_a_line_and_a_module(empty_copy):
    kinds, folder = empty_copy / "pipeline_lib" / "evaluate" / "kinds.py", empty_copy / "data"
    kinds.write_text(kinds.read_text().replace('"valse": (),', '"valse": (),\n    "own-kind": ("one", "two"),'))
    shutil.copy(kinds.with_name("valse.py"), kinds.with_name("own_kind.py"))
    entries = load("config.yaml")["evaluate"]["benchmarks"] + [
        {"name": "questions", "kind": "mcq", "annotations": "data/q.csv", "pool": "sugarcrepe", "count": 12},
        {"name": "own", "kind": "own-kind", "annotations": "data", "pool": "kinds", "count": {"one": 3, "two": 4}},
    ]
    (empty_copy / "mine.yaml").write_text(yaml.safe_dump({"evaluate": {"benchmarks": entries}}))
    folder.mkdir()
    for name in ("q.csv", "one.json", "two.json"):
        (folder / name).touch()
    arguments = ("--dry-run", "--cores", "2", "--printshellcmds", "--configfile", "mine.yaml")
    done = snakemake(*arguments, "--", "results/tables.parquet", folder=empty_copy)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE))
    assert int(jobs["evaluate_benchmark"]) == 3 * int(jobs["evaluate_ccneg"])
    assert re.search(
        r"evaluate\.mcq .*--benchmark questions .*--annotations data/q\.csv .*--count 12 ", said, re.DOTALL
    )
    assert re.search(r"evaluate\.own_kind .*--annotations data .*--count one=3,two=4 ", said, re.DOTALL)
    assert re.search(r"input: .*mini-rn/model\.pt.* data/one\.json, data/two\.json, .*evaluate/own_kind\.py", said)
