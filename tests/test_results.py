"""The paper's effect in the miniature's results, where a run has made them.

The bounds are wider than what runs show, since another processor rounds otherwise and training goes another way.
"""

import pytest
import yaml
from conftest import ROOT

from pipeline_lib.files import read_json
from pipeline_lib.paper.schema import read_tables

TABLES = ROOT / "results" / "tables.parquet"
RECORD = ROOT / "results" / "miniature" / "finetune" / "conclip-rn-s0" / "run.json"


@pytest.fixture(scope="module")
def cells():
    """Every value of the run by (table, model, dataset, prompt, metric)."""
    if not TABLES.is_file():
        pytest.skip("no results yet: `make tables` makes them")
    tables, run = read_tables(TABLES)
    if run != "miniature":
        pytest.skip(f"the results are of the run {run!r}")
    recipe = read_json(RECORD)["recipe"]
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["finetune"]
    if any(
        recipe[key] != config[key] for key in ("epochs", "batch_size", "lr", "weight_decay", "warmup_steps", "order")
    ):
        pytest.skip("the results are of another recipe: `make tables` makes them anew")
    tables["prompt"] = tables["prompt"].fillna("")
    return tables.set_index(["table", "model", "dataset", "prompt", "metric"])["value"].to_dict()


PAIRS = [("mini-rn", "conclip-rn-s0"), ("mini-slim", "conclip-slim-s0")]


@pytest.mark.parametrize(("clip", "conclip"), PAIRS)
def test_clip_does_not_understand_negation_and_conclip_does(cells, clip, conclip):
    assert 50 <= cells["ccneg", clip, "cc-neg", "", "accuracy"] <= 85
    assert cells["ccneg", conclip, "cc-neg", "", "accuracy"] >= 93


@pytest.mark.parametrize(("clip", "conclip"), PAIRS)
def test_zero_shot_is_kept_and_falls_under_a_negated_prompt(cells, clip, conclip):
    plain = {model: cells["zeroshot", model, "mean", "plain", "top1"] for model in (clip, conclip)}
    negated = {model: cells["negated-prompt", model, "mean", "negated", "top1"] for model in (clip, conclip)}
    assert plain[conclip] >= plain[clip] - 3
    assert abs(negated[clip] - plain[clip]) <= 5
    assert negated[conclip] <= negated[clip] - 20


def test_l1_teaches_negation_and_l2_alone_does_not(cells):
    clip = cells["ccneg", "mini-rn", "cc-neg", "", "accuracy"]
    assert cells["ccneg", "l1-rn-s0", "cc-neg", "", "accuracy"] >= 95
    assert cells["ccneg", "l1l2-rn-s0", "cc-neg", "", "accuracy"] >= 95
    assert abs(cells["ccneg", "l2-rn-s0", "cc-neg", "", "accuracy"] - clip) <= 10
