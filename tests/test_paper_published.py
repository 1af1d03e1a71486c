"""Published numbers: from which source, and beside which of ours they stand."""

from pathlib import Path

import pandas as pd
import pytest
from made_up_items import PROMPTS
from papers import PUBLISHED_HEADER, make_tables, write_metrics

from pipeline_lib.paper.tables.published import ZEROSHOT_DATASETS, published_cell, read_published
from pipeline_lib.paper.tables.schema import read_tables

PAPER_DATASETS = sorted(ZEROSHOT_DATASETS)
MODELS = [
    ("vit-b32", "CLIP", "vit-b32", None, None, None),
    ("conclip-b32-s0", "CoN-CLIP", "vit-b32", "conclip", "ccneg", 0),
    ("longer-b32-s0", "CoN-CLIP (longer)", "vit-b32", "conclip", "ccneg", 0),
    ("l2-b32-s0", "CoN-CLIP", "vit-b32", "l2", "ccneg", 0),
    ("crepe-b32-s0", "CoN-CLIP", "vit-b32", "l1+c2i", "crepe", 0),
    ("l1-crepe-b32-s0", "CoN-CLIP", "vit-b32", "l1", "crepe", 0),
]


def on_paper_backbone(folder: Path, models: list, **zeroshot) -> pd.DataFrame:
    """The tables of models on the paper's backbone, with what was published of each cell as the index says."""
    assert make_tables(folder, write_metrics(folder, models, **zeroshot)) is None
    found, _ = read_tables(folder / "tables.parquet")
    found["prompt"] = found.prompt.fillna("")
    return found.set_index(["table", "model", "dataset", "prompt", "metric"]).sort_index()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def judged(folder):
    """The tables of the paper's models with its datasets and all prompts, as `on_paper_backbone` gives them."""
    prompts = (*PROMPTS, "photo", "ensemble")
    return on_paper_backbone(folder, MODELS, datasets=PAPER_DATASETS, prompts=prompts)


@pytest.fixture
def published(judged):
    """What was published of each cell, and where."""
    return judged[["published", "published_provenance"]]


def test_published_numbers_stand_beside_the_same_backbone_only(published, folder):
    assert tuple(published.loc["ccneg", "conclip-b32-s0", "cc-neg", "", "accuracy"]) == (99.70, "paper")
    assert tuple(published.loc["ccneg", "vit-b32", "cc-neg", "", "accuracy"]) == (65.75, "replication")
    assert tuple(published.loc["ablation", "l2-b32-s0", "cc-neg", "", "accuracy"]) == (56.07, "paper")
    assert tuple(published.loc["ablation", "conclip-b32-s0", "cc-neg", "", "accuracy"]) == (99.70, "paper")
    assert published.xs("longer-b32-s0", level="model").published.isna().all()  # another recipe
    swaps = published.loc["sugarcrepe", "vit-b32", "sugarcrepe/swap_obj", "", "accuracy"]
    assert tuple(swaps) == (60.41, "replication")
    assert pd.isna(published.loc["ccneg", "l2-b32-s0", "cc-neg", "", "accuracy"].published)
    assert tuple(published.loc["negation", "conclip-b32-s0", "valse-existence", "", "accuracy"]) == (71.72, "quoted")
    retrieval = published.loc["negation", "conclip-b32-s0", "negbench-retrieval", ""]
    assert retrieval.published.dropna().to_dict() == {"recall@1": 27.2}
    mcq = published.loc["negation", "conclip-b32-s0"].xs("accuracy", level="metric").published.droplevel("prompt")
    assert mcq["negbench-mcq-coco"] == 23.88 and mcq["negbench-mcq-coco/negative"] == 33.53
    assert pd.isna(mcq["valse-existence/valid"])
    assert "(99.7)" in (folder / "tables" / "headline.md").read_text(encoding="utf-8")
    rows = pd.read_csv(folder / "tables" / "ccneg.csv")
    assert rows["accuracy (published)"].dropna().tolist() == [65.75, 99.70]


def test_published_numbers_stand_beside_the_same_prompt_only(published):
    for model, bare, photo in (("vit-b32", 81.5, 85.63), ("conclip-b32-s0", 86.8, 87.81)):
        cells = published.loc["zeroshot", model, "caltech-101"].xs("top1", level="metric")
        assert tuple(cells.loc["bare"]) == (bare, "radar")
        assert tuple(cells.loc["photo"]) == (photo, "replication")
        assert cells.loc[["plain", "ensemble"]].published.isna().all()
    conclip = published.loc["zeroshot", "conclip-b32-s0"]
    assert tuple(conclip.loc["mean", "bare", "gain"]) == (2.95, "paper")
    assert tuple(published.loc["ablation", "conclip-b32-s0", "zero-shot/mean", "bare", "top1"]) == (73.95, "paper")
    others = conclip.drop(index=[("mean", "bare", "gain")])
    assert set(others.dropna().index.get_level_values("prompt")) == {"bare", "photo"}
    assert set(others.dropna().index.get_level_values("metric")) == {"top1"}
    # The paper does not say of which backbone its figure of CIFAR-10 under both prompts is.
    assert published.loc["negated-prompt"].published.isna().all()


def test_published_means_stand_beside_means_over_the_same_datasets_only(tmp_path):
    published = on_paper_backbone(tmp_path, MODELS[:2], datasets=PAPER_DATASETS[:-1])
    assert published.loc["zeroshot", "vit-b32", "caltech-101", "bare", "top1"].published == 81.5
    assert pd.isna(published.loc["zeroshot", "conclip-b32-s0", "mean", "bare", "gain"].published)


def test_the_papers_number_on_crepe_negate_is_that_of_the_loss_in_the_authors_files(judged):
    cells = judged.xs("sugarcrepe/add", level="dataset").loc["ablation"][["published", "reason"]].droplevel([1, 2])
    assert tuple(cells.loc["crepe-b32-s0"]) == (81.14, None)
    assert tuple(cells.loc["l1-crepe-b32-s0"]) == (81.14, "other loss")


def test_published_prefers_the_paper_and_never_compares_recalled_numbers(tmp_path):
    path = tmp_path / "published.tsv"
    path.write_text(
        PUBLISHED_HEADER + "ccneg\tCLIP\tvit-b32\tcc-neg\t\taccuracy\t1\trecalled\t\t\n"
        "ccneg\tCLIP\tvit-b16\tcc-neg\t\taccuracy\t2\treplication\t\t\n"
        "ccneg\tCLIP\tvit-b16\tcc-neg\t\taccuracy\t3\tpaper\t\t\n"
        "ccneg\tCLIP\tvit-b16\tcc-neg\t\taccuracy\t4\tquoted\t\t\n"
        "ccneg\tCLIP\trn50\tcc-neg\t\taccuracy\t5\tquoted\tone\tgelu\n"
        "ccneg\tCLIP\trn50\tcc-neg\t\taccuracy\t6\tquoted\tanother\t\n"
    )
    row = {"table": "ccneg", "family": "CLIP", "loss": None, "negatives": None, "dataset": "cc-neg", "prompt": None}
    row["metric"] = "accuracy"
    published = read_published(path)
    assert published[published_cell(row | {"backbone": "vit-b32"})] == (1.0, "recalled", 0.5, "", "")
    assert published[published_cell(row | {"backbone": "vit-b16"})] == (3.0, "paper", 0.5, "", "")
    assert published[published_cell(row | {"backbone": "rn50"})] == (5.0, "quoted", 0.5, "one", "gelu")
    assert published_cell(row | {"backbone": "mini-vit"}) not in published
