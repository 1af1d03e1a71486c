"""The released CC-Neg and its distractor mapping: files in the released structure, with the corners that they have."""

import copy
import json
import pickle
import re
import shutil
import sys
from unittest import mock

import pandas as pd
import pytest
import torch
import yaml
from conftest import jpeg_bytes
from released import annotation, key
from workflows import CONFIG_SCHEMA, load, merged, snakemake

from pipeline_lib.config.checks import check_config
from pipeline_lib.config.inputs import missing_data
from pipeline_lib.distractors import released
from pipeline_lib.distractors.released import read_mapping
from pipeline_lib.formats.coco import image_keys
from pipeline_lib.formats.tars import read_samples
from pipeline_lib.jobs.files import read_json, read_parquet
from pipeline_lib.shards import build_released, release
from pipeline_lib.shards import index as shards_index
from pipeline_lib.shards.release import negation_word, read_release
from pipeline_lib.shards.release_layout import UNPACKED

COUNT, EVAL_LAST = 12, 4
PREFIXES = ("/workspace/datasets/cc3m/", "", "../", "C:\\data/", "/a dir, with commas/")


def content_of(count=COUNT):
    """The content of a released file."""
    return {
        "image_paths": [
            f"{PREFIXES[index % len(PREFIXES)]}ccneg_images/{UNPACKED}/{key(index)}.jpg" for index in range(count)
        ],
        "annotations": [annotation(index) for index in range(count)],
    }


@pytest.fixture
def save(tmp_path):
    """A function that saves a release and returns its path."""

    def save(content):
        path = tmp_path / "ccneg_preprocessed.pt"
        torch.save(content, path)
        return path

    return save


def write_images(folder, indices):
    """Write the images of some rows as the archive unpacks."""
    (folder / UNPACKED).mkdir(parents=True, exist_ok=True)
    for index in indices:
        (folder / UNPACKED / f"{key(index)}.jpg").write_bytes(jpeg_bytes((index * 20, 30, 90)))


def run(module, *arguments):
    """Run a command of the pipeline, in this process."""
    with mock.patch.object(sys, "argv", [module.__name__, *map(str, arguments)]):
        module.main()


def build_part(folder, images, part="00000", parts=1, missing=0):
    """Run the command of the rule `shards_released`."""
    run(
        build_released,
        *("--release", folder / "release.parquet", "--images", images, "--part", part, "--parts", parts),
        *("--most-missing", missing, "--train", folder / f"train-{part}.tar", "--eval", folder / f"eval-{part}.tar"),
        *("--triplets", folder / f"triplets-{part}.parquet", "--counts", folder / f"counts-{part}.json"),
    )


def build(folder, annotations, images, parts, missing=0):
    """Run the commands of the rules `release`, `shards_released` and `shards_index`."""
    run(
        release,
        *("--annotations", annotations, "--count", COUNT, "--eval-last", EVAL_LAST),
        *("--negated-commas", "remove", "--output", folder / "release.parquet"),
    )
    names = [f"{part:05d}" for part in range(parts)]
    for name in names:
        build_part(folder, images, name, parts, missing)
    run(
        shards_index,
        *("--triplets", *(folder / f"triplets-{name}.parquet" for name in names)),
        *("--counts", *(folder / f"counts-{name}.json" for name in names)),
        *("--shards", *(folder / f"{split}-{name}.tar" for split in ("train", "eval") for name in names)),
        *("--train", folder / "train.parquet", "--eval", folder / "eval.parquet", "--index", folder / "index.json"),
    )


def test_a_row_becomes_a_triplet_with_the_releases_split(save):
    frame = read_release(save(content_of()), COUNT, EVAL_LAST, "remove")
    assert frame["release_index"].tolist() == list(range(COUNT))
    assert frame["key"].tolist() == [key(index) for index in range(COUNT)]
    assert frame["split"].tolist() == ["train"] * 8 + ["eval"] * 4
    assert frame["n_pairs"].tolist() == [1, 2, 3] * 4
    assert frame["reason"].isna().all()
    assert frame.drop(columns="reason").iloc[3].to_dict() == {
        "release_index": 3,
        "key": key(3),
        "split": "train",
        "caption": "a dog on a sofa , number 3",
        "negated_caption": "a dog not on a sofa number 3",
        "exclusion_caption": "a dog number 3",
        "object": "sofa",
        "negation_word": "not",
        "n_pairs": 1,
    }
    kept = read_release(save({**content_of(), "num_ops": {1: [0, 3], 2: [1], 3: [2]}}), COUNT, EVAL_LAST, "keep")
    assert kept["negated_caption"][3] == "a dog, not on a sofa, number 3"
    assert kept.drop(columns="negated_caption").equals(frame.drop(columns="negated_caption"))


@pytest.mark.parametrize(
    ("caption", "negated", "word"),
    [
        ("a dog on a sofa", "a dog, not on a sofa", "not"),
        ("a dog on a sofa", "No dog on a sofa", "no"),
        ("a house without a roof by the sea", "a house without a roof that is not by the sea", "not"),
        ("a sign that says no", "a sign that does not say no", "not"),
        ("a cat , a dog", "a cat without a dog and not a tree", "without"),
        ("a man without a hat", "a man without a hat isn't here", "without"),
        ("a dog on a sofa", "a dog that isn't on a sofa", "none"),
        ("a dog", "nothing but a no-entry sign", "none"),
    ],
)
def test_the_negation_word_is_the_one_that_the_caption_lacks(caption, negated, word):
    assert negation_word(caption, negated) == word


def test_a_row_that_lacks_a_text_or_is_too_long_is_refused_with_the_reason(save):
    content = content_of()
    rows = content["annotations"]
    del rows[0]["sop_data"]["negative-prompt"]
    rows[1]["sop_data"]["exclusion-prompt"] = None
    rows[2]["sop_data"]["sop_chosen_object"] = " "
    rows[3]["json"]["caption"] = 17
    rows[4]["sop_data"]["negative-prompt"] = "not " * 76
    rows[5]["sop_data"]["sop_decomposition"] = None
    rows[6]["sop_data"] = None
    # 75 words fit once the comma, a token of its own, is gone.
    rows[7]["sop_data"]["negative-prompt"] = "a, " + "not " * 74
    frame = read_release(save(content), COUNT, EVAL_LAST, "remove")
    refused = ["no-negated-caption", "no-exclusion-caption", "no-object", "no-caption", "too-long"]
    assert frame["reason"][:5].tolist() == refused
    assert frame["n_pairs"][5] == 0
    assert frame["reason"][6] == "no-negated-caption"
    assert frame["reason"].isna().tolist() == [False] * 5 + [True, False] + [True] * 5
    assert read_release(save(content), COUNT, EVAL_LAST, "keep")["reason"][7] == "too-long"
    assert frame["split"].tolist() == ["train"] * 8 + ["eval"] * 4


def test_evaluation_wants_the_two_captions_alone(save):
    content = content_of()
    for index, sop in (
        (8, {"sop_chosen_object": None}),
        (9, {"exclusion-prompt": "far " * 80}),
        (10, {"negative-prompt": ""}),
    ):
        content["annotations"][index] = annotation(index, **sop)
    reasons = read_release(save(content), COUNT, EVAL_LAST, "remove")["reason"]
    assert reasons[8:].isna().tolist() == [True, True, False, True] and reasons[10] == "no-negated-caption"


def changed(**entries):
    """A release with some entries of its lists replaced: ``image_paths=(row, value)``."""
    content = content_of()
    for name, (row, value) in entries.items():
        content[name][row] = value
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "expected a dictionary with lists image_paths and annotations, found a list"),
        ({"test": {}}, r"lists image_paths and annotations, found the keys \['test'\]"),
        (content_of(11), "expected 12 image paths and as many annotations .* found 11 and 11"),
        ({**content_of(), "annotations": content_of()["annotations"][1:]}, "found 12 and 11"),
        (changed(image_paths=(2, "/workspace/../../etc/passwd")), r"row 2: expected a path to <nine digits>\.jpg"),
        (changed(image_paths=(2, "/workspace/123.jpg")), "row 2: expected a path to <nine digits>"),
        (changed(image_paths=(2, "/workspace/٠٠٠٠٠٠٠٠١.jpg")), "row 2: expected a path to <nine digits>"),
        (changed(image_paths=(2, None)), "row 2: expected a path to <nine digits>.jpg, found None"),
        (
            changed(image_paths=(5, f"x/{key(4)}.jpg"), annotations=(5, annotation(4))),
            f"row 5: key {key(4)} stands in row 4 already",
        ),
        (changed(annotations=(5, annotation(6))), f"row 5: the image is {key(5)}.jpg, but the annotation is of"),
    ],
)
def test_a_file_that_is_not_the_release_is_refused(save, content, message):
    with pytest.raises(ValueError, match=message):
        read_release(save(content), COUNT, EVAL_LAST, "remove")


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_code_in_a_file_is_never_run(save, tmp_path):
    bomb = Bomb(str(tmp_path / "executed"))
    refused = "expected the released .* without any code in it"
    with pytest.raises(ValueError, match=refused):
        read_release(save({**content_of(), "args": bomb}), COUNT, EVAL_LAST, "remove")
    with pytest.raises(ValueError, match=refused):
        read_mapping(save([[1, 2, 3], bomb]), (2,), 9)
    plain = tmp_path / "plain.pt"
    plain.write_bytes(pickle.dumps(bomb))
    with pytest.raises(ValueError, match=r"plain\.pt: expected the released"):
        read_release(plain, COUNT, EVAL_LAST, "remove")
    assert not (tmp_path / "executed").exists()


def test_a_truncated_or_missing_file_is_named(save, tmp_path):
    path = save(content_of())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"ccneg_preprocessed\.pt: expected the released CC-Neg annotations"):
        read_release(path, COUNT, EVAL_LAST, "remove")
    with pytest.raises(FileNotFoundError, match=r"none\.pt: no such file"):
        read_release(tmp_path / "none.pt", COUNT, EVAL_LAST, "remove")


def test_the_split_stays_the_releases_when_images_are_missing_and_rows_refused(save, tmp_path):
    content = content_of()
    content["annotations"][9]["sop_data"]["negative-prompt"] = ""
    write_images(tmp_path / "images", [index for index in range(COUNT) if index not in (0, 3, 10)])
    with pytest.raises(
        ValueError, match=rf"2 of the 4 images of this part are missing, such as {key(0)}\.jpg; complete"
    ):
        build(tmp_path, save(content), tmp_path / "images", parts=3, missing=1)
    build(tmp_path, save(content), tmp_path / "images", parts=3, missing=2)
    indices = {
        split: read_parquet(tmp_path / f"{split}.parquet")["release_index"].tolist() for split in ("train", "eval")
    }
    assert indices == {"train": [1, 2, 4, 5, 6, 7], "eval": [8, 11]}
    rows = read_json(tmp_path / "index.json")["rows"]
    assert rows["rows"] == COUNT == rows["samples"] + rows["without_image"] + rows["refused_no_negated_caption"]
    assert (rows["samples"], rows["without_image"], rows["train"], rows["eval"]) == (8, 3, 6, 2)
    for split in ("train", "eval"):
        stored = [pair for part in range(3) for pair in read_samples(tmp_path / f"{split}-{part:05d}.tar")]
        assert [name for name, _ in stored] == [key(index) for index in indices[split]]
        for (name, parts), index in zip(stored, indices[split], strict=True):
            assert parts["jpg"] == (tmp_path / "images" / UNPACKED / f"{name}.jpg").read_bytes()
            said = json.loads(parts["json"])
            assert (said["release_index"], said["caption"]) == (index, f"a dog on a sofa , number {index}")


def test_images_are_found_in_the_folder_itself_and_a_wrong_or_broken_one_is_named(save, tmp_path):
    images = tmp_path / "images"
    write_images(images, range(COUNT))
    build(tmp_path, save(content_of()), images / UNPACKED, parts=1)
    assert read_json(tmp_path / "index.json")["rows"]["samples"] == COUNT

    (tmp_path / "empty").mkdir()
    again = tmp_path / "again"
    again.mkdir()
    shutil.copy(tmp_path / "release.parquet", again)
    broken = images / UNPACKED / f"{key(2)}.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    for folder, mistake, message in (
        (tmp_path / "nowhere", FileNotFoundError, f"{tmp_path / 'nowhere'}: no such folder"),
        (tmp_path / "empty", ValueError, f"12 of the 12 images of this part are missing, such as {key(0)}.jpg"),
        (images, ValueError, f"{broken}: the image of sample {key(2)} does not decode"),
    ):
        with pytest.raises(mistake, match=re.escape(message)):
            build_part(again, folder)
    assert [path.name for path in again.iterdir()] == ["release.parquet"]


def coco(path, ids, **first):
    """Write a captions file of COCO with these images, in this order."""
    images = [{"id": number, "file_name": f"{number:012d}.jpg", "height": 480, "width": 640} for number in ids]
    images[0].update(first)
    captions = [{"image_id": number, "id": place, "caption": "a dog"} for place, number in enumerate(ids)]
    path.write_text(json.dumps({"info": {}, "images": images, "annotations": captions}))
    return path


def test_a_distractor_is_found_by_row_of_the_release_and_by_sorted_id(tmp_path):
    captions = coco(tmp_path / "captions_train2017.json", [391895, 9, 25, 522418, 184613])
    torch.save([[(index * 3 + 1) % 5, 0, 1] for index in range(COUNT - EVAL_LAST)], tmp_path / "mapping.pt")
    kept = [1, 2, 7]
    triplets = pd.DataFrame({"key": [key(index) for index in kept], "release_index": kept})
    triplets.to_parquet(tmp_path / "train.parquet")
    run(
        released,
        *("--mapping", tmp_path / "mapping.pt", "--captions", captions),
        *("--triplets", tmp_path / "train.parquet", "--count", COUNT, "--eval-last", EVAL_LAST),
        *("--output", tmp_path / "distractors.parquet"),
    )
    found = read_parquet(tmp_path / "distractors.parquet")
    by_id = ["000000000009", "000000000025", "000000184613", "000000391895", "000000522418"]
    assert found["key"].tolist() == triplets["key"].tolist()
    assert found["distractor"].tolist() == [by_id[(index * 3 + 1) % 5] for index in kept]
    assert list(found) == ["key", "distractor", "score"]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ([[0, 1, 2]], r"expected a list with 3 or 2 entries, one per row of the release, found a list of 1"),
        ({"a": 1}, "found a dict"),
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


def test_cocos_images_are_counted_by_id_and_mistakes_named(tmp_path):
    path = tmp_path / "captions.json"
    assert image_keys(coco(path, [30, 2, 100])) == ["000000000002", "000000000030", "000000000100"]
    for ids, first, message in (
        ([2, 3, 3], {}, r"captions\.json: image 3 occurs twice"),
        ([2, 3], {"file_name": "COCO_train2014_000000000002.jpg"}, "as COCO 2017 has them, found"),
        ([2, 3], {"id": "2"}, "expected images with an id"),
    ):
        with pytest.raises(ValueError, match=message):
            image_keys(coco(path, ids, **first))
    path.write_text('{"annotations": []}')
    with pytest.raises(ValueError, match="expected COCO's annotations, with a list `images`"):
        image_keys(path)
    with pytest.raises(FileNotFoundError, match=r"annotations_trainval2017\.zip"):
        image_keys(tmp_path / "none.json")


RELEASED = {"annotations": "ccneg.pt", "images": "images", "count": COUNT, "eval_last": EVAL_LAST, "most_missing": 0}
MAPPING = {"mapping": "mapping.pt", "captions": "captions.json"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"distractors": {"released": MAPPING}},
            "distractors/released: .* under shards/released, found null",
        ),
        ({"shards": {"released": {**RELEASED, "eval_last": COUNT}}}, "eval_last: expected less than count, 12"),
        ({"shards": {"released": {**RELEASED, "image": "x"}}}, "unknown key 'image'; did you mean 'images'?"),
    ],
)
def test_a_mistake_in_the_configuration_is_explained(changes, message):
    with pytest.raises(ValueError, match=message):
        check_config(merged(changes, load("config.yaml")), CONFIG_SCHEMA)


def test_the_released_configuration_fits_and_names_its_own_files(tmp_path, monkeypatch):
    config = merged(load("released-ccneg.yaml"), merged(load("paper.yaml"), load("config.yaml")))
    check_config(config, CONFIG_SCHEMA)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "ccneg" / "ccneg_images").mkdir(parents=True)
    missing = missing_data(config)
    assert [line for line in missing if "released" in line or "fetch" in line] == [
        "shards/released/annotations: data/ccneg/ccneg_preprocessed.pt",
        "distractors/released/mapping: data/ccneg/distractor_image_mapping.pt",
        "distractors/released/captions: data/coco/annotations/captions_train2017.json",
    ]


def test_with_the_release_nothing_is_fetched_or_negated_and_all_else_is_planned(empty_copy):
    def planned(*files, ccneg="released"):
        options = ("--dry-run", "--printshellcmds", "--cores", "2", "--strict-dag-evaluation", "functions")
        done = snakemake(*options, *files, folder=empty_copy)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"--ccneg {ccneg} " in done.stdout + done.stderr  # the tables say whose items they are of
        return dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE))

    own = planned(ccneg="generated")
    mine = {"shards": {"released": copy.deepcopy(RELEASED)}}
    (empty_copy / "mine.yaml").write_text(yaml.safe_dump(mine))
    (empty_copy / "images").mkdir()
    for name in ("ccneg.pt", "mapping.pt", "captions.json"):
        (empty_copy / name).touch()
    theirs = planned("--configfile", "mine.yaml")
    (empty_copy / "mine.yaml").write_text(yaml.safe_dump({**mine, "distractors": {"released": MAPPING}}))
    mapped = planned("--configfile", "mine.yaml")

    gone = {"fetch", "negate", "fetch_summary", "captions_quality", "shards"}
    assert set(own) - set(theirs) == gone
    assert set(theirs) - set(own) == {"release", "shards_released"}
    assert theirs["shards_released"] == own["shards"] == "2"
    assert set(theirs) - set(mapped) == {"distractors"}
    assert set(mapped) - set(theirs) == {"distractors_released"}
    same = set(own) - gone - {"total"}
    assert {name: own[name] for name in same} == {name: theirs[name] for name in same}
