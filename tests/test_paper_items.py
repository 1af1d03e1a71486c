"""Every number of the tables from the measured ones, and with what its interval and test should be by its items."""

import re
from functools import cache

import duckdb
import numpy as np
import pandas as pd
import polars
import pytest
from conftest import ROOT
from made_up_items import DATASETS, ITEMS
from papers import BLIND, BLIND_ON, MODELS, make_tables, measured, write_metrics
from scipy import stats

from pipeline_lib.jobs.files import write_parquet
from pipeline_lib.paper.outputs import REASONS, VERDICTS
from pipeline_lib.paper.tables.intervals import RESAMPLES
from pipeline_lib.paper.tables.schema import COLUMNS, read_tables

CLIP = {model: backbone for model, _, backbone, loss, *_ in MODELS if loss}
SEEDS = {"conclip-vit": ["conclip-vit-s0", "conclip-vit-s1"]}
CATEGORIES = [f"sugarcrepe/{name}" for name in ("replace", "add", "swap")]


@pytest.fixture(scope="module")
def numbers():
    """Value and n of every measured number, by model, dataset, prompt and metric."""
    return {
        (model, one["dataset"], one["prompt"], one["metric"]): (one["value"], one["n"])
        for model, *_ in (*MODELS, *BLIND)
        for benchmark in BLIND_ON.get(model, ITEMS)
        for one in measured(model, benchmark)[1]
    }


@pytest.fixture(scope="module")
def right(made_up_run):
    """The right answers of a model on CC-Neg, or on a labelled set under a prompt, item by item."""

    @cache
    def items_of(model: str, benchmark: str) -> pd.DataFrame:
        return pd.read_parquet(made_up_run / "evaluate" / model / f"{benchmark}.parquet")

    def answers(model: str, dataset: str = "cc-neg", prompt: str | None = None) -> np.ndarray:
        if dataset == "cc-neg":
            return items_of(model, "ccneg").correct.to_numpy()
        items = items_of(model, "zeroshot")
        return items[(items.dataset == dataset) & (items.prompt == prompt)].correct.to_numpy()

    return answers


def answer(numbers, model: str, dataset: str, prompt: str | None, metric: str) -> tuple[float, int]:
    """Value and n of a row, from measured numbers alone."""
    if model in SEEDS:
        found = [answer(numbers, run, dataset, prompt, metric) for run in SEEDS[model]]
        return np.mean([value for value, _ in found]), found[0][1]
    if dataset in ("mean", "zero-shot/mean", "sugarcrepe/mean"):
        parts = CATEGORIES if dataset.startswith("sugarcrepe") else DATASETS
        found = [answer(numbers, model, part, prompt, metric) for part in parts]
        return np.mean([value for value, _ in found]), sum(n for _, n in found)
    if metric == "gain":
        other, n = answer(numbers, CLIP[model], dataset, prompt, "top1")
        return answer(numbers, model, dataset, prompt, "top1")[0] - other, n
    if metric == "delta":
        other, n = answer(numbers, model, dataset, "negated", "top1")
        return answer(numbers, model, dataset, "plain", "top1")[0] - other, n
    return numbers[model, dataset, prompt, metric]


def test_every_number_of_the_tables_follows_from_measured_ones_and_each_of_these_is_a_row(tables, numbers):
    cells = set(tables[["model", "dataset", "prompt", "metric"]].itertuples(index=False, name=None))
    for cell in numbers:
        assert (cell in cells) == (cell[2] != "negated" or cell[3] == "top1"), cell
    for model, family, *_ in MODELS:
        for name in (*DATASETS, "mean"):
            assert (model, name, None, "delta") in cells
            assert ((model, name, "bare", "gain") in cells) == (family != "CLIP")
    for row in tables[tables.table != "embeddings"].itertuples():
        value, n = answer(numbers, row.model, row.dataset, row.prompt, row.metric)
        assert (row.value, row.n) == (pytest.approx(value, abs=1e-9), n), row


def test_the_documentation_has_every_column_and_reason():
    text = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in (*COLUMNS, *REASONS, *VERDICTS))


def test_intervals_hold_the_value_and_are_as_wide_as_items_make_them(tables):
    scored = tables.table != "embeddings"  # which have no items
    assert ((tables.low <= tables.value) & (tables.value <= tables.high)).equals(scored)
    assert tables.low.isna().equals(~scored) and tables.high.isna().equals(~scored)
    plain = tables[(tables.seeds == 1) & tables.metric.isin(["accuracy", "top1", "recall@1"])]
    plain = plain[~plain.dataset.str.contains("mean|sugarcrepe") & plain.value.between(10, 90) & (plain.n >= 40)]
    share = plain.value / 100
    expected = 100 * 2 * 1.96 * np.sqrt(share * (1 - share) / plain.n)
    assert len(plain) > 100
    assert (plain.high - plain.low).to_numpy() == pytest.approx(expected.to_numpy(), rel=0.2)


def resampled(differences: list[np.ndarray]) -> np.ndarray:
    """Means over datasets of resampled differences, drawn item by item."""
    rng = np.random.default_rng(2)
    means = [part[rng.integers(len(part), size=(RESAMPLES, len(part)))].mean(axis=1) for part in differences]
    return 100 * np.mean(means, axis=0)


def test_differences_and_means_are_resampled_in_pairs_and_by_dataset(tables, right):
    rows = tables.set_index(["table", "model", "dataset", "metric", "prompt"])
    tuned = {name: np.mean([right(run, name, "plain") for run in SEEDS["conclip-vit"]], axis=0) for name in DATASETS}
    gains = [tuned[name] - right("mini-vit", name, "plain") for name in DATASETS]
    plain, negated = ([right("conclip-rn-s0", name, prompt) for name in DATASETS] for prompt in ("plain", "negated"))
    deltas = [one.astype(int) - other for one, other in zip(plain, negated, strict=True)]
    for key, differences in (
        (("zeroshot", "conclip-vit", "mean", "gain", "plain"), gains),
        (("zeroshot", "conclip-vit", DATASETS[0], "gain", "plain"), gains[:1]),
        (("negated-prompt", "conclip-rn-s0", "mean", "delta", None), deltas),
    ):
        expected = resampled(differences)
        row = rows.loc[[key]].iloc[0]
        width = expected.std()
        assert (row.low, row.high) == pytest.approx(np.percentile(expected, [2.5, 97.5]), abs=0.15 * width)
    (seeds,) = rows.loc[[("ccneg", "conclip-vit", "cc-neg", "accuracy", None)]].itertuples()
    expected = resampled([np.mean([right(run) for run in SEEDS["conclip-vit"]], axis=0)])
    assert (seeds.low, seeds.high) == pytest.approx(np.percentile(expected, [2.5, 97.5]), abs=0.45)


def test_the_standard_deviation_is_that_over_seeds(tables):
    assert tables["std"].notna().equals(tables.seeds > 1)
    mean = tables[(tables.table == "ccneg") & (tables.model == "conclip-vit")].iloc[0]
    runs = tables[(tables.table == "ccneg") & tables.model.isin(SEEDS["conclip-vit"])]
    assert mean["std"] == pytest.approx(runs.value.std(ddof=1)) and mean["std"] > 0


def test_p_is_mcnemars_against_clip_corrected_within_the_table(tables, right):
    rows = tables[(tables.table == "ccneg") & (tables.seeds == 1) & (tables.dataset == "cc-neg")].set_index("model")
    raw = {}
    for model, clip in CLIP.items():
        one, other = right(model), right(clip)
        gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
        raw[model] = stats.binomtest(gained, gained + lost).pvalue
    tested = tables[(tables.table == "ccneg") & tables.p.notna()]
    assert set(tested.model) == {*CLIP, *SEEDS}
    assert all(raw[model] <= rows.p[model] <= min(1, raw[model] * len(tested)) * (1 + 1e-9) for model in CLIP)
    lowest = tested.p.idxmin()
    if tested.model[lowest] in raw:
        assert tested.p[lowest] == pytest.approx(raw[tested.model[lowest]] * len(tested))
    others = tables[tables.p.isna()]
    assert set(CLIP.values()) <= set(others.model)
    single = tables[(tables.metric == "top1") & tables.model.isin(CLIP) & ~tables.dataset.str.contains("mean")]
    assert single.p.notna().all()
    recall = tables.metric.str.startswith("recall")
    together = tables[(recall & ~tables.dataset.str.contains("/")) | (tables.table == "truth-table")]
    assert len(together) and together.p.isna().all()
    of_images = tables[recall & tables.dataset.str.contains("/") & tables.model.isin(CLIP)]  # each drawn alone
    assert len(of_images) and of_images.p.notna().all()
    assert tables.p[tables.metric.isin(["gain", "delta", "mean_per_class"])].isna().all()
    assert tables.p[tables.dataset.isin(["sugarcrepe/add", "sugarcrepe/mean", "mean", "sugarcrepe-plus"])].isna().all()


def test_another_model_changes_no_interval(made_up_run, tables, tmp_path):
    metrics = [path for path in map(str, (made_up_run / "evaluate").glob("*/*.json")) if "/l2-vit-s0/" not in path]
    assert make_tables(tmp_path, metrics) is None
    fewer = read_tables(tmp_path / "tables.parquet")[0]
    key = ["table", "model", "dataset", "prompt", "metric"]
    both = fewer.merge(tables, on=key, suffixes=("", "_before"))
    assert len(both) == len(fewer)
    assert both.low.equals(both.low_before.rename("low")) and both.high.equals(both.high_before.rename("high"))


def test_items_and_files_in_another_order_give_the_same_bytes(made_up_run, tmp_path):
    metrics = write_metrics(tmp_path)
    for name in ("mini-vit/ccneg", "conclip-rn-s0/negbench-retrieval", "l1-vit-s0/sugarcrepe"):
        path = tmp_path / "evaluate" / f"{name}.parquet"
        write_parquet(path, pd.read_parquet(path).sample(frac=1, random_state=1))
    assert make_tables(tmp_path, metrics[::-1]) is None
    assert (tmp_path / "tables.parquet").read_bytes() == (made_up_run / "tables.parquet").read_bytes()


def test_the_documented_queries_give_the_numbers_of_the_tables(made_up_run, tables):
    text = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    queries = block.replace("results/miniature/", f"{made_up_run}/").replace("results/", f"{made_up_run}/").split(";\n")
    listed, computed = (duckdb.sql(query).df() for query in queries if query.strip())
    expected = tables[tables.table == "ccneg"].set_index("model").value
    assert dict(zip(listed.model, listed.value, strict=True)) == dict(expected)
    assert list(listed.value) == sorted(listed.value)
    assert set(computed.model) == {name for name, *_ in (*MODELS, *BLIND)}
    for row in computed.itertuples():
        assert row.accuracy == pytest.approx(expected[row.model])
    (query,) = re.findall(r"pl\.read_parquet\(.*\)", text)
    found = eval(query.replace("results/", f"{made_up_run}/"), {"pl": polars})
    assert set(found["model"]) == {name for name, *_ in (*MODELS, *BLIND)}
    (code,) = re.findall(r"```python\n(items = .*?)```", text, re.DOTALL)
    first, second, last = code.replace("results/miniature", str(made_up_run)).splitlines()
    names = {"pd": pd}
    exec(f"{first}\n{second}\nanswer = {last}", names)
    row = tables.query("table == 'zeroshot' and model == 'mini-rn' and dataset == 'kinds' and prompt == 'plain'")
    assert row.value[row.metric == "top1"].tolist() == [pytest.approx(names["answer"], abs=1e-9)]


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with one kind of missing value and of text, whoever read it."""
    return frame.astype(object).where(frame.notna(), None)


@pytest.mark.parametrize("name", ["tables", "evaluate/mini-vit/ccneg", "evaluate/mini-rn/zeroshot"])
def test_polars_and_duckdb_read_what_pandas_reads(made_up_run, name):
    path = made_up_run / f"{name}.parquet"
    expected = plain(pd.read_parquet(path))
    assert len(expected) > 100
    by_polars = pd.DataFrame(polars.read_parquet(path).to_dict(as_series=False))
    for frame in (by_polars, duckdb.sql(f"SELECT * FROM '{path}'").df()):
        pd.testing.assert_frame_equal(plain(frame), expected, check_dtype=False)
