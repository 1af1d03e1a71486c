"""The miniature world: true, free of negation, reproducible."""

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from random import Random

import pytest
from conftest import ROOT

from pipeline_lib.evaluate.kinds import read_annotations
from pipeline_lib.evaluate.prompts import read_classes
from pipeline_lib.formats.annotations import coco_objects
from pipeline_lib.formats.cc3m import Part
from pipeline_lib.formats.crepe import read_crepe
from pipeline_lib.formats.images import read_images
from pipeline_lib.jobs.files import read_parquet
from pipeline_lib.jobs.options import from_args
from pipeline_lib.miniature import COLOURS, CONVERSE, KINDS, PATTERNS, SETTINGS, Scene, Thing, sample_scene
from pipeline_lib.miniature.describe import LABELLED, PARTS, WORDINGS, caption, sugarcrepe_item
from pipeline_lib.miniature.draw import CANVAS_PX, draw
from pipeline_lib.miniature.negation import CONCEPTS
from pipeline_lib.miniature.settings import WorldSettings
from pipeline_lib.readers.pool import read_pool

COUNTS = {"captions": 60, "pretrain": 5, "pool": 5, "zeroshot": 12, "sugarcrepe": 10, "crepe": 11}
COUNTS |= {"negation": 1050, "hosts": 4}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Two folders made by the same command."""
    folders = [tmp_path_factory.mktemp("world") for _ in range(2)]
    flags = [text for name, count in COUNTS.items() for text in (f"--{name}", str(count))]
    for folder in folders:
        command = [sys.executable, "-m", "pipeline_lib.miniature.make", "--folder", str(folder), "--seed", "3", *flags]
        subprocess.run(
            [*command, "--answers", "dead=0.2", "--answers", "busy-once=0.1"], cwd=ROOT, check=True, capture_output=True
        )
    return folders


def test_the_same_seed_gives_the_same_bytes(worlds):
    files = [sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file()) for folder in worlds]
    assert files[0] == files[1]
    for path in files[0]:
        assert (worlds[0] / path).read_bytes() == (worlds[1] / path).read_bytes(), path


def test_captions_hold_no_negation_and_vary():
    rng = Random(0)
    said = [caption(sample_scene(rng), rng) for _ in range(3000)]
    assert not any(re.search(r"\b(no|not|without|never|none|n't)\b", text) for text in said)
    assert len(set(said)) > 1500
    assert all(text == text.lower() for text in said)


def test_captions_name_only_what_the_scene_holds():
    rng = Random(1)
    for _ in range(500):
        scene = sample_scene(rng)
        words = set(caption(scene, rng).split())
        assert words & set(COLOURS) <= {thing.colour for thing in scene.things}
        assert words & set(KINDS) <= {thing.kind for thing in scene.things}
        assert words & set(SETTINGS) <= {scene.setting}


def test_captions_bind_attributes_and_relations_as_the_scene_does():
    rng, checked = Random(2), 0
    for _ in range(2000):
        scene = sample_scene(rng, "pair")
        text = caption(scene, rng)
        for thing in scene.things:
            said = re.search(rf"((?:\w+ )*){thing.kind}\b", text)
            if said:  # the words right before a kind are its own
                own = re.split(r"\b(?:an?|and|of|over|under|above|below|behind|beside|to)\b", said[1])[-1].split()
                assert set(own) & set(COLOURS) <= {thing.colour}, text
                assert set(own) & set(PATTERNS) <= {thing.pattern}, text
        first, second = scene.things
        relation = next((name for name, words in WORDINGS.items() if any(f" {w} " in text for w in words)), None)
        if relation and first.kind in text and second.kind in text:
            first_named = text.index(first.kind) < text.index(second.kind)
            assert relation == (scene.relation if first_named else CONVERSE[scene.relation]), text
            checked += 1
    assert checked > 1000


def test_the_captions_file_is_read_by_the_cc3m_reader_and_matches_the_web(worlds):
    rows = list(Part(worlds[0] / "cc3m.tsv"))
    answers = read_parquet(worlds[0] / "answers.parquet")
    assert len(rows) == COUNTS["captions"]
    assert all(row.problem is None for row in rows)
    assert [row.url for row in rows] == answers["url"].tolist()
    assert answers["url"].is_unique
    assert {"ok", "dead"} <= set(answers["answer"])


def test_labels_are_the_truth(worlds):
    scenes = read_parquet(worlds[0] / "scenes.parquet").set_index(["pool", "key"])["scene"]
    for name in LABELLED:
        classes = read_classes(worlds[0] / "zeroshot" / f"{name}.classes.txt")
        for key, image, said in read_images([worlds[0] / "zeroshot" / f"{name}.tar"]):
            assert image.size == (CANVAS_PX, CANVAS_PX)
            scene = json.loads(scenes[f"zeroshot/{name}", key])
            first, relation, label = scene["things"][0], scene["relation"], classes[said["label"]]
            truth = {
                "kinds": [first["kind"]],
                "colours": [f"{first['colour']} thing"],
                "sizes": [f"{first['size']} thing"],
                "patterns": [f"{first['pattern']} thing"],
                "settings": [scene["setting"]],
                "counts": [["single thing", "pair of things", "group of three things"][len(scene["things"]) - 1]],
                "relations": [f"thing {relation} a thing", f"thing {CONVERSE.get(relation)} a thing"],
                "coloured-kinds": [f"{first['colour']} {first['kind']}"],
            }
            assert label in truth[name]


def test_sugarcrepe_files_have_the_published_format(worlds):
    rows = read_annotations("sugarcrepe", worlds[0] / "sugarcrepe")
    keys = {key for key, _, _ in read_images([worlds[0] / "sugarcrepe.tar"])}
    assert {row.columns["part"] for row in rows} == set(PARTS)
    assert {row.columns["key"] for row in rows} <= keys
    assert all(caption != negative for caption, negative in (row.captions for row in rows))


def test_a_swap_exchanges_and_a_replacement_replaces():
    things = Thing("ball", "red", "small", "plain"), Thing("box", "blue", "large", "plain")
    scene = Scene("beach", "pair", things, "above")
    true = "a red ball above a blue box on a beach"
    rng = Random(0)
    items = {part: sugarcrepe_item(scene, part, rng) for part in PARTS}
    assert {item["caption"] for item in items.values()} == {true}
    assert items["swap_obj"]["negative_caption"] == "a blue box above a red ball on a beach"
    assert items["swap_att"]["negative_caption"] == "a blue ball above a red box on a beach"
    assert items["add_obj"]["negative_caption"].startswith(f"{true} with a")
    for part in ("replace_obj", "replace_att", "replace_rel"):
        assert items[part]["negative_caption"] not in (true, items["swap_obj"]["negative_caption"])


def test_crepe_rows_negate_one_fact(worlds):
    regions = read_crepe(worlds[0] / "crepe")
    assert len(regions) == COUNTS["crepe"]
    samples = read_pool("crepe", [worlds[0] / "crepe", worlds[0] / "crepe.tar"])
    drawn = {key: image.tobytes() for key, image, _ in read_images([worlds[0] / "crepe.tar"])}
    for sample, region in zip(samples, regions, strict=True):
        assert sample.key == region.key
        assert sample.decode(sample.read()).tobytes() == drawn[region.image_id]
    for region in regions:
        assert all(re.search(r"\b(no|not)\b", text) for text in region.hard_negatives)
        assert not re.search(r"\b(no|not)\b", region.caption)


def test_images_and_what_they_show_say_the_same_as_the_scenes(worlds):
    scenes = read_parquet(worlds[0] / "scenes.parquet").set_index(["pool", "key"])["scene"]
    keys, shown = coco_objects(worlds[0] / "negation" / "instances.json")
    assert list(shown) == list(CONCEPTS) and len(keys) == COUNTS["negation"]
    assert [key for key, _, _ in read_images([worlds[0] / "negation.tar"])] == keys
    for key in keys:
        scene = json.loads(scenes["negation", key])
        words = {scene["setting"]}
        words |= {f"{thing[name]} thing" for thing in scene["things"] for name in ("colour", "pattern")}
        assert {name for name, found in shown.items() if key in found} == words - {"plain thing"}


def test_four_questions_share_their_captions_and_each_has_one_true_of_its_image(worlds):
    rows = read_annotations("mcq", worlds[0] / "negation" / "mcq.csv", 4 * (COUNTS["negation"] // 5))
    _, shown = coco_objects(worlds[0] / "negation" / "instances.json")
    for four in (rows[place : place + 4] for place in range(0, len(rows), 4)):
        assert len({tuple(row.captions) for row in four}) == 1
        assert [row.right for row in four] == [(0,), (1,), (2,), (3,)]
        for row in four:
            said = [re.fullmatch(r"a picture with (.*?)(?: ?(?:but )?\bno (.*))?", text) for text in row.captions]
            key = row.columns["key"]
            for place, (affirmed, denied) in enumerate(match.groups() for match in said):
                names = [re.sub(r"^an? ", "", name) for name in (affirmed or "").split(" and ") if name]
                true = all(key in shown[name] for name in names) and not (denied and key in shown[denied])
                assert true == (place in row.right)
            affirmed, denied = said[row.right[0]].groups()
            template = "positive" if not denied else "hybrid" if affirmed else "negative"
            assert template == row.columns["template"]
    assert set(Counter(row.columns["template"] for row in rows).values()) == {len(rows) // 3}


def test_two_drawings_of_a_scene_differ_but_a_seed_repeats():
    scene = sample_scene(Random(5))
    one, other, again = (draw(scene, Random(seed)).tobytes() for seed in (1, 2, 1))
    assert one != other
    assert one == again


@pytest.mark.parametrize(
    ("answers", "message"),
    [({"dad": "0.1"}, "found 'dad'"), ({"dead": "0.6", "gone": "0.6"}, "sum below 1"), ({"dead": "x"}, "found 'x'")],
)
def test_shares_of_bad_answers_are_checked(answers, message):
    options = {**COUNTS, "seed": 3, "answers": [f"{name}={share}" for name, share in answers.items()]}
    with pytest.raises(ValueError, match=message):
        from_args(WorldSettings, argparse.Namespace(**options))
