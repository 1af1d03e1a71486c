"""A run on the released CC-Neg: the released distractor mapping, the configuration, and what is planned."""

import json
import re

import pandas as pd
import pytest
import torch
import yaml
from conftest import call
from released import key
from workflows import load, merged, snakemake

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
    flags = {
        **{"--mapping": tmp_path / "mapping.pt", "--captions": captions, "--triplets": tmp_path / "train.parquet"},
        **{"--count": COUNT, "--eval-last": EVAL_LAST, "--output": tmp_path / "distractors.parquet"},
    }
    assert call(released.main, *(text for flag in flags.items() for text in flag)) is None
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


@pytest.mark.slow
def test_with_the_release_nothing_is_fetched_or_negated_and_all_else_is_planned(empty_copy):
    def planned(config=None, ccneg="released"):
        files = ()
        if config:
            (empty_copy / "mine.yaml").write_text(yaml.safe_dump(config))
            files = ("--configfile", "mine.yaml")
        options = ("--dry-run", "--printshellcmds", "--cores", "2", "--strict-dag-evaluation", "functions")
        done = snakemake(*options, *files, folder=empty_copy)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert f"--ccneg {ccneg} " in said  # the tables say whose items they are of
        return dict(re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE))

    own = planned(ccneg="generated")
    (empty_copy / "images").mkdir()
    for name in ("ccneg.pt", "mapping.pt", "captions.json"):
        (empty_copy / name).touch()
    theirs = planned({"shards": {"released": RELEASED}})
    mapped = planned({"shards": {"released": RELEASED}, "distractors": {"released": MAPPING}})

    gone = {"fetch", "captions_negate", "fetch_summary", "captions_quality", "shards_build"}
    assert set(own) - set(theirs) == gone
    assert set(theirs) - set(own) == {"shards_release", "shards_build_released"}
    assert theirs["shards_build_released"] == own["shards_build"] == "2"
    assert set(theirs) - set(mapped) == {"distractors_choose"}
    assert set(mapped) - set(theirs) == {"distractors_released"}
    same = set(own) - gone - {"total"}
    assert {name: own[name] for name in same} == {name: theirs[name] for name in same}
