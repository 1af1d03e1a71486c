"""The paper stage's tables: finished metrics -> tidy table, readable tables."""

import csv
import io
import re
from pathlib import Path
from statistics import fmean

import numpy as np
import pyarrow.parquet as pq
import pytest
from made_up_items import DATASETS
from papers import command, make_figures, make_tables, value, write_metrics

from pipeline_lib.paper.outputs import TABLE_FILES, TABLES
from pipeline_lib.paper.tables.layout import layout
from pipeline_lib.paper.tables.overview import headline
from pipeline_lib.paper.tables.schema import COLUMNS, KEY, read_tables


def test_several_seeds_have_a_mean_row_and_a_single_seed_has_none(tables):
    means, *seeds = (tables[tables.model == f"conclip-vit{seed}"] for seed in ("", "-s0", "-s1"))
    assert means.equals(tables[tables.seeds > 1]) and set(means.seeds) == {2} and means.seed.isna().all()
    keys = [name for name in KEY if name not in ("model", "seed")]
    assert means[keys].fillna("").values.tolist() == seeds[0][keys].fillna("").values.tolist()
    assert means.value.to_numpy() == pytest.approx(np.mean([seed.value for seed in seeds], axis=0))


def test_ablation_covers_the_ablated_backbone_alone(tables):
    rows = tables[tables.table == "ablation"]
    assert set(rows.backbone) == {"mini-vit"}
    labels = [model for _, model in layout(tables, "ablation").values.index]
    assert labels == ["CLIP", "L1", "L2", "L_conclip (2 seeds)", "L1 on CREPE-Negate"]


def test_models_that_see_no_image_stand_beside_the_others_where_captions_are_chosen(tables):
    ccneg = {"ccneg", "ccneg-by-word", "ccneg-by-pairs"}
    for model, expected in (("blind-rule", ccneg), ("blind-words", {*ccneg, "sugarcrepe", "negation"})):
        rows = tables[tables.model == model]
        assert set(rows.table) == expected
        assert rows.p.isna().all() and rows.low.notna().all()
    last = [("none", f"{model} (sees no image)") for model in ("blind-rule", "blind-words")]
    assert layout(tables, "ccneg").values.index.tolist()[-2:] == last
    negation = layout(tables, "negation").values.loc[last[1]]
    retrieval = ["negated-retrieval AP", "negbench-retrieval R@1", "negbench-retrieval R@5"]
    assert negation[negation.isna()].index.tolist() == retrieval
    assert layout(tables, "sugarcrepe").values.loc[last[1]].notna().all()
    assert "text-only" not in "".join(tables.dataset[tables.model == "blind-words"])
    for name in ("ccneg", "negation", "sugarcrepe"):
        assert not layout(tables, name).best.loc["none"].to_numpy().any()
    assert "none" not in headline(tables).values.index.get_level_values("backbone")


def test_benchmarks_without_a_table_of_their_own_share_one(tables):
    arranged = layout(tables, "negation")
    columns = [
        "negated-retrieval AP", "negbench-mcq-coco", "negbench-retrieval R@1", "negbench-retrieval R@5",
        "sugarcrepe-plus", "valse-existence",
    ]  # fmt: skip
    assert arranged.headings() == ["backbone", "model", *columns]
    expected = [
        value("mini-rn", dataset, None, metric)
        for dataset, metric in (
            ("negated-retrieval", "average_precision"), ("negbench-mcq-coco", "accuracy"),
            ("negbench-retrieval", "recall@1"), ("negbench-retrieval", "recall@5"),
            ("sugarcrepe-plus", "accuracy"), ("valse-existence", "accuracy"),
        )
    ]  # fmt: skip
    assert arranged.values.loc[("mini-rn", "CLIP")].tolist() == expected


def test_the_truth_table_has_a_row_for_each_wording_of_every_model_and_of_the_variants_too(tables):
    arranged = layout(tables, "truth-table")
    numbers = ["caption", "… if shown", "… if not", "image", "… affirmed", "… denied", "all four", "text effect",
               "image effect", "interaction"]  # fmt: skip
    assert arranged.headings() == ["backbone", "model", "benchmark", *numbers]
    own = arranged.values.loc[("mini-vit", "L1", "truth-table unseen")]
    cells = [("", "caption"), ("/present", "caption"), ("/absent", "caption"), ("", "image"), ("/present", "image"),
             ("/absent", "image"), ("", "all_four"), *(("", metric) for metric in ("text_effect", "image_effect",
             "interaction"))]  # fmt: skip
    assert own.tolist() == [value("l1-vit-s0", f"truth-table/unseen{part}", None, metric) for part, metric in cells]
    models = arranged.values.index.get_level_values("model")
    assert list(dict.fromkeys(models)) == ["CLIP", "CoN-CLIP", "L1", "L2", "CoN-CLIP (2 seeds)", "L1 on CREPE-Negate"]
    effects = arranged.values[["text effect", "image effect"]].columns
    assert not arranged.best[effects].to_numpy().any()  # neither a high nor a low one is wanted


def test_a_run_without_the_later_benchmarks_has_an_empty_table_and_no_sugarcrepe_is_needed(tmp_path):
    paths = [path for path in write_metrics(tmp_path) if path.endswith(("ccneg.json", "zeroshot.json"))]
    assert make_tables(tmp_path, paths) is None
    tables = read_tables(tmp_path / "tables.parquet")[0]
    assert layout(tables, "negation").values.empty and layout(tables, "sugarcrepe").values.empty
    assert "no model for this table" in (tmp_path / "tables" / "negation.md").read_text()
    assert list(headline(tables).values.columns) == ["CC-Neg ↑", "zero-shot ↑", "negated prompt ↓"]


def test_parquet_types_descriptions_and_order(made_up_run, tables):
    stored = pq.read_schema(made_up_run / "tables.parquet")
    assert stored.names == list(COLUMNS) and stored.metadata[b"run"] == b"test"
    for name, (type_, nullable, meaning) in COLUMNS.items():
        field = stored.field(name)
        assert (field.type, field.nullable, field.metadata[b"description"].decode()) == (type_, nullable, meaning)
    assert tables.seed.dtype == "Int64" and not tables.duplicated(KEY).any()
    assert list(dict.fromkeys(tables.table)) == list(TABLES)
    pairs = tables[(tables.table == "ccneg-by-pairs") & (tables.model == "mini-rn")].dataset
    assert list(pairs) == ["cc-neg/pairs=1", "cc-neg/pairs=2", "cc-neg/pairs=5"]
    models = list(dict.fromkeys(tables.model[tables.table == "ccneg"]))
    assert models == [
        "mini-rn", "conclip-rn-s0", "mini-vit", "l1-vit-s0", "l2-vit-s0", "conclip-vit-s0", "conclip-vit-s1",
        "conclip-vit", "crepe-vit-s0", "blind-rule", "blind-words",
    ]  # fmt: skip


def test_tables_folder_holds_the_listed_files(made_up_run):
    assert {path.name for path in (made_up_run / "tables").iterdir()} == set(TABLE_FILES)


def test_headline_numbers(made_up_run, tables):
    rows = read_csv(made_up_run / "tables" / "headline.csv")
    assert [(row["backbone"], row["model"]) for row in rows] == [
        ("mini-rn", "CLIP"), ("mini-rn", "CoN-CLIP"), ("mini-vit", "CLIP"), ("mini-vit", "CoN-CLIP (2 seeds)"),
    ]  # fmt: skip
    expected = {
        "CC-Neg ↑": value("conclip-rn-s0", "cc-neg", None, "accuracy"),
        "zero-shot ↑": fmean(value("conclip-rn-s0", dataset, "plain", "top1") for dataset in DATASETS),
        "negated prompt ↓": fmean(value("conclip-rn-s0", dataset, "negated", "top1") for dataset in DATASETS),
        "SugarCREPE ↑": fmean(
            value("conclip-rn-s0", f"sugarcrepe/{name}", None, "accuracy") for name in ("replace", "add", "swap")
        ),
    }
    assert {name: float(rows[1][name]) for name in expected} == pytest.approx(expected, abs=0.005)
    printed = command("headline", "--tables", made_up_run / "tables.parquet")
    assert printed.returncode == 0 and headline(tables).to_markdown() in printed.stdout
    assert headline(tables).to_markdown() in (made_up_run / "tables" / "headline.md").read_text(encoding="utf-8")


def test_csv_and_markdown_agree(made_up_run):
    for table in TABLES:
        written = read_csv(made_up_run / "tables" / f"{table}.csv")
        lines = (made_up_run / "tables" / f"{table}.md").read_text(encoding="utf-8").splitlines()
        cells = [[text.strip() for text in line.strip("|").split("|")] for line in lines if line.startswith("|")]
        headings, _, *rows = cells
        for shown, exact in zip(rows, written, strict=True):
            assert list(exact)[: len(headings)] == headings
            for name, text in zip(headings, shown, strict=True):
                if text == exact[name]:
                    continue
                value, *ends = map(float, re.findall(r"[-+]?[\d.]+", text))
                assert value == pytest.approx(float(exact[name]), abs=0.0551)
                assert (f"{name} (low)" in exact) == (table != "embeddings")
                if table != "embeddings":
                    low, high = float(exact[f"{name} (low)"]), float(exact[f"{name} (high)"])
                    assert low <= float(exact[name]) <= high and ends in ([], pytest.approx([low, high], abs=0.0551))


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_the_zeroshot_table_shows_each_prompt_with_both_accuracies_and_gain(made_up_run):
    rows = read_csv(made_up_run / "tables" / "zeroshot.csv")
    shown = [(row["prompt"], row["row"]) for row in rows if (row["backbone"], row["model"]) == ("mini-rn", "CoN-CLIP")]
    assert shown == [(prompt, row) for prompt in ("plain", "bare") for row in ("top-1", "mean per class", "gain")]


def test_models_of_other_origin_stand_beside_with_the_benchmarks_that_they_have(tmp_path):
    models = [
        ("vit-b32", "CLIP", "vit-b32", None, None, None),
        ("conclip-b32-s0", "CoN-CLIP", "vit-b32", "conclip", "ccneg", 0),
        ("conclip-b32-released", "CoN-CLIP (released)", "vit-b32", None, None, None),
        ("negclip-b32", "Neg-CLIP", "vit-b32", None, None, None),
        ("rn50", "CLIP", "rn50", None, None, None),
        ("negclip-rn50", "Neg-CLIP", "rn50", None, None, None),
        ("flava-full", "FLAVA", "flava-full", None, None, None),
    ]
    few = {"rn50": ["ccneg"], "flava-full": ["ccneg"], "negclip-b32": ["ccneg", "zeroshot"]}
    metrics = write_metrics(tmp_path, models)
    metrics = [path for path in metrics if Path(path).stem in few.get(Path(path).parent.name, [Path(path).stem])]
    assert make_tables(tmp_path, metrics) is None
    found, _ = read_tables(tmp_path / "tables.parquet")
    listed = found[found.table == "ccneg"].drop_duplicates("model")
    assert list(zip(listed.backbone, listed.family, strict=True)) == [
        *(("rn50", "CLIP"), ("rn50", "Neg-CLIP"), ("vit-b32", "CLIP"), ("vit-b32", "CoN-CLIP")),
        *(("vit-b32", "CoN-CLIP (released)"), ("vit-b32", "Neg-CLIP"), ("flava-full", "FLAVA")),
    ]
    assert listed.set_index("model").published["conclip-b32-released"] == 99.70  # of CoN-CLIP
    gains = set(found.model[found.metric == "gain"])  # rn50 was not classified
    assert gains == {"conclip-b32-s0", "conclip-b32-released", "negclip-b32"}
    assert set(found.model[found.table == "sugarcrepe"]) == {model for model, *_ in models if model not in few}
    rows = {row["model"]: row for row in read_csv(tmp_path / "tables" / "headline.csv") if row["backbone"] == "vit-b32"}
    assert rows["Neg-CLIP"]["SugarCREPE ↑"] == "" and rows["Neg-CLIP"]["CC-Neg ↑"] != ""
    make_figures(tmp_path, tmp_path / "tables.parquet", metrics)


def test_the_spread_of_embeddings_has_two_decimals_and_is_no_negation_benchmark(made_up_run, tables):
    arranged = layout(tables, "embeddings")
    parts = ("captions", "negated", "own-negation")
    cells = [*((part, "cosine") for part in parts), *((part, "dimensions") for part in parts[:2])]
    assert arranged.headings()[2:] == [f"{part.replace('-', ' ')} {metric}" for part, metric in cells]
    expected = [value("mini-rn", f"cc-neg/{part}", None, metric) for part, metric in cells]
    assert arranged.values.loc[("mini-rn", "CLIP")].tolist() == expected
    row = next(row for row in arranged.text_rows() if row[:2] == ["mini-rn", "CLIP"])
    assert row[2:] == [f"{number:.2f}" for number in expected]
    row = next(row for row in read_csv(made_up_run / "tables" / "embeddings.csv") if row["model"] == "CLIP")
    assert row["captions cosine"] == f"{expected[0]:.3f}"
    assert not tables[tables.table == "negation"].dataset.str.startswith("cc-neg").any()
    labels = [model for backbone, model in arranged.values.index if backbone == "mini-vit"]
    assert labels == ["CLIP", "L1", "L2", "CoN-CLIP (2 seeds)", "L1 on CREPE-Negate"]
