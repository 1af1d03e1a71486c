"""The later benchmarks: each command against the published protocol done item by item, slowly and obviously."""

import csv
import importlib
import json
import zipfile

import numpy as np
import pytest
import torch
from conftest import jpeg_bytes
from PIL import Image
from torch.nn import functional

from pipeline_lib.clip.load import clip, preprocess
from pipeline_lib.clip.training import baseline
from pipeline_lib.evaluate import mcq, retrieval, sugarcrepe_plus, valse
from pipeline_lib.evaluate.kinds import KINDS, kind_module
from pipeline_lib.evaluate.negrefcocog import read_negrefcocog
from pipeline_lib.features.store import Features, save_features, tower_id
from pipeline_lib.jobs.files import read_json, read_parquet, write_json
from pipeline_lib.readers.pool import read_pool
from pipeline_lib.readers.reader import find_reader

TEXTS = [
    f"{article} {colour} {thing} {tail}"
    for article in ("a", "no", "the")
    for colour in ("red", "blue", "old")
    for thing in ("dog", "kite", "bus", "tree")
    for tail in ("on a hill", "without people", "in the rain")
]
KEYS = [f"{number:012d}" for number in range(24)]


@pytest.fixture
def evaluate(tmp_path, monkeypatch, tiny_clip, tiny_checkpoint):
    """A function that runs a kind's command on annotations and image features; returns items and metrics."""

    def run(kind, annotations, features, count="none"):
        save_features(
            tmp_path / "pool.safetensors",
            Features(list(features), torch.stack(list(features.values())), None, tower_id(tiny_clip)),
        )
        write_json(tmp_path / "run.json", baseline("tiny"))
        flags = {
            "weights": tiny_checkpoint, "record": tmp_path / "run.json", "benchmark": "b", "annotations": annotations,
            "features": tmp_path / "pool.safetensors", "count": count, "threads": 1,
            "scores": tmp_path / "scores.parquet", "metrics": tmp_path / "metrics.json",
        }  # fmt: skip
        arguments = [part for name, value in flags.items() for part in (f"--{name}", str(value))]
        monkeypatch.setattr("sys.argv", ["command", *arguments])
        importlib.import_module(f"pipeline_lib.{kind_module(kind)}").main()
        metrics = read_json(tmp_path / "metrics.json")
        assert metrics["benchmark"] == "b" and metrics["model"] == "tiny"
        named = {(entry["dataset"], entry["metric"]): (entry["value"], entry["n"]) for entry in metrics["metrics"]}
        return read_parquet(tmp_path / "scores.parquet"), named

    return run


@pytest.fixture
def photos():
    """Features of images by key."""
    rows = functional.normalize(torch.randn(len(KEYS), 32, generator=torch.Generator().manual_seed(1)), dim=-1)
    return dict(zip(KEYS, rows, strict=True))


@pytest.fixture
def read_text(tiny_clip):
    """A function that encodes one text as the published scripts do."""

    def encode(text):
        with torch.no_grad():
            features = tiny_clip.encode_text(clip.tokenize([text], truncate=True))[0]
        return features / features.norm()

    return encode


def write_csv(path, header, rows):
    with open(path, "w", encoding="utf-8", newline="") as content:
        csv.writer(content).writerows([header, *rows])
    return path


def choose(count, seed):
    """Some texts, each once."""
    return [TEXTS[place] for place in np.random.default_rng(seed).permutation(len(TEXTS))[:count]]


def test_multiple_choice(tmp_path, evaluate, photos, read_text):
    header = ["correct_answer", *mcq.CAPTIONS, "correct_answer_template", "image_path"]
    questions = [(key, choose(4, number), number % 4, mcq.TEMPLATES[number % 3]) for number, key in enumerate(KEYS * 2)]
    questions[3] = (KEYS[3], ["long " * 90, *choose(3, 3)], 1, "hybrid")
    path = write_csv(
        tmp_path / "mcq.csv",
        header,
        [
            [answer, *captions, template, f"/data/coco/val2017/{key}.jpg"]
            for key, captions, answer, template in questions
        ],
    )
    items, metrics = evaluate("mcq", path, photos, count=len(questions))
    hits = {template: [] for template in mcq.TEMPLATES}
    for item, (key, captions, answer, template) in zip(items.itertuples(), questions, strict=True):
        scores = [float(photos[key] @ read_text(caption)) for caption in captions]
        hits[template].append(int(np.argmax(scores)) == answer)
        assert [item.score_0, item.score_1, item.score_2, item.score_3] == pytest.approx(scores, abs=1e-5)
        assert (item.key, item.template, item.correct) == (key, template, hits[template][-1])
    everything = [hit for part in hits.values() for hit in part]
    expected = {("b", "accuracy"): everything, **{(f"b/{name}", "accuracy"): part for name, part in hits.items()}}
    assert metrics == {cell: (pytest.approx(100 * np.mean(part)), len(part)) for cell, part in expected.items()}
    assert 0 < np.mean(everything) < 1


def test_a_tie_is_wrong_even_where_the_right_answer_comes_first():
    scores = np.array([[0.5, 0.4, 0.3, 0.2], [0.5, 0.5, 0.3, 0.2], [0.1, 0.4, 0.3, 0.2], [0.4, 0.4, 0.4, 0.4]])
    assert mcq.chooses(scores, np.array([0, 0, 1, 0])).tolist() == [True, False, True, False]


def test_retrieval(tmp_path, evaluate, photos, read_text, monkeypatch):
    monkeypatch.setattr(retrieval, "ROWS_PER_BLOCK", 5)  # so that there are several blocks, the last of them partial
    captions = {key: choose(1 + number % 5, number) for number, key in enumerate(KEYS[:17])}
    path = write_csv(
        tmp_path / "retrieval.csv",
        ["image_id", "filepath", "captions"],
        [[7, f"val2017/{key}.jpg", repr(texts)] for key, texts in captions.items()],
    )
    items, metrics = evaluate("retrieval", path, photos, count=17)  # the pool holds more images than the file

    images = torch.stack([photos[key] for key in captions])
    owner = [number for number, texts in enumerate(captions.values()) for _ in texts]
    scores = torch.stack([images @ read_text(text) for texts in captions.values() for text in texts])  # (m, n)
    expected = {}
    for cutoff in (1, 5):
        found = [owner[row] in scores[row].topk(cutoff).indices for row in range(len(owner))]
        expected["b", f"recall@{cutoff}"] = (pytest.approx(100 * np.mean(found)), len(found))
        found = [
            any(owner[row] == image for row in scores[:, image].topk(cutoff).indices) for image in range(len(images))
        ]
        expected["b/image-to-text", f"recall@{cutoff}"] = (pytest.approx(100 * np.mean(found)), len(found))
    assert metrics == expected

    to_image = items[items["direction"] == "text-to-image"]
    assert to_image["key"].tolist() == [key for key, texts in captions.items() for _ in texts]
    assert to_image["score"].tolist() == pytest.approx(scores[range(len(owner)), owner].tolist(), abs=1e-5)
    assert (items["correct"] == (items["rank"] == 1)).all()


def test_a_tie_counts_against_a_rank():
    images, captions = torch.eye(2), torch.tensor([[1.0, 0.0], [0.6, 0.6], [0.0, 1.0]])
    image_of = torch.tensor([0, 0, 1])
    assert retrieval.rank_images(captions, images, image_of)[1].tolist() == [1, 2, 1]
    same = torch.ones(3, 2)
    assert retrieval.rank_images(same, images, image_of)[1].tolist() == [2, 2, 2]
    assert retrieval.rank_captions(same, images, image_of)[1].tolist() == [2, 3]


def test_valse(tmp_path, evaluate, photos, read_text):
    content = {}
    for number, key in enumerate(KEYS):
        caption, foil = choose(2, number)
        content[f"existence_{number}"] = {
            "image_file": f"v7w_{key}.jpg", "caption": caption, "foil": foil,
            "mturk": {"caption": number % 4, "foil": 0},
        }  # fmt: skip
    write_json(tmp_path / "existence.json", content)
    valid = [name for name, item in content.items() if item["mturk"]["caption"] >= 2]
    items, metrics = evaluate(
        "valse", tmp_path / "existence.json", {f"v7w_{key}": row for key, row in photos.items()}, count=len(valid)
    )
    assert items["item"].tolist() == sorted(valid)
    hits = []
    for row in items.itertuples():
        item = content[row.item]
        image = photos[item["image_file"].removeprefix("v7w_").removesuffix(".jpg")]
        caption, foil = (float(image @ read_text(item[side])) for side in ("caption", "foil"))
        assert (row.score_caption, row.score_foil) == pytest.approx((caption, foil), abs=1e-5)
        hits.append(caption > foil)
    assert items["correct"].tolist() == hits
    assert metrics == {("b", "accuracy"): (pytest.approx(100 * np.mean(hits)), len(valid))}


def test_negrefcocog(tmp_path, evaluate, tiny_clip, read_text):
    """From photos and boxes to accuracy: crops by the reader, and by the published script."""
    folder = tmp_path / "train2014"
    folder.mkdir()
    generator = np.random.default_rng(0)
    content = []
    for number in range(9):
        name = f"COCO_train2014_{number:012d}.jpg"
        pixels = generator.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        image = Image.fromarray(pixels) if number % 3 else Image.fromarray(pixels[..., 0])  # some are grey
        image.save(folder / name)
        boxes = [[1.4, 0, 30.3, 40.5], [20, 10.5, 60.4, 49.5], [5.5, 5.5, 9, 20]][: 2 + number % 2]
        right = boxes[number % len(boxes)]
        content.append({"image": name, "phrase": TEXTS[7 * number], "ref_bbox": right, "bbox_list": boxes})
    write_json(tmp_path / "boxes.json", content)

    transform = preprocess(32)
    features = {
        sample.key: _see(tiny_clip, transform, sample.decode(sample.read()))
        for sample in read_pool(find_reader("crops"), [str(tmp_path / "boxes.json"), str(folder)], count=22)
    }
    items, metrics = evaluate("negrefcocog", tmp_path / "boxes.json", features, count=9)

    hits = []
    for row, item in zip(items.itertuples(), content, strict=True):
        phrase, scores = read_text(item["phrase"]), []
        for x, y, width, height in item["bbox_list"]:
            crop = Image.open(folder / item["image"]).crop((x, y, x + width, y + height))
            scores.append(float(_see(tiny_clip, transform, crop) @ phrase))
        hits.append(item["bbox_list"][int(np.argmax(scores))] == item["ref_bbox"])
        place = item["bbox_list"].index(item["ref_bbox"])
        assert row.score_right == pytest.approx(scores.pop(place), abs=1e-5)
        assert row.score_other == pytest.approx(max(scores), abs=1e-5)
    assert items["correct"].tolist() == hits
    assert metrics == {("b", "accuracy"): (pytest.approx(100 * np.mean(hits)), 9)}


def _see(model, transform, image):
    with torch.no_grad():
        features = model.encode_image(transform(image)[None])[0]
    return features / features.norm()


def test_sugarcrepe_plus(tmp_path, evaluate, photos, read_text):
    content = {}
    for number, part in enumerate(KINDS["sugarcrepe-plus"]):
        content[part] = []
        for place in range(4 + number):
            first, second, negative = choose(3, 100 * number + place)
            second = first if place == 1 else second  # as some published items are
            content[part].append(
                {"id": place, "filename": f"{KEYS[place]}.jpg", "caption": first, "caption2": second}
                | {"negative_caption": negative}
            )
        write_json(tmp_path / f"{part}.json", content[part])
    counts = ",".join(f"{part}={len(listed)}" for part, listed in content.items())
    items, metrics = evaluate("sugarcrepe-plus", tmp_path, photos, counts)

    expected = {}
    for part, listed in content.items():
        seen, blind = [], []
        for item in listed:
            image = photos[item["filename"].removesuffix(".jpg")]
            first, second, negative = (read_text(item[name]) for name in sugarcrepe_plus.CAPTIONS)
            seen.append(bool(image @ first > image @ negative and image @ second > image @ negative))
            blind.append(bool(first @ second > first @ negative and first @ second > second @ negative))
        own = items[items["part"] == part]
        assert (own["correct"].tolist(), own["correct_text"].tolist()) == (seen, blind)
        expected[f"b/{part}", "accuracy"] = (pytest.approx(100 * np.mean(seen)), len(seen))
        expected[f"b/text-only/{part}", "accuracy"] = (pytest.approx(100 * np.mean(blind)), len(blind))
    for dataset in ("b", "b/text-only"):
        mean = np.mean([expected[f"{dataset}/{part}", "accuracy"][0].expected for part in content])
        expected[dataset, "accuracy"] = (pytest.approx(mean), len(items))
    assert metrics == expected


def test_an_image_that_is_not_in_the_pool_is_named(tmp_path, evaluate, photos):
    for part in KINDS["sugarcrepe"]:
        item = {"filename": "000000999999.jpg", "caption": "a dog", "negative_caption": "a cat"}
        write_json(tmp_path / f"{part}.json", {"0": item})
    with pytest.raises(ValueError, match="7 of 7 keys have no image feature, such as '000000999999'"):
        evaluate("sugarcrepe", tmp_path, photos)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_module_with_a_command(kind):
    assert callable(importlib.import_module(f"pipeline_lib.{kind_module(kind)}").main)


def test_the_real_annotations_are_read_whole(real_data):
    rows = valse.read_valse(real_data / "valse_existence.json", 505)
    assert rows["key"].nunique() == 505 and rows["key"].str.fullmatch(r"v7w_\d+").all()
    items = read_negrefcocog(real_data / "negrefcocog.json", 440)
    assert len({item["image"] for item in items}) == 402
    assert all(item["image"].startswith("COCO_train2014_") for item in items)
    assert {len(item["boxes"]) for item in items} == {2} and {item["right"] for item in items} == {0}
    assert len({key for item in items for key in item["keys"]}) == 880
    corners = np.array([(x + w, y + h) for item in items for x, y, w, h in item["boxes"]])
    assert corners.max() <= 640  # x, y, width, height: as two corners, many boxes would have no area


def cut_out(annotations, images):
    """The crops by key."""
    samples = read_pool(find_reader("crops"), [str(annotations), str(images)])
    return {sample.key: sample.decode(sample.read()) for sample in samples}


def write_boxes(folder, **changes):
    """An item, changed, on an image of 40 x 36 pixels."""
    (folder / "a.jpg").write_bytes(jpeg_bytes())
    item = {"image": "a.jpg", "phrase": "no dog", "ref_bbox": [0, 0, 9, 9], "bbox_list": [[0, 0, 9, 9], [1, 1, 30, 30]]}
    (folder / "boxes.json").write_text(json.dumps([{**item, **changes}]))
    return folder / "boxes.json"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phrase": " "}, "item 0: expected the texts image, phrase"),
        ({"bbox_list": [[0, 0, 9, 9]]}, "item 0: expected bbox_list to be a list of two boxes or more"),
        ({"bbox_list": [[1, 0, 9, 9], [0, 0, 9, 8]]}, "item 0: expected ref_bbox once in bbox_list, found it 0 times"),
        (
            {"bbox_list": [[0, 0, 9, 9], [0.0, 0, 9, 9]]},
            "item 0: expected ref_bbox once in bbox_list, found it 2 times",
        ),
        ({"ref_bbox": [0, 0, 9]}, "item 0: expected a box of x, y, width and height"),
        ({"bbox_list": [[0, 0, 9, 9], [0, 0, 0, 9]]}, "item 0: expected a box of x, y, width and height"),
        ({"bbox_list": [[0, 0, 9, 9], [0, 0, "4", 9]]}, "item 0: expected a box of x, y, width and height"),
        ({"bbox_list": [[0, 0, 9, 9], [0, 0, True, 9]]}, "item 0: expected a box of x, y, width and height"),
        ({"bbox_list": [[0, 0, 9, 9], [30, 0, 12, 9]]}, r"from \(30, 0\) to \(42, 9\) ends 2 pixels outside the image"),
        (
            {"bbox_list": [[0, 0, 9, 9], [-3, 0, 12, 9]]},
            "ends 3 pixels outside the image of 40 × 36; expected the image",
        ),
        ({"bbox_list": [[0, 0, 9, 9], [3.6, 0, 0.3, 9]]}, "has no pixel"),
        ({"image": "a b.jpg"}, "item 0: expected an image's file name"),
    ],
)
def test_a_bad_box_is_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        cut_out(write_boxes(tmp_path, **changes), tmp_path)


def test_a_box_may_end_within_a_pixel_outside_its_image(tmp_path):
    found = cut_out(write_boxes(tmp_path, bbox_list=[[0, 0, 9, 9], [30, 0, 10.9, 36]]), tmp_path)
    assert list(found) == ["a-0000-0", "a-0000-1"]
    assert found["a-0000-1"].size == (11, 36)


def test_crops_come_from_the_zip_as_distributed(tmp_path):
    path = write_boxes(tmp_path)
    with zipfile.ZipFile(tmp_path / "train2014.zip", "w") as archive:
        archive.write(tmp_path / "a.jpg", "train2014/a.jpg")
    assert find_reader("crops").needs(str(path), f"{tmp_path}/train2014") == [str(path), f"{tmp_path}/train2014.zip"]
    assert cut_out(path, tmp_path / "train2014") == cut_out(path, tmp_path)


def test_an_image_that_is_missing_or_does_not_decode_is_named(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    path = write_boxes(tmp_path, image="../a.jpg")  # which lies there, and is not looked for there
    (folder / "b.jpg").write_bytes(jpeg_bytes())
    with pytest.raises(ValueError, match=r"boxes\.json, item 0: expected the image a\.jpg in .*images, found none"):
        cut_out(path, folder)
    (folder / "a.jpg").write_bytes(b"\xff\xd8 not a photo")
    with pytest.raises(ValueError, match=r"boxes\.json, item 0, a\.jpg: the image of sample a does not decode"):
        cut_out(path, folder)
