"""A run on the released CC-Neg: the released distractor mapping, the configuration, and what is planned."""

import json

import pandas as pd
import pytest
import torch
from conftest import call
from released import key
from workflows import load, merged, plan

from pipeline_lib.config.checks import check_config
from pipeline_lib.config.inputs import missing_data
from pipeline_lib.distractors import released
from pipeline_lib.distractors.released import read_mapping
from pipeline_lib.jobs.files import read_parquet

COUNT, EVAL_LAST = 12, 4


def test_a_distractor_is_found_by_row_of_the_release_and_by_sorted_id(tmp_path):
    ids, captions = [391895, 9, 25, 522418, 184613], tmp_path / "captions_train2017.json"
    captions.write_text(json.dumps({"images": [{"id": n, "file_name": f"{n:012d}.jpg"} for n in ids]}))
    torch.save([[(index * 3 + 1) % 5, 0, 1] for index in range(COUNT - EVAL_LAST)], tmp_path / "mapping.pt")
    kept = [1, 2, 7]
    triplets = pd.DataFrame({"key": [key(index) for index in kept], "release_index": kept})
    triplets.to_parquet(tmp_path / "train.parquet")
    flags = {"mapping": tmp_path / "mapping.pt", "captions": captions, "triplets": tmp_path / "train.parquet"}
    flags |= {"count": COUNT, "eval_last": EVAL_LAST, "output": tmp_path / "distractors.parquet"}
    assert call(released.main, **flags) is None
    found = read_parquet(tmp_path / "distractors.parquet")
    assert found["key"].tolist() == triplets["key"].tolist()
    assert found["distractor"].tolist() == [f"{sorted(ids)[(index * 3 + 1) % 5]:012d}" for index in kept]
    assert list(found) == ["key", "distractor", "score"]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ([[0, 1, 2]], r"expected a list with 3 or 2 entries, one per row of the release, found a list of 1"),
        ({"a": 1}, r"found \{'a': 1\}"),
        ([[0, 1, 2], [5, 0, 1]], "row 1: expected positions among the 5 images of the captions file, found"),
        ([[0, 1, 2], [0, 0, -1]], "row 1: expected positions among the 5"),
        ([[0, 1, 2], [0.0, 1, 2]], "row 1: expected a list of whole numbers"),
        ([[0, 1, 2], [True, 1, 2]], "row 1: expected a list of whole numbers"),
        ([[0, 1, 2], []], "row 1: expected a list of whole numbers"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(tmp_path, mapping, message):
    torch.save(mapping, tmp_path / "mapping.pt")
    with pytest.raises(ValueError, match=message):
        read_mapping(tmp_path / "mapping.pt", (3, 2), 5)


RELEASED = {"annotations": "ccneg.pt", "images": "images", "count": COUNT, "eval_last": EVAL_LAST, "most_missing": 0}
MAPPING = {"mapping": "mapping.pt", "captions": "captions.json"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distractors": {"released": MAPPING}}, "distractors/released: .* under shards/released, found null"),
        ({"shards": {"released": {**RELEASED, "eval_last": COUNT}}}, "eval_last: expected less than count, 12"),
        ({"shards": {"released": {**RELEASED, "image": "x"}}}, "unknown key 'image'; did you mean 'images'?"),
    ],
)
def test_a_mistake_in_the_configuration_is_explained(changes, message):
    with pytest.raises(ValueError, match=message):
        check_config(merged(changes, load("config.yaml")))


def test_the_released_configuration_fits_and_names_its_own_files(tmp_path, monkeypatch):
    config = merged(load("released-ccneg.yaml"), merged(load("paper.yaml"), load("config.yaml")))
    check_config(config)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "ccneg" / "ccneg_images").mkdir(parents=True)
    assert [line for line in missing_data(config) if "released" in line or "fetch" in line] == [
        "shards/released/annotations: data/ccneg/ccneg_preprocessed.pt",
        "distractors/released/mapping: data/ccneg/distractor_image_mapping.pt",
        "distractors/released/captions: data/coco/annotations/captions_train2017.json",
    ]


def test_without_the_released_mapping_distractors_are_chosen_and_the_tables_say_whose_items_they_are_of(empty_copy):
    (empty_copy / "images").mkdir()
    (empty_copy / "ccneg.pt").touch()
    for ccneg, files in (("generated", None), ("released", RELEASED)):
        jobs = {job.rule: job.command for job in plan(empty_copy, config={"shards": {"released": files}})}
        assert f"--ccneg {ccneg} " in jobs["paper_tables"]
        assert "distractors_choose" in jobs and ("fetch" in jobs) == (ccneg == "generated")
