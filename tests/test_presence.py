"""Benchmarks from what images show: balanced by construction, and scored as slow and obvious code does it."""

import json
from collections import Counter
from itertools import product
from random import Random

import numpy as np
import pytest
import torch
from benchmarks import random_rows

from pipeline_lib.evaluate import benchmark
from pipeline_lib.evaluate.kinds import KINDS, read_annotations
from pipeline_lib.evaluate.presence import OTHERS, PAIRS, RIGHT
from pipeline_lib.evaluate.result import measure
from pipeline_lib.formats.annotations import coco_objects
from pipeline_lib.jobs.files import write_json

#: Category -> the share of images that show it.
SHARES = {"dog": 0.5, "cat": 0.3, "orange": 0.4, "skis": 0.02, "toaster": 0, "person": 1}
COUNT = 900


def instances(shares=SHARES, count=COUNT):
    """Instances in COCO's format, with what its files have beside."""
    rng = Random(0)
    images = [{"id": 7 * n, "file_name": f"{7 * n:012d}.jpg", "width": 640} for n in range(count)]
    categories = [{"id": 3 * n + 1, "name": name, "supercategory": "x"} for n, name in enumerate(shares)]
    shown = [
        (image["id"], category["id"])
        for image, category in product(images, categories)
        for _ in range(2)  # several of a kind are several instances
        if rng.random() < 1 - (1 - shares[category["name"]]) ** 0.5
    ]
    annotations = [
        {"id": n, "image_id": image, "category_id": category, "segmentation": [[1.5, 2]], "iscrowd": 0}
        for n, (image, category) in enumerate(shown)
    ]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The file of instances."""
    path = tmp_path_factory.mktemp("coco") / "instances_val2017.json"
    write_json(path, instances())
    return path


@pytest.fixture(scope="module")
def shown(path):
    """Which categories each image shows, by key."""
    content = json.loads(path.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    shown = {f"{image['id']:012d}": set() for image in content["images"]}
    for annotation in content["annotations"]:
        shown[f"{annotation['image_id']:012d}"].add(names[annotation["category_id"]])
    return shown


@pytest.fixture(scope="module")
def features(shown):
    """Features of images by key."""
    return dict(zip(shown, random_rows(len(shown), seed=1), strict=True))


def score(kind, rows, images, texts):
    """The items of a kind by features of images, a dictionary, and of captions, a function of a caption."""
    scorer = getattr(benchmark, KINDS[kind].scorer.rpartition(":")[2])
    encode = [lambda names, of=of: torch.stack([of(name) for name in names]) for of in (images.get, texts)]
    return scorer(KINDS[kind], rows, *encode)


def read_text(caption):
    """Features of a caption that depend on its letters alone."""
    return random_rows(1, seed=sum(map(ord, caption)) * len(caption))[0]


def blind(caption):
    """The "features" of a caption of a model that does not see the image: where all images are 1, its scores."""
    return torch.tensor([Random(caption).random()])


def numbers(kind, items):
    return {(one["dataset"], one["metric"]): one["value"] for one in measure(KINDS[kind], items, "b")}


# --------------------------------------------------------------------------------------------------------- truth table
def test_pairs_of_images_are_with_and_without_and_as_many_for_each_caption(path, shown):
    rows = read_annotations("truth-table", path)
    right = Counter()
    for row in rows:
        concept = row.columns["concept"].replace("pair of skis", "skis")
        assert [concept in shown[key] for key in row.images] == [True, False]
        assert [any(word in caption.split() for word in ("no", "not", "without")) for caption in row.captions] == [0, 1]
        assert all(concept in caption for caption in row.captions)
        right.update((row.columns["form"], caption) for caption in row.captions)
    assert {count for (_, caption), count in right.items() if "skis" not in caption} == {PAIRS}
    few = sum("skis" in found for found in shown.values())
    assert {count for (_, caption), count in right.items() if "skis" in caption} == {few} and few < PAIRS
    # No item for what all images show, or none of them.
    assert {row.columns["concept"] for row in rows} == {"dog", "cat", "orange", "pair of skis"}
    assert {"a picture with an orange", "a picture with no orange"} <= {caption for _, caption in right}
    assert read_annotations("truth-table", path) == rows


def test_the_scores_of_the_truth_table_are_those_of_its_four_cells(path, features):
    rows = read_annotations("truth-table", path)
    items = score("truth-table", rows, features, read_text)
    assert len(items) == 2 * len(rows) and not items.duplicated(list(KINDS["truth-table"].item)).any()
    by_item = dict(zip(zip(items["item"], items.truth, strict=True), items.itertuples(), strict=True))
    for row in rows[::37]:
        with_it, without = (features[key] for key in row.images)
        affirms, denies = map(read_text, row.captions)
        a, b, c, d = (float(image @ text) for image in (with_it, without) for text in (affirms, denies))
        present, absent = (by_item[row.columns["item"], truth] for truth in ("present", "absent"))
        assert (present.key, absent.key) == tuple(row.images)
        assert (present.caption, absent.caption) == (a > b, d > c)
        assert (present.image, absent.image) == (a > c, d > b)
        for one in (present, absent):
            assert one.correct == (min(a, d) > max(b, c))
            assert one.text_effect == pytest.approx(1000 * ((b - a) + (d - c)) / 2, abs=1e-3)
            assert one.image_effect == pytest.approx(1000 * ((a - c) + (b - d)) / 2, abs=1e-3)
            assert one.interaction == pytest.approx(1000 * ((a - b) - (c - d)) / 2, abs=1e-3)
            assert (present.caption and absent.caption) == (one.interaction > abs(one.text_effect))
            assert (present.image and absent.image) == (one.interaction > abs(one.image_effect))
    found = numbers("truth-table", items)
    trained = items[items.wording == "trained"]
    assert found["b/trained", "caption"] == pytest.approx(100 * trained.caption.mean())
    assert found["b/trained/absent", "image"] == pytest.approx(100 * trained[trained.truth == "absent"].image.mean())
    assert found["b/unseen/form=is-not-in", "caption"] == pytest.approx(
        100 * items[items.form == "is-not-in"].caption.mean()
    )
    assert found["b/trained", "all_four"] == pytest.approx(100 * trained.correct.mean())
    assert found["b/trained", "interaction"] == pytest.approx(trained.interaction.mean())


def test_who_sees_no_image_or_reads_no_caption_has_half_of_the_truth_table_right_and_no_more(path, features):
    rows = read_annotations("truth-table", path)
    same = dict.fromkeys(features, torch.ones(1))
    found = numbers("truth-table", score("truth-table", rows, same, blind))
    for wording in ("trained", "unseen"):
        assert found[f"b/{wording}", "caption"] == 50 and found[f"b/{wording}", "image"] == 0  # images tie
        assert found[f"b/{wording}", "all_four"] == 0 and found[f"b/{wording}", "interaction"] == 0
    alone = {key: torch.tensor([Random(key).random()]) for key in features}
    found = numbers("truth-table", score("truth-table", rows, alone, lambda caption: torch.ones(1)))
    assert found["b/trained", "image"] == 50 and found["b/trained", "caption"] == 0


# ----------------------------------------------------------------------------------------------------------- retrieval
def test_queries_have_one_right_image_in_twenty_and_as_many_that_show_both(path, shown):
    rows = read_annotations("negated-retrieval", path)
    assert len(rows) > 3
    for row in rows:
        wanted, unwanted = row.columns["present"], row.columns["absent"]
        assert row.captions == [f"a picture with {'an' if wanted == 'orange' else 'a'} {wanted} but no {unwanted}"]
        kinds = [(wanted in shown[key], unwanted in shown[key]) for key in row.images]
        assert kinds[:RIGHT] == [(True, False)] * RIGHT == [kinds[place] for place in row.right]
        assert kinds[RIGHT : 2 * RIGHT] == [(True, True)] * RIGHT
        assert not any(has for has, _ in kinds[2 * RIGHT :])
        assert len(set(row.images)) == len(row.images) == 2 * RIGHT + OTHERS == 20 * RIGHT


def slow_average_precision(scores, right):
    """By the definition: precision at each threshold, for each step of recall."""
    thresholds, before, total = sorted(set(scores), reverse=True), 0, 0.0
    for threshold in thresholds:
        above = [place for place, score in enumerate(scores) if score >= threshold]
        hits = len(set(above) & set(right))
        total += (hits - before) / len(right) * hits / len(above)
        before = hits
    return total


def test_average_precision(path, features):
    rows = read_annotations("negated-retrieval", path)
    items = score("negated-retrieval", rows, features, read_text)
    for row, found in zip(rows, items.average_precision, strict=True):
        scores = [float(features[key] @ read_text(row.captions[0])) for key in row.images]
        assert found == pytest.approx(slow_average_precision(scores, row.right), abs=1e-3)
    rng = np.random.default_rng(0)
    for _ in range(50):
        scores, right = rng.integers(0, 6, 30), rng.permutation(30)[:4]  # with ties
        expected = slow_average_precision(scores.tolist(), right.tolist())
        assert benchmark.average_precision(scores, right) == pytest.approx(expected)
    assert benchmark.average_precision(np.arange(5.0), [3, 4]) == 1


def test_a_ranking_without_the_image_has_the_share_of_right_ones(path, features):
    items = score(
        "negated-retrieval", read_annotations("negated-retrieval", path), dict.fromkeys(features, torch.ones(1)), blind
    )
    assert items.average_precision.tolist() == pytest.approx([1 / 20] * len(items))


# ------------------------------------------------------------------------------------------------------------- reading
def change(content, where, value):
    """Change a value of a made file in place."""
    *before, last = where
    for name in before:
        content = content[name]
    content[last] = value


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (["images"], {}, "expected COCO's annotations, with lists images, annotations, categories, found"),
        (["images", 1, "id"], 0, "image 1: expected an object with an id that no other has"),
        (["images", 1, "id"], True, "image 1: expected an object with an id that no other has"),
        (["images", 1], "a.jpg", "image 1: expected an object with an id"),
        (["images", 1, "file_name"], None, "image 1: expected the texts file_name"),
        (["images", 1, "file_name"], "000000000000.png", "expected each image's name once"),
        (["images", 1, "file_name"], "a b.jpg", "image 7: expected an image's file name of letters"),
        (["categories", 2, "name"], " ", "category 2: expected the texts name"),
        (["categories", 2, "name"], "dog", "expected each category's name once"),
        (["annotations", 5, "image_id"], 1, "annotation 5: expected the image_id of one of the images"),
        (["annotations", 5, "category_id"], [1], "annotation 5: expected the image_id of one of the images and"),
        (["annotations", 5], 3, "annotation 5: expected the image_id"),
    ],
)
def test_a_mistake_in_coco_s_instances_is_named(tmp_path, where, value, message):
    content = instances(count=30)
    change(content, where, value)
    write_json(tmp_path / "instances.json", content)
    with pytest.raises(ValueError, match=rf"instances\.json.*{message}"):
        coco_objects(tmp_path / "instances.json")


def test_too_few_images_are_refused(tmp_path):
    write_json(tmp_path / "instances.json", instances({"person": 1, "toaster": 0}))
    with pytest.raises(ValueError, match="expected a category that some of the images show and others do not"):
        read_annotations("truth-table", tmp_path / "instances.json")
    write_json(tmp_path / "instances.json", instances(count=500))
    with pytest.raises(ValueError, match="expected two categories of which 30 images show both and 30 only the first"):
        read_annotations("negated-retrieval", tmp_path / "instances.json")
