"""The paper's run as the engine plans it, from the links to the tables, with all that it takes from outside."""

import re

import pytest
from conftest import ROOT
from workflows import configuration, provide, snakemake

PARTS, SEEDS, ZEROSHOT, LATER = 64, 3, 8, 8
BEYOND = 6  # models of methods that the paper does not have
PLAN = {
    "fetch": PARTS,
    "fetch_summary": 1,
    "captions_negate": PARTS,
    "captions_quality": 1,
    "shards_build": PARTS,
    "shards_index": 1,
    "shards_crepe": 1,
    "backbones_openai": 5,  # CLIPs of OpenAI's
    # Evaluation: CC-Neg by all five, for three also eight labelled sets, COCO, VOC, Visual7W and NegRefCOCOg. Training:
    # CC-Neg and distractors by the three that are fine-tuned, CREPE by one of them.
    "features": 5 * PARTS + 3 * (ZEROSHOT + 4) + 3 * (PARTS + 1) + 1,
    "distractors_choose": 1,
    "finetune": 7 * SEEDS + BEYOND,
    # Of one CLIP and its CoN-CLIPs captions are also scored by subtraction.
    "evaluate_ccneg": 5 + 7 * SEEDS + BEYOND + (1 + SEEDS),
    "evaluate_blind": 2,
    "evaluate_blind_benchmark": 5,  # SugarCREPE, SugarCrepe++, VALSE, NegBench's two sets of questions
    "evaluate_zeroshot": 3 + 7 * SEEDS + BEYOND + (1 + SEEDS),
    # SugarCREPE and the truth table of all of them; the other benchmarks of CLIP and CoN-CLIP, not of the ablation.
    "evaluate_benchmark": (2 * (3 + 7 * SEEDS + BEYOND) + LATER * (3 + 3 * SEEDS + BEYOND) + (2 + LATER) * (1 + SEEDS)),
    "paper_tables": 1,
    "paper_figures": 1,
    "paper_report": 1,
    "show_tables": 1,
    "show_figures": 1,
    "show_report": 1,
}


def plan(folder, *configfiles):
    """Return how many jobs of each rule a strict dry run plans for everything."""
    done = snakemake(
        *("--dry-run", "--cores", "8", "--quiet", "rules", "--configfile", *configfiles),
        *("--strict-dag-evaluation", "functions", "cyclic-graph", "periodic-wildcards"),
        folder=folder,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "is not here" not in said, said[-3000:]
    jobs = {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", said, re.MULTILINE)}
    assert jobs.pop("all") == 1 and jobs.pop("total") == sum(jobs.values()) + 1
    return jobs


def test_the_paper_run_is_planned_with_so_many_jobs_of_each_rule(empty_copy, monkeypatch):
    monkeypatch.chdir(ROOT)
    provide(empty_copy, configuration("paper.yaml"))
    assert plan(empty_copy, "config/paper.yaml") == PLAN


@pytest.mark.parametrize("later", [False, True])
def test_released_models_and_the_released_set_change_the_plan_by_their_own_jobs(empty_copy, monkeypatch, later):
    names = ["paper.yaml", "released-models.yaml", *(["released-ccneg.yaml"] if later else [])]
    monkeypatch.chdir(ROOT)
    provide(empty_copy, configuration(*names))
    expected = PLAN | {
        "backbones_checkpoint": 5,
        # The authors' CoN-CLIPs share the features of their CLIPs, Neg-CLIP and LaCLIP have their own.
        "features": PLAN["features"] + PARTS + ZEROSHOT + 4 + PARTS,
        "evaluate_ccneg": PLAN["evaluate_ccneg"] + 5,
        "evaluate_ccneg_transformers": 2,
        "evaluate_zeroshot": PLAN["evaluate_zeroshot"] + 4,
        "evaluate_benchmark": PLAN["evaluate_benchmark"] + 4 * (2 + LATER),
    }
    if later:
        for name in ("fetch", "fetch_summary", "captions_negate", "captions_quality", "shards_build"):
            del expected[name]
        del expected["distractors_choose"]
        expected |= {"shards_release": 1, "shards_build_released": PARTS, "distractors_released": 1}
    assert plan(empty_copy, *(f"config/{name}" for name in names)) == expected
