"""The released CC-Neg and its distractor mapping: files in the released structure, with the corners that they have."""

import json
import pickle
import shutil

import pytest
import torch
from conftest import call, jpeg_bytes
from hostile import Touch
from released import annotation, key

from pipeline_lib.distractors.released import read_mapping
from pipeline_lib.formats.tars import read_samples
from pipeline_lib.jobs.files import read_json, read_parquet
from pipeline_lib.shards import UNPACKED, release
from pipeline_lib.shards import index as shards_index
from pipeline_lib.shards.release import negation_word, read_release

COUNT, EVAL_LAST = 12, 4
PREFIXES = ("/workspace/datasets/cc3m/", "", "../", "C:\\data/", "/a dir, with commas/")


def content_of(count=COUNT, **changes):
    """The content of a released file; `changes` replace an entry of a list: ``image_paths=(row, value)``."""
    folder = f"ccneg_images/{UNPACKED}"
    content = {
        "image_paths": [f"{PREFIXES[index % 5]}{folder}/{key(index)}.jpg" for index in range(count)],
        "annotations": [annotation(index) for index in range(count)],
    }
    for name, (row, value) in changes.items():
        content[name][row] = value
    return content


@pytest.fixture
def save(tmp_path):
    """A function that saves a release and returns its path."""

    def save(content):
        path = tmp_path / "ccneg_preprocessed.pt"
        torch.save(content, path)
        return path

    return save


def table_of(path, commas="remove", distractors="chosen"):
    """The table of a saved release."""
    return read_release(path, COUNT, EVAL_LAST, commas, distractors)


def write_images(folder, indices):
    """Write the images of some rows as the archive unpacks."""
    (folder / UNPACKED).mkdir(parents=True, exist_ok=True)
    for index in indices:
        (folder / UNPACKED / f"{key(index)}.jpg").write_bytes(jpeg_bytes((index * 20, 30, 90)))


def build_part(folder, images, part="00000", parts=1, missing=0):
    """Run the command of the rule `shards_build_released`; return the mistake that it ends with, or None."""
    flags = {"release": folder / "release.parquet", "images": images, "parts": parts, "most_missing": missing}
    flags |= {"train": folder / f"train-{part}.tar", "eval": folder / f"eval-{part}.tar", "part": part}
    flags |= {"triplets": folder / f"triplets-{part}.parquet", "counts": folder / f"counts-{part}.json"}
    return call(release.main, "build", **flags)


def build(folder, annotations, images, parts, missing=0, distractors="chosen"):
    """Run the commands of `shards_release`, `shards_build_released` and `shards_index`; return the first mistake."""
    flags = {"annotations": annotations, "count": COUNT, "eval_last": EVAL_LAST, "negated_commas": "remove"}
    flags |= {"distractors": distractors, "output": folder / "release.parquet"}
    assert call(release.main, "read", **flags) is None
    names = [f"{part:05d}" for part in range(parts)]
    for name in names:
        if mistake := build_part(folder, images, name, parts, missing):
            return mistake
    flags = {"triplets": [folder / f"triplets-{name}.parquet" for name in names]}
    flags |= {"counts": [folder / f"counts-{name}.json" for name in names]}
    flags |= {"shards": [folder / f"{split}-{name}.tar" for split in ("train", "eval") for name in names]}
    flags |= {"train": folder / "train.parquet", "eval": folder / "eval.parquet", "index": folder / "index.json"}
    return call(shards_index.main, **flags)


def test_a_row_becomes_a_triplet_with_the_releases_split(save):
    frame = table_of(save(content_of()))
    assert frame["release_index"].tolist() == list(range(COUNT))
    assert frame["key"].tolist() == [key(index) for index in range(COUNT)]
    assert frame["split"].tolist() == ["train"] * 8 + ["eval"] * 4
    assert frame["n_pairs"].tolist() == [1, 2, 3] * 4
    assert frame[["reason", "kept_despite"]].isna().all(axis=None)
    assert frame.drop(columns=["reason", "kept_despite"]).iloc[3].to_dict() == {
        "release_index": 3, "key": key(3), "split": "train", "caption": "a dog on a sofa , number 3",
        "negated_caption": "a dog not on a sofa number 3", "exclusion_caption": "a dog number 3", "object": "sofa",
        "negation_word": "not", "n_pairs": 1,
    }  # fmt: skip
    kept = table_of(save({**content_of(), "num_ops": {1: [0, 3], 2: [1], 3: [2]}}), "keep")
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
    # Evaluation needs the two captions alone.
    rows[8]["sop_data"]["sop_chosen_object"] = None
    rows[9]["sop_data"]["exclusion-prompt"] = "far " * 80
    rows[10]["sop_data"]["negative-prompt"] = ""
    frame = table_of(save(content))
    refused = {0: "no-negated-caption", 1: "no-exclusion-caption", 2: "no-object", 3: "no-caption", 4: "too-long"}
    refused |= {6: "no-negated-caption", 10: "no-negated-caption"}
    assert frame["reason"].dropna().to_dict() == refused
    assert frame["n_pairs"][5] == 0
    assert frame["split"].tolist() == ["train"] * 8 + ["eval"] * 4
    assert frame["kept_despite"].isna().all()
    assert table_of(save(content), "keep")["reason"][7] == "too-long"


@pytest.mark.parametrize("distractors", ["chosen", "released"])
def test_rows_without_exclusion_caption_or_object_are_trained_on_where_the_mapping_gives_distractors(
    save, tmp_path, distractors
):
    content = content_of()
    rows = content["annotations"]
    rows[1]["sop_data"]["exclusion-prompt"] = ""
    rows[2]["sop_data"]["exclusion-prompt"] = "far " * 80
    rows[3]["sop_data"]["sop_chosen_object"] = None
    rows[4]["sop_data"] |= {"sop_chosen_object": None, "negative-prompt": "not " * 76}
    rows[5]["sop_data"]["exclusion-prompt"] = None  # and has no image
    rows[9]["sop_data"]["sop_chosen_object"] = None  # evaluation needs none
    write_images(tmp_path / "images", [index for index in range(COUNT) if index != 5])
    images = tmp_path / "images"
    assert build(tmp_path, save(content), images, parts=2, missing=1, distractors=distractors) is None
    counts = read_json(tmp_path / "index.json")["rows"]
    found = {name: count for name, count in counts.items() if name.startswith(("refused", "kept"))}
    train = read_parquet(tmp_path / "train.parquet")
    if distractors == "chosen":
        assert train["release_index"].tolist() == [0, 6, 7]
        expected = {"refused_no_object": 2, "refused_too_long": 1, "refused_no_exclusion_caption": 2}
        assert (found, counts["without_image"]) == (expected, 0)
    else:  # as the published loop, which stops at a negated caption that is too long
        assert train["release_index"].tolist() == [0, 1, 2, 3, 6, 7]
        kept = {"kept_no_exclusion_caption": 1, "kept_too_long": 1, "kept_no_object": 1}
        assert found == {"refused_too_long": 1, **kept}
        assert counts["without_image"] == 1
    assert read_parquet(tmp_path / "eval.parquet")["release_index"].tolist() == [8, 9, 10, 11]
    assert "kept_despite" not in train


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "expected a dictionary with lists image_paths and annotations, found a list"),
        ({"test": {}}, r"lists image_paths and annotations, found the keys \['test'\]"),
        (content_of(11), "expected 12 image paths and as many annotations .* found 11 and 11"),
        ({**content_of(), "annotations": content_of()["annotations"][1:]}, "found 12 and 11"),
        (content_of(image_paths=(2, "/workspace/../../etc/passwd")), r"row 2: expected a path to <nine digits>\.jpg"),
        (content_of(image_paths=(2, "/workspace/123.jpg")), "row 2: expected a path to <nine digits>"),
        (content_of(image_paths=(2, "/workspace/٠٠٠٠٠٠٠٠١.jpg")), "row 2: expected a path to <nine digits>"),
        (content_of(image_paths=(2, None)), "row 2: expected a path to <nine digits>.jpg, found None"),
        (
            content_of(image_paths=(5, f"x/{key(4)}.jpg"), annotations=(5, annotation(4))),
            f"row 5: key {key(4)} is already in row 4; download",
        ),
        (
            {**content_of(), "annotations": [{"json": {"caption": "a dog"}, "sop": {}}] * 12},
            "all 12 annotations are refused, the first as no-negated-caption; expected json.caption, .* found {'json'",
        ),
        (content_of(annotations=(5, annotation(6))), f"row 5: the image is {key(5)}.jpg, but the annotation is of"),
    ],
)
def test_a_file_that_is_not_the_release_is_refused(save, content, message):
    with pytest.raises(ValueError, match=message):
        table_of(save(content))


def test_code_in_a_file_is_never_run_and_a_truncated_or_missing_file_is_named(save, tmp_path):
    bomb = Touch(tmp_path / "executed")
    assert len(table_of(save({**content_of(), "args": bomb}))) == len(table_of(save(content_of())))
    with pytest.raises(ValueError, match="expected a dictionary with lists image_paths and annotations, found"):
        table_of(save({**content_of(), "annotations": bomb}))
    with pytest.raises(ValueError, match="row 1: expected a list of whole numbers, found"):
        read_mapping(save([[1, 2, 3], bomb]), (2,), 9)
    plain = tmp_path / "plain.pt"
    plain.write_bytes(pickle.dumps(bomb))
    with pytest.raises(ValueError, match=r"plain\.pt: expected the released"):
        table_of(plain)
    assert not (tmp_path / "executed").exists()
    path = save(content_of())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"ccneg_preprocessed\.pt: expected the released CC-Neg annotations"):
        table_of(path)
    with pytest.raises(FileNotFoundError, match=r"none\.pt: no such file"):
        table_of(tmp_path / "none.pt")


def test_the_split_stays_the_releases_when_images_are_missing_and_rows_refused(save, tmp_path):
    content = content_of()
    content["annotations"][9]["sop_data"]["negative-prompt"] = ""
    write_images(tmp_path / "images", [index for index in range(COUNT) if index not in (0, 3, 10)])
    said = build(tmp_path, save(content), tmp_path / "images", parts=3, missing=1)
    assert f"2 of the 4 images of this part are missing, such as {key(0)}.jpg; complete" in said
    assert build(tmp_path, save(content), tmp_path / "images", parts=3, missing=2) is None
    rows = read_json(tmp_path / "index.json")["rows"]
    assert rows["rows"] == COUNT == rows["samples"] + rows["without_image"] + rows["refused_no_negated_caption"]
    assert (rows["samples"], rows["without_image"], rows["train"], rows["eval"]) == (8, 3, 6, 2)
    for split, indices in {"train": [1, 2, 4, 5, 6, 7], "eval": [8, 11]}.items():
        assert read_parquet(tmp_path / f"{split}.parquet")["release_index"].tolist() == indices
        stored = [pair for part in range(3) for pair in read_samples(tmp_path / f"{split}-{part:05d}.tar")]
        assert [name for name, _ in stored] == [key(index) for index in indices]
        for (name, parts), index in zip(stored, indices, strict=True):
            assert parts["jpg"] == (tmp_path / "images" / UNPACKED / f"{name}.jpg").read_bytes()
            said = json.loads(parts["json"])
            assert (said["release_index"], said["caption"]) == (index, f"a dog on a sofa , number {index}")


def test_images_are_found_in_the_folder_itself_and_a_wrong_or_broken_one_is_named(save, tmp_path):
    images = tmp_path / "images"
    write_images(images, range(COUNT))
    assert build(tmp_path, save(content_of()), images / UNPACKED, parts=1) is None
    assert read_json(tmp_path / "index.json")["rows"]["samples"] == COUNT

    (tmp_path / "empty").mkdir()
    again = tmp_path / "again"
    again.mkdir()
    shutil.copy(tmp_path / "release.parquet", again)
    broken = images / UNPACKED / f"{key(2)}.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    for folder, message in (
        (tmp_path / "nowhere", f"{tmp_path / 'nowhere'}: no such folder"),
        (tmp_path / "empty", f"12 of the 12 images of this part are missing, such as {key(0)}.jpg"),
        (images, f"{broken}: the image of sample {key(2)} does not decode"),
    ):
        assert message in build_part(again, folder)
    assert [path.name for path in again.iterdir()] == ["release.parquet"]
