"""Evaluation: metrics by hand, tie rules, classifiers, readers."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import ROOT
from torch.nn import functional

from pipeline_lib.clip.load import tokenize
from pipeline_lib.clip.training import baseline
from pipeline_lib.evaluate import ccneg, sugarcrepe, zeroshot
from pipeline_lib.evaluate.kinds import SUGARCREPE_GROUPS
from pipeline_lib.evaluate.metrics import accuracy, mean_per_class, prefers_caption, strictly_prefers_caption
from pipeline_lib.features.store import Features, save_features, tower_id
from pipeline_lib.jobs.files import read_parquet, write_json

PARTS = [part for parts in SUGARCREPE_GROUPS.values() for part in parts]


def test_accuracy_by_hand():
    assert accuracy(np.array([True, False, True, True])) == 75.0
    with pytest.raises(ValueError, match="at least one item"):
        accuracy(np.array([], dtype=bool))


def test_mean_per_class_weighs_classes_not_items():
    labels, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])
    assert accuracy(labels == predicted) == 75.0
    assert mean_per_class(labels, predicted) == 50.0


def test_a_tie_is_correct_on_ccneg_and_wrong_on_sugarcrepe():
    scores, others = np.array([0.5, 0.4, 0.3]), np.array([0.4, 0.4, 0.4])
    assert prefers_caption(scores, others).tolist() == [True, True, False]
    assert strictly_prefers_caption(scores, others).tolist() == [True, False, False]


def test_ccneg_items_and_subsets():
    triplets = pd.DataFrame({"key": list("abcd"), "negation_word": ["no", "not", "not", "no"], "n_pairs": [1, 2, 7, 5]})
    images = torch.tensor([[1.0, 0.0]] * 4)
    captions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    negated = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    items = ccneg.score_items(triplets, images, captions, negated)
    assert items["correct"].tolist() == [True, False, True, True]  # c is a tie
    values = {entry["dataset"]: (entry["value"], entry["n"]) for entry in ccneg.ccneg_metrics(items)}
    assert values == {
        "cc-neg": (75.0, 4),
        "cc-neg/word=no": (100.0, 2),
        "cc-neg/word=not": (50.0, 2),
        "cc-neg/pairs=1": (100.0, 1),
        "cc-neg/pairs=2": (0.0, 1),
        "cc-neg/pairs=5": (100.0, 2),
    }


def test_a_classifier_is_the_normalised_mean_of_its_prompts(tiny_clip):
    templates = ["a photo of a {}.", "a bad photo of the {}."]
    wanted = [(["dog", "red ball"], templates), (["cat"], templates[:1]), (["dog"], templates[:1])]
    weights = zeroshot.classifiers(tiny_clip, wanted)
    assert [len(part) for part in weights] == [2, 1, 1]
    cases = [
        (row, name, used)
        for part, (classes, used) in zip(weights, wanted, strict=True)
        for row, name in zip(part, classes, strict=True)
    ]
    with torch.no_grad():
        for row, name, used in cases:
            prompts = [template.format(name) for template in used]
            features = functional.normalize(tiny_clip.encode_text(tokenize(prompts)), dim=-1)
            torch.testing.assert_close(row, functional.normalize(features.mean(dim=0), dim=-1), rtol=1e-4, atol=1e-5)


def test_zeroshot_items_and_metrics():
    weights = torch.eye(3)
    features = functional.normalize(torch.tensor([[1, 0, 0], [1, 0.5, 0], [0, 1, 0], [0, 0.1, 1]]).float(), dim=-1)
    pool = Features(list("abcd"), features, torch.tensor([0, 1, 1, 2]), "tower")
    items = zeroshot.score_items("pets", "plain", pool, weights)
    assert items["predicted"].tolist() == [0, 0, 1, 2]
    assert items["correct"].tolist() == [True, False, True, True]
    assert items["score_label"][1] == pytest.approx(0.5 / 1.25**0.5)
    metrics = zeroshot.zeroshot_metrics(items)
    assert [(entry["metric"], entry["value"], entry["prompt"]) for entry in metrics] == [
        ("top1", 75.0, "plain"),
        ("mean_per_class", pytest.approx(250 / 3), "plain"),
    ]


@pytest.mark.parametrize(
    ("labels", "found"), [(None, "no labels"), (torch.tensor([0, 2]), "0 to 2"), (torch.tensor([0, 1]), None)]
)
def test_a_labelled_set_needs_a_class_for_each_label(tmp_path, labels, found):
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    path = str(tmp_path / "pets.safetensors")
    save_features(path, Features(["a", "b"], torch.eye(2), labels, "tower"))
    if found is None:
        classes, pool = zeroshot.read_dataset(str(tmp_path / "classes.txt"), [path], "tower")
        assert (classes, pool.keys) == (["dog", "cat"], ["a", "b"])
    else:
        with pytest.raises(ValueError, match=rf"pets\.safetensors: expected labels from 0 to 1 .*, found {found}"):
            zeroshot.read_dataset(str(tmp_path / "classes.txt"), [path], "tower")


def test_the_command_scores_sets_of_several_shards(tmp_path, monkeypatch, tiny_clip, tiny_checkpoint):
    tower, shards = tower_id(tiny_clip), [tmp_path / "00000.safetensors", tmp_path / "00001.safetensors"]
    rows = functional.normalize(torch.randn(3, 32, generator=torch.Generator().manual_seed(0)), dim=-1)
    save_features(shards[0], Features(["a", "b"], rows[:2], torch.tensor([0, 1]), tower))
    save_features(shards[1], Features(["c"], rows[2:], torch.tensor([1]), tower))
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    write_json(tmp_path / "run.json", baseline("tiny"))
    flags = [
        *("--weights", tiny_checkpoint, "--record", tmp_path / "run.json", "--threads", 1),
        *(
            "--dataset",
            "pets",
            tmp_path / "classes.txt",
            *shards,
            "--prompt",
            "plain",
            "a {}",
            "--prompt",
            "no",
            "no {}",
        ),
        *("--scores", tmp_path / "scores.parquet", "--metrics", tmp_path / "metrics.json"),
    ]
    monkeypatch.setattr("sys.argv", ["command", *map(str, flags)])
    zeroshot.main()
    items = read_parquet(tmp_path / "scores.parquet")
    assert items["key"].tolist() == list("abcabc")
    assert items["prompt"].tolist() == ["plain"] * 3 + ["no"] * 3
    with torch.no_grad():
        texts = functional.normalize(tiny_clip.encode_text(tokenize(["no dog", "no cat"])), dim=-1)
    expected = (rows @ texts.T)[[0, 1, 2], [0, 1, 1]]
    assert items["score_label"].tolist()[3:] == pytest.approx(expected.tolist(), abs=1e-5)


def write_sugarcrepe(folder, **changed):
    """Seven files of two items each."""
    for part in PARTS:
        item = {"filename": "000000000007.jpg", "caption": "a dog", "negative_caption": "a cat"}
        items = {"0": item, "2": item}
        (folder / f"{part}.json").write_text(json.dumps(changed.get(part, items)))


def test_sugarcrepe_files_are_read(tmp_path):
    write_sugarcrepe(tmp_path)
    rows = sugarcrepe.read_sugarcrepe(tmp_path)
    assert len(rows) == 14
    assert rows["part"].unique().tolist() == PARTS
    assert rows.iloc[1].tolist() == ["replace_obj", "2", "000000000007", "a dog", "a cat"]


def test_sugarcrepe_mistakes_are_named(tmp_path):
    write_sugarcrepe(tmp_path, add_att={"5": {"filename": "a.jpg", "caption": "a dog"}})
    with pytest.raises(ValueError, match=r"add_att\.json, item 5: expected the texts"):
        sugarcrepe.read_sugarcrepe(tmp_path)
    (tmp_path / "swap_obj.json").unlink()
    write_sugarcrepe(tmp_path, add_att=[])
    with pytest.raises(ValueError, match=r"add_att\.json: expected a JSON object"):
        sugarcrepe.read_sugarcrepe(tmp_path)
    (tmp_path / "swap_obj.json").unlink()
    write_sugarcrepe(tmp_path)
    (tmp_path / "swap_obj.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"swap_obj\.json: SugarCREPE has seven files"):
        sugarcrepe.read_sugarcrepe(tmp_path)


def test_sugarcrepe_groups_are_plain_means_of_their_parts():
    rows = [(part, part == "add_obj") for part in PARTS] + [("add_obj", True), ("add_obj", False)]
    metrics = sugarcrepe.sugarcrepe_metrics(pd.DataFrame(rows, columns=["part", "correct"]), "sugarcrepe")
    values = {entry["dataset"]: entry["value"] for entry in metrics}
    assert values["sugarcrepe/add_obj"] == pytest.approx(200 / 3)
    assert values["sugarcrepe/add"] == pytest.approx(100 / 3)
    assert values["sugarcrepe/swap"] == 0.0
    assert len(values) == 10


def test_a_part_with_another_number_of_items_than_published_is_refused(tmp_path):
    write_sugarcrepe(tmp_path)
    assert len(sugarcrepe.read_sugarcrepe(tmp_path, dict.fromkeys(PARTS, 2))) == 14
    with pytest.raises(ValueError, match=r"swap_obj\.json: expected 3 items as published, found 2"):
        sugarcrepe.read_sugarcrepe(tmp_path, {**dict.fromkeys(PARTS, 2), "swap_obj": 3})


def test_the_real_sugarcrepe_files_are_read_whole(real_data, tmp_path):
    config = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())["evaluate"]["benchmarks"]
    counts = config["sugarcrepe"]["count"]
    rows = sugarcrepe.read_sugarcrepe(real_data / "sugarcrepe", counts)
    assert len(rows) == 7511
    assert rows["key"].nunique() == 1560
    shutil.copytree(real_data / "sugarcrepe", tmp_path / "copy")
    changed = json.loads((tmp_path / "copy" / "swap_obj.json").read_text())
    assert "108" not in changed
    path = tmp_path / "copy" / "swap_obj.json"
    path.unlink()  # the copy is read-only
    path.write_text(json.dumps({**changed, "108": changed["0"]}))
    with pytest.raises(ValueError, match=r"swap_obj\.json: expected 245 items as published, found 246"):
        sugarcrepe.read_sugarcrepe(tmp_path / "copy", counts)
    assert (rows["key"].str.fullmatch(r"\d{12}")).all()
