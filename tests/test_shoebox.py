"""The paper's run from end to end on a few items of everything, in the real layouts: two minutes on two cores."""

import html
import json
import re
import zipfile
from itertools import product

import pandas as pd
import pytest
import yaml
from aiohttp import web
from conftest import copy_repository
from fetching import serving
from shoebox import CAPTIONS, DEAD, MISLABELLED, pack, picture
from workflows import snakemake

from pipeline_lib.jobs.files import read_json, read_parquet
from pipeline_lib.paper.outputs import FIGURE_FORMATS, FIGURES, TABLE_FORMATS, TABLE_ITEMS
from pipeline_lib.paper.tables.schema import read_tables
from pipeline_lib.preflight.registry import read_registry

pytestmark = pytest.mark.slow


async def answer(request: web.Request) -> web.Response:
    """Serve the photos of the captions file."""
    number = int(request.path.strip("/").removesuffix(".jpg"))
    if number == DEAD:
        return web.Response(status=404)
    if number == MISLABELLED:
        return web.Response(text="<html>", content_type="image/jpeg")
    return web.Response(body=picture(number, (60, 48)), content_type="image/jpeg")


def shoebox(folder, *arguments):
    """Run the engine on the shoebox; return its result and what it said."""
    done = snakemake("--configfile", "config/paper.yaml", "shoebox.yaml", *arguments, folder=folder)
    return done, done.stdout + done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run."""
    folder = copy_repository(tmp_path_factory.mktemp("shoebox"))
    with serving(answer) as port:
        pack(folder, port)
        done, said = shoebox(folder, "--cores", "8", "--scheduler", "greedy", "--show-failed-logs")
    assert done.returncode == 0, said[-8000:]
    return folder


@pytest.fixture(scope="module")
def tables(run):
    """The table of all results."""
    return read_tables(run / "results" / "tables.parquet")[0]


def test_every_link_has_an_outcome_and_every_row_is_accounted_for(run):
    outcomes = pd.concat(read_parquet(run / f"results/shoebox/fetch/{part:05d}.parquet") for part in range(2))
    failed = outcomes[outcomes.status == "failed"].set_index("key").failure
    assert len(outcomes) == len(CAPTIONS) + 2
    assert dict(failed) == {f"{DEAD:09d}": "http", f"{MISLABELLED:09d}": "not-an-image"}
    rows = read_json(run / "results/shoebox/shards/index.json")["rows"]
    others = ("without_image", "refused_caption", "without_image_and_refused_caption")
    assert rows["rows"] == len(outcomes) == rows["samples"] + sum(rows[name] for name in others)
    assert rows["samples"] >= 40


def test_every_model_has_its_benchmarks_in_the_tables(run, tables):
    config = yaml.safe_load((run / "config" / "paper.yaml").read_text())
    found = tables.groupby("table").dataset.agg(set)
    few = {"mcq", "negated-retrieval"}  # which this run leaves out
    assert {*config["evaluate"]["benchmarks"]} - {"sugarcrepe", "truth-table", *few} <= found["negation"]
    assert {"truth-table/trained", "truth-table/unseen"} <= found["truth-table"]
    assert {name for name, entry in config["evaluate"]["zeroshot"]["datasets"].items() if entry} <= found["zeroshot"]
    models = tables.groupby("table").model.agg(set)
    trained = {"conclip-b32-s0", "conclip-b32-s1"}
    assert {"vit-b32", "vit-b16", "negclip-b32", "blind-rule", "blind-words", *trained} <= models["ccneg"]
    assert models["sugarcrepe"] >= {"vit-b32", "negclip-b32", *trained}
    assert "crepe-b32-s0" in models["ablation"] and "vit-b16" not in models["zeroshot"]
    prompts = set(tables[tables.table == "zeroshot"].prompt)
    assert prompts == {"plain", "bare", "photo", "ensemble"}


def test_numbers_are_those_of_the_items_and_stand_beside_the_papers(run, tables):
    cells = tables.set_index(["table", "model", "dataset", "metric"])
    items = read_parquet(run / "results/shoebox/evaluate/conclip-b32-s0/ccneg.parquet")
    before = read_parquet(run / "results/shoebox/evaluate/vit-b32/ccneg.parquet")
    assert (items.key == before.key).all()
    assert (items.score_true - before.score_true).abs().min() > 1e-4  # it has learnt
    row = cells.loc["ccneg", "conclip-b32-s0", "cc-neg", "accuracy"]
    assert row.value.item() == pytest.approx(100 * items.correct.mean()) and row.n.item() == len(items)
    assert row.published.item() == 99.70
    assert cells.loc["ccneg", "negclip-b32", "cc-neg", "accuracy"].published.item() == 62.63
    valse = cells.loc["negation", "vit-b32", "valse-existence", "accuracy"]
    assert valse.n.item() == 6 and valse.published.item() == 70.97
    assert cells.loc["negation", "vit-b32", "valse-existence/valid", "accuracy"].n.item() == 5


def test_a_finished_run_has_nothing_to_do_and_preflight_finds_everything(run):
    _, said = shoebox(run, "--dry-run", "--cores", "2")
    assert "Nothing to be done" in said, said[-6000:]
    report, said = shoebox(run, "--cores", "1", "--quiet", "all", "--", "preflight")
    assert report.returncode == 0 and " missing " not in said, said
    names = {entry.name for entry in read_registry(run / "config" / "datasets.tsv")}
    assert len([name for name in names if f" {name}:" in said]) > 15


def test_every_item_of_snakemakes_report_has_its_caption_and_labels(run):
    done, said = shoebox(run, "--report", "report.zip")
    assert done.returncode == 0, said[-3000:]
    with zipfile.ZipFile(run / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
    listed, _ = json.JSONDecoder().raw_decode(page, re.search(r"var results = (?={)", page).end())
    expected = {"results/shoebox/report.html", "results/shoebox/captions/quality.html"}
    tables, figures = product(TABLE_ITEMS.items(), TABLE_FORMATS), product(FIGURES.items(), FIGURE_FORMATS)
    for kind, items in (("table", tables), ("figure", figures)):
        for (name, item), suffix in items:
            path = f"results/shoebox/{kind}s/{name}.{suffix}"
            expected.add(path)
            assert listed[path]["labels"] == {kind: name, "format": suffix.upper()}
            (caption,) = re.findall(r"^<p>(.+)</p>\s*$", listed[path]["caption"], re.DOTALL)
            start = html.unescape(re.sub(r"<.*?>", "", caption)).replace("\n", " ")
            assert start.startswith(item.caption[:60].replace("`", "")), path
    assert set(listed) == expected
    assert all(item["labels"]["format"] and "system-message" not in item["caption"] for item in listed.values())


def test_a_part_of_a_dataset_that_is_gone_is_named_before_anything_runs(run):
    path = run / "data" / "zeroshot" / "food-101" / "meta" / "test.json"
    content = path.read_bytes()
    path.unlink()
    try:
        _, said = shoebox(run, "--dry-run", "--cores", "2", "--forcerun", "features")
    finally:
        path.write_bytes(content)
    assert "features/pools/food-101: data/zeroshot/food-101/meta/test.json" in said
