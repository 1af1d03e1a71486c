"""The later benchmarks: the command against the published protocol done item by item, slowly and obviously."""

import re
from functools import partial

import numpy as np
import pytest
import torch
import yaml
from benchmarks import TEXTS, choose, random_rows, read_text, write_csv, write_features, write_questions
from benchmarks import evaluate as run_command
from conftest import ROOT
from PIL import Image

from pipeline_lib.clip import text_tower
from pipeline_lib.clip.load import preprocess
from pipeline_lib.evaluate import benchmark
from pipeline_lib.evaluate.kinds import KINDS, TEMPLATES, read_annotations
from pipeline_lib.evaluate.result import measure
from pipeline_lib.jobs.files import write_json
from pipeline_lib.readers import crops
from pipeline_lib.readers.pool import read_pool

KEYS = [f"{number:012d}" for number in range(24)]


@pytest.fixture
def evaluate(tmp_path, tiny_clip, tiny_checkpoint):
    """A function that runs a kind's command on annotations and image features; returns items and metrics."""

    def run(kind, annotations, features, count="none"):
        pool = write_features(tmp_path / "pool.safetensors", tiny_clip, features, torch.stack(list(features.values())))
        flags = ("--kind", kind, "--benchmark", "b", "--annotations", annotations, "--features", pool, "--count", count)
        items, metrics = run_command(benchmark.main, tmp_path, tiny_checkpoint, *flags)
        assert metrics["benchmark"] == "b" and metrics["model"] == "tiny"
        assert metrics["metrics"] == measure(KINDS[kind], items, "b")
        return items, {(one["dataset"], one["metric"]): (one["value"], one["n"]) for one in metrics["metrics"]}

    return run


@pytest.fixture
def photos():
    """Features of images by key."""
    return dict(zip(KEYS, random_rows(len(KEYS), seed=1), strict=True))


@pytest.fixture
def read(tiny_clip):
    """A function that encodes one text as the published scripts do."""
    return partial(read_text, tiny_clip)


def percent(hits):
    """Value and n of a metric."""
    return pytest.approx(100 * np.mean(hits)), len(hits)


def test_multiple_choice(tmp_path, evaluate, photos, read):
    questions = [(key, choose(4, number), number % 4, TEMPLATES[number % 3]) for number, key in enumerate(KEYS * 2)]
    questions[3] = (KEYS[3], ["long " * 90, *choose(3, 3)], 1, "hybrid")
    rows = [(f"/data/coco/{key}.jpg", *captions, answer, name) for key, captions, answer, name in questions]
    path = write_questions(tmp_path / "mcq.csv", rows)
    items, metrics = evaluate("mcq", path, photos, count=len(questions))
    hits = {template: [] for template in TEMPLATES}
    for item, (key, captions, answer, template) in zip(items.itertuples(), questions, strict=True):
        scores = [float(photos[key] @ read(caption)) for caption in captions]
        hits[template].append(int(np.argmax(scores)) == answer)
        assert [item.score_0, item.score_1, item.score_2, item.score_3] == pytest.approx(scores, abs=1e-5)
        assert (item.key, item.template, item.correct) == (key, template, hits[template][-1])
    everything = [hit for part in hits.values() for hit in part]
    expected = {("b", "accuracy"): everything, **{(f"b/{name}", "accuracy"): part for name, part in hits.items()}}
    assert metrics == {cell: percent(part) for cell, part in expected.items()} and 0 < np.mean(everything) < 1


def test_retrieval(tmp_path, evaluate, photos, read, monkeypatch):
    monkeypatch.setattr(benchmark, "ROWS_PER_BLOCK", 5)  # so that there are several blocks, the last of them partial
    captions = {key: choose(1 + number % 5, number) for number, key in enumerate(KEYS[:17])}
    rows = [[7, f"val2017/{key}.jpg", repr(texts)] for key, texts in captions.items()]
    path = write_csv(tmp_path / "retrieval.csv", ["image_id", "filepath", "captions"], rows)
    items, metrics = evaluate("retrieval", path, photos, count=17)  # the pool holds more images than the file

    images = torch.stack([photos[key] for key in captions])
    owner = [number for number, texts in enumerate(captions.values()) for _ in texts]
    scores = torch.stack([images @ read(text) for texts in captions.values() for text in texts])  # (m, n)
    expected = {}
    for k in (1, 5):
        found = [owner[row] in scores[row].topk(k).indices for row in range(len(owner))]
        expected["b", f"recall@{k}"] = percent(found)
        found = [any(owner[row] == image for row in scores[:, image].topk(k).indices) for image in range(len(images))]
        expected["b/image-to-text", f"recall@{k}"] = percent(found)
    assert metrics == expected
    to_image = items[items["direction"] == "text-to-image"]
    assert to_image["key"].tolist() == [key for key, texts in captions.items() for _ in texts]
    assert to_image["score"].tolist() == pytest.approx(scores[range(len(owner)), owner].tolist(), abs=1e-5)
    assert (items["correct"] == (items["rank"] == 1)).all()


def test_captions_that_clip_reads_alike_tie_whichever_batch_they_are_in(
    tmp_path, evaluate, photos, monkeypatch, capsys
):
    monkeypatch.setattr(text_tower, "CAPTIONS_PER_BATCH", 3)
    alike = [
        ("A dog on a hill", "a dog on a  hill"),
        ("café on a street", "cafe\u0301 on a street"),
        ("a bus", "a tram"),
    ]
    rows = [(f"{key}.jpg", *alike[number % 3], *choose(2, number), 0, "hybrid") for number, key in enumerate(KEYS)]
    path = write_questions(tmp_path / "mcq.csv", rows)
    items, _ = evaluate("mcq", path, photos)
    assert (items.score_0 == items.score_1).tolist() == [number % 3 < 2 for number in range(len(KEYS))]
    assert not items.correct[items.score_0 == items.score_1].any()  # though the right answer comes first
    assert re.search(r"\d+ of 24 items tie, and so are wrong", capsys.readouterr().out)


def test_in_retrieval_a_caption_of_several_images_is_right_for_each_and_counts_once(tmp_path, evaluate, photos, read):
    captions = [[TEXTS[0], TEXTS[1]], [TEXTS[0].upper(), TEXTS[2]], [TEXTS[3], f" {TEXTS[3]}"], [TEXTS[4]], [TEXTS[2]]]
    rows = [[f"{key}.jpg", repr(texts)] for key, texts in zip(KEYS, captions, strict=False)]
    path = write_csv(tmp_path / "retrieval.csv", ["filepath", "captions"], rows)
    items, _ = evaluate("retrieval", path, photos)
    images = torch.stack([photos[key] for key in KEYS[:5]])
    own = [{text.strip().lower() for text in texts} for texts in captions]
    distinct = sorted(set.union(*own))
    scores = images @ torch.stack([read(text) for text in distinct]).T
    for image, texts in enumerate(own):
        mine = torch.tensor([text in texts for text in distinct])
        rank = 1 + int((scores[image][~mine] >= scores[image][mine].max()).sum())
        found = items[(items["direction"] == "image-to-text") & (items["key"] == KEYS[image])]
        assert found["rank"].tolist() == [rank]
    ranks = items["rank"][items["direction"] == "text-to-image"].tolist()
    assert len(ranks) == 8 and ranks[0] != ranks[2]  # each of its images is asked for on its own, as published


def test_a_tie_counts_against_a_rank():
    images, captions = torch.eye(2), torch.tensor([[1.0, 0.0], [0.6, 0.6], [0.0, 1.0]])
    each, owner, same = torch.arange(3), torch.tensor([0, 0, 1]), torch.ones(3, 2)
    assert benchmark.best_ranks(captions, images, each, owner)[1].tolist() == [1, 2, 1]
    assert benchmark.best_ranks(same, images, each, owner)[1].tolist() == [2, 2, 2]
    assert benchmark.best_ranks(images, same, owner, each)[1].tolist() == [2, 3]


def test_valse(tmp_path, evaluate, photos, read):
    content = {}
    for number, key in enumerate(KEYS):
        caption, foil = choose(2, number)
        item = {"image_file": f"v7w_{key}.jpg", "caption": caption, "foil": foil}
        content[f"existence_{number}"] = {**item, "mturk": {"caption": number % 4, "foil": 0}}
    write_json(tmp_path / "existence.json", content)
    pool = {f"v7w_{key}": row for key, row in photos.items()}
    items, metrics = evaluate("valse", tmp_path / "existence.json", pool, count=len(content))
    assert items["item"].tolist() == sorted(content)
    hits = []
    for row in items.itertuples():
        item = content[row.item]
        image = pool[item["image_file"].removesuffix(".jpg")]
        caption, foil = (float(image @ read(item[side])) for side in ("caption", "foil"))
        assert (row.score_caption, row.score_foil) == pytest.approx((caption, foil), abs=1e-5)
        hits.append(caption > foil)
    assert items["correct"].tolist() == hits
    valid = [hit for hit, name in zip(hits, items["item"], strict=True) if content[name]["mturk"]["caption"] >= 2]
    assert metrics == {("b", "accuracy"): percent(hits), ("b/valid", "accuracy"): percent(valid)}


def test_negrefcocog(tmp_path, evaluate, tiny_clip, read):
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

    def see(image):
        with torch.no_grad():
            features = tiny_clip.encode_image(transform(image)[None])[0]
        return features / features.norm()

    samples = read_pool("crops", [tmp_path / "boxes.json", folder], count=22)
    features = {sample.key: see(sample.decode(sample.read())) for sample in samples}
    items, metrics = evaluate("negrefcocog", tmp_path / "boxes.json", features, count=9)
    hits = []
    for row, item in zip(items.itertuples(), content, strict=True):
        phrase, scores = read(item["phrase"]), []
        for x, y, width, height in item["bbox_list"]:
            crop = Image.open(folder / item["image"]).crop((x, y, x + width, y + height))
            scores.append(float(see(crop) @ phrase))
        hits.append(item["bbox_list"][int(np.argmax(scores))] == item["ref_bbox"])
        place = item["bbox_list"].index(item["ref_bbox"])
        assert row.score_right == pytest.approx(scores.pop(place), abs=1e-5)
        assert row.score_other == pytest.approx(max(scores), abs=1e-5)
    assert items["correct"].tolist() == hits and metrics == {("b", "accuracy"): percent(hits)}


def test_sugarcrepe_plus(tmp_path, evaluate, photos, read):
    content = {}
    for number, part in enumerate(KINDS["sugarcrepe-plus"].parts):
        content[part] = []
        for place in range(4 + number):
            first, second, negative = choose(3, 100 * number + place)
            second = first if place == 1 else second  # as some published items are
            item = {"id": place, "filename": f"{KEYS[place]}.jpg", "caption": first, "caption2": second}
            content[part].append({**item, "negative_caption": negative})
        write_json(tmp_path / f"{part}.json", content[part])
    counts = ",".join(f"{part}={len(listed)}" for part, listed in content.items())
    items, metrics = evaluate("sugarcrepe-plus", tmp_path, photos, counts)

    expected = {}
    for part, listed in content.items():
        seen, blind = [], []
        for item in listed:
            image = photos[item["filename"].removesuffix(".jpg")]
            first, second, negative = (read(item[name]) for name in ("caption", "caption2", "negative_caption"))
            seen.append(bool(image @ first > image @ negative and image @ second > image @ negative))
            blind.append(bool(first @ second > first @ negative and first @ second > second @ negative))
        own = items[items["part"] == part]
        assert (own["correct"].tolist(), own["correct_text"].tolist()) == (seen, blind)
        expected[f"b/{part}", "accuracy"], expected[f"b/text-only/{part}", "accuracy"] = percent(seen), percent(blind)
    for dataset in ("b", "b/text-only"):
        mean = np.mean([expected[f"{dataset}/{part}", "accuracy"][0].expected for part in content])
        expected[dataset, "accuracy"] = (pytest.approx(mean), len(items))
    assert metrics == expected


def test_a_caption_that_clip_would_cut_off_is_named_with_its_item(tmp_path, evaluate, photos):
    for part in KINDS["sugarcrepe"].parts:
        negative = "no dog " * 100 if part == "add_att" else "a cat"
        item = {"filename": f"{KEYS[0]}.jpg", "caption": "a dog", "negative_caption": negative}
        write_json(tmp_path / f"{part}.json", {"8": item})
    with pytest.raises(ValueError, match=r"77 tokens, found 1 longer, .*'add_att', 'item': '8'.*: no dog no"):
        evaluate("sugarcrepe", tmp_path, photos)


def test_the_real_annotations_are_read_whole(real_data):
    config = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())["evaluate"]["benchmarks"]
    counts = {name: entry["count"] for name, entry in config.items() if entry and "count" in entry}
    rows = read_annotations("sugarcrepe", real_data / "sugarcrepe", counts["sugarcrepe"])
    assert len(rows) == 7511 and len({row.columns["key"] for row in rows}) == 1560
    rows = read_annotations("valse", real_data / "valse_existence.json", counts["valse-existence"])
    assert len(rows) == 534 and sum(row.columns["votes"] >= 2 for row in rows) == 505
    for published, right in ((70.97, 379), (71.72, 383)):  # of CLIP and CoN-CLIP: shares of all items, not of the valid
        assert round(100 * right / len(rows), 2) == published
    rows = read_annotations("negrefcocog", real_data / "negrefcocog.json", counts["negrefcocog"])
    assert len({key for row in rows for key in row.images}) == 880
    items = crops.read_boxes(real_data / "negrefcocog.json")
    assert len({item["image"] for item in items}) == 402
    assert {len(item["boxes"]) for item in items} == {2} and {item["right"] for item in items} == {0}
    corners = np.array([(x + w, y + h) for item in items for x, y, w, h in item["boxes"]])
    assert corners.max() <= 640  # x, y, width, height: as two corners, many boxes would have no area
