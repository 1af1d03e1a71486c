"""Folders for others: the libraries that people use load them, and the cards say nothing that the tables do not."""

import json
import re
import shutil

import duckdb
import numpy as np
import pandas as pd
import polars
import pytest
import torch
import webdataset
import yaml
from conftest import TINY, TINY_RESNET, call, write_pool

from pipeline_lib.backbones.pretrain import build
from pipeline_lib.clip.load import load_clip, load_torchvision, save_checkpoint
from pipeline_lib.clip.text_tower import encode_text
from pipeline_lib.clip.tokenizer import tokenize
from pipeline_lib.jobs.files import write_json, write_parquet
from pipeline_lib.paper.tables.schema import read_tables
from pipeline_lib.share import dataset, model
from pipeline_lib.share.card import numbers

N = {"train": 8, "eval": 4}
RECORD = {
    "model": "conclip-vit-s0", "family": "CoN-CLIP", "backbone": "mini-vit", "loss": "conclip", "negatives": "ccneg",
    "seed": 0, "commit": "0123456789abcdef", "dirty": False, "samples": 8, "device": "cpu",
    "recipe": {"epochs": 5, "lr": 1e-6},
}  # fmt: skip
CAPTIONS = ["a dog on a sofa", "a dog that is not on a sofa"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, made_up_run):
    """The folder of a finished run, as far as sharing reads it."""
    folder = shutil.copytree(made_up_run, tmp_path_factory.mktemp("run") / "made-up")
    keys = [f"{row:09}" for row in range(sum(N.values()))]
    frame = pd.DataFrame({"key": keys, "caption": "a dog, on a sofa", "negated_caption": "a dog not on a sofa"})
    frame = frame.assign(exclusion_caption="a dog", object="a sofa", negation_word="not")
    for split, rows in (("train", frame[: N["train"]]), ("eval", frame[N["train"] :])):
        write_parquet(folder / "shards" / f"{split}.parquet", rows.assign(n_pairs=1))
        write_pool(folder / "shards" / f"{split}-00000.tar", len(rows), caption="a dog, on a sofa")
    pairs = [[{"predicate": "on", "object": "a sofa"}]] * len(keys)
    quality = pd.DataFrame({"key": keys, "pairs": pairs, "quality": np.linspace(0.6, 0.9, len(keys))})
    write_parquet(folder / "captions" / "00000.parquet", quality[:5])
    write_parquet(folder / "captions" / "00001.parquet", quality[5:])
    links = pd.DataFrame({"key": keys, "url": [f"http://h.test/{key}.jpg" for key in keys]})
    write_parquet(folder / "fetch" / "00000.parquet", links)
    rows = {"rows": 20, "samples": 12, "without_image": 5, "refused_caption": 3, "without_image_and_refused_caption": 0}
    write_json(folder / "shards" / "index.json", {"rows": rows})
    for name, architecture in (("conclip-vit-s0", TINY), ("conclip-rn-s0", TINY_RESNET)):
        torch.manual_seed(0)
        place = folder / "finetune" / name
        place.mkdir(parents=True)
        save_checkpoint(place / "model.pt", build(architecture))
        write_json(place / "run.json", RECORD | {"model": name, "backbone": f"mini-{name.split('-')[1]}"})
    return folder


def metadata(folder):
    """The front matter of a card, which the hub reads."""
    return yaml.safe_load((folder / "README.md").read_text().split("---")[1])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # webdataset leaves shards open
def test_the_data_set_is_read_by_the_libraries_that_people_use(finished, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    from datasets import load_dataset

    out = tmp_path / "cc-neg"
    call(dataset.main, "--run", finished, "--output", out, "--image-licence", "drawn by us, CC0")
    files = {split: str(out / "data" / f"{split}.parquet") for split in N}
    expected = dataset.samples(finished, "train")
    for cache, loaded in enumerate((load_dataset("parquet", data_files=files), load_dataset(str(out)))):
        assert {split: rows.num_rows for split, rows in loaded.items()} == N, cache
        assert loaded["train"].column_names == list(dataset.COLUMNS)
        assert loaded["train"][0]["pairs"] == [{"predicate": "on", "object": "a sofa"}]
    assert polars.read_parquet(files["train"])["link"].to_list() == expected["link"].tolist()
    found = duckdb.sql(f"select word, count(*), min(quality) from '{files['train']}' group by word").fetchall()
    assert found == [("not", N["train"], expected["quality"].min())]
    shards = str(out / "images" / "train-00000.tar")
    images = load_dataset("webdataset", data_files={"train": shards}, split="train")
    assert images.num_rows == N["train"] and images[0]["jpg"].size == images[1]["jpg"].size
    assert images[0]["json"]["caption"] == "a dog, on a sofa"
    assert len(list(webdataset.WebDataset(shards, shardshuffle=False).decode("pil"))) == N["train"]


def test_images_are_given_on_only_with_a_stated_licence(finished, tmp_path):
    call(dataset.main, "--run", finished, "--output", tmp_path / "without")
    assert not (tmp_path / "without" / "images").exists()
    assert [one["config_name"] for one in metadata(tmp_path / "without")["configs"]] == ["captions"]
    assert "They belong to their owners" in (tmp_path / "without" / "README.md").read_text()
    call(dataset.main, "--run", finished, "--output", tmp_path / "with", "--image-licence", "drawn by us, CC0")
    assert "Images: drawn by us, CC0" in (tmp_path / "with" / "README.md").read_text()
    assert [one["config_name"] for one in metadata(tmp_path / "with")["configs"]] == ["captions", "images"]


def test_an_unfinished_or_released_run_is_refused(finished, tmp_path):
    broken = shutil.copytree(finished, tmp_path / "broken")
    (broken / "captions" / "00001.parquet").unlink()
    mistake = call(dataset.main, "--run", broken, "--output", tmp_path / "out")
    assert "7 samples" not in str(mistake) and "samples of the split train have no link or no quality" in str(mistake)
    shutil.rmtree(broken / "fetch")
    assert "no table of the stage fetch" in str(call(dataset.main, "--run", broken, "--output", tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    mistake = call(model.main, "--run", finished, "--model", "conclip", "--output", tmp_path / "out")
    assert "no such model" in str(mistake) and "conclip-rn-s0, conclip-vit-s0" in str(mistake)


def test_a_folder_is_made_whole_and_never_beside_other_files(finished, tmp_path):
    out = tmp_path / "made" / "cc-neg"
    out.mkdir(parents=True)
    call(dataset.main, "--run", finished, "--output", out)
    assert [path.name for path in out.parent.iterdir()] == ["cc-neg"]
    before = sorted(out.rglob("*"))
    mistake = call(dataset.main, "--run", finished, "--output", out, "--image-licence", "CC0")
    assert "name another one" in str(mistake) and sorted(out.rglob("*")) == before
    assert "name another one" in str(call(model.main, "--run", finished, "--model", "conclip-rn-s0", "--output", out))


def test_a_model_gives_the_same_features_everywhere(finished, tmp_path):
    load_torchvision()
    import clip
    import open_clip
    from transformers import CLIPModel

    out, tokens = tmp_path / "model", tokenize(CAPTIONS)
    call(model.main, "--run", finished, "--model", "conclip-vit-s0", "--output", out)
    ours = load_clip(finished / "finetune" / "conclip-vit-s0" / "model.pt")
    opened, _ = open_clip.create_model_from_pretrained(f"local-dir:{out}")
    paper = clip.model.build_model(dict(ours.state_dict())).float()  # stands for clip.load, which needs the network
    paper.load_state_dict(torch.load(out / "model.pt", map_location="cpu")["model"])
    with torch.no_grad():
        expected = encode_text(ours, tokens)
        found = CLIPModel.from_pretrained(out).get_text_features(tokens)
        for features in (opened.encode_text(tokens), getattr(found, "pooler_output", found), paper.encode_text(tokens)):
            assert (features - expected).abs().max() < 1e-5
    assert metadata(out)["library_name"] == "open_clip"


def test_every_number_on_a_card_stands_in_the_tables(finished, tmp_path):
    call(model.main, "--run", finished, "--model", "conclip-rn-s0", "--output", tmp_path)
    card, tables = (tmp_path / "README.md").read_text(), read_tables(finished / "tables.parquet")[0]
    assert "`transformers` has no CLIP with a ResNet" in card and not (tmp_path / "config.json").exists()
    section = card.split("## Numbers of this run")[1].split("##")[0]
    shown = re.findall(r"(-?\d+\.\d) \[(-?\d+\.\d), (-?\d+\.\d)\]", section)
    own = pd.concat([numbers(tables, name) for name in ("conclip-rn-s0", "mini-rn")])
    exact = {tuple(f"{value:.1f}" for value in row) for row in own[["value", "low", "high"]].itertuples(index=False)}
    assert len(shown) > 20 and set(shown) <= exact
    accuracy = json.loads((finished / "evaluate" / "conclip-rn-s0" / "ccneg.json").read_text())["metrics"][0]["value"]
    assert "CC-Neg, accuracy (chance 50)" in section and f"{accuracy:.1f} [" in section
