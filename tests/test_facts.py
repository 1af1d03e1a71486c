"""Facts of training images: what captions tell, tables that words alone do not solve, and runs that learn from them."""

import json
import re
from random import Random

import numpy as np
import pandas as pd
import pytest
import torch
from training import fine_tune, write_training_files

from pipeline_lib.blind import blind_accuracy
from pipeline_lib.finetune import train
from pipeline_lib.finetune.facts import LEAST, OTHERS, SECOND, WITH, load_facts, phrases_of
from pipeline_lib.jobs.files import write_parquet
from pipeline_lib.miniature import KINDS, SETTINGS, sample_scene
from pipeline_lib.miniature.describe import caption

SIZE = 64


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Scenes of the miniature, and a file of their captions, each with an object that it names."""
    rng, names = Random(0), (*KINDS, *SETTINGS)
    scenes = [sample_scene(rng) for _ in range(2000)]
    said = [caption(scene, rng) for scene in scenes]
    objects = [f"a {rng.choice([name for name in names if name in text.split()] or ['thing'])}" for text in said]
    path = tmp_path_factory.mktemp("world") / "train.parquet"
    keys = [f"{number:09d}" for number in range(len(scenes))]
    write_parquet(path, pd.DataFrame({"key": keys, "caption": said, "object": objects}))
    return scenes, path


def shows(scene, phrase):
    """Whether a scene shows what a phrase of `world` names."""
    return phrase == scene.setting or phrase in {thing.kind for thing in scene.things}


def test_phrases_are_objects_without_their_article_that_are_met_often():
    objects = ["a dog", "the dog", "a dog", "an owl", "Dogs", "dogs", "dogs", "a b c d e"] + [
        "a very red old owl"
    ] * LEAST
    assert phrases_of(objects) == {"dog": "a dog", "dogs": "dogs", "very red old owl": "a very red old owl"}


def test_what_is_present_is_there_and_what_is_absent_nearly_always_not(world):
    scenes, path = world
    facts = load_facts(path, 0)
    checked = {"present": [], "absent": []}
    for step in range(20):
        rows, tables = facts.tables(step, SIZE // 2)
        for (affirmed, denied), truth in tables:
            if denied.present or denied.absent == ("thing",):
                continue
            (phrase,) = affirmed.present
            assert denied.absent == (phrase,) and phrase in affirmed.text and phrase in denied.text
            for row, true in zip(rows, truth.tolist(), strict=True):
                said = phrase in facts.words[row]
                assert said == (true == 0) and said != (true == 1)
                if true >= 0:
                    checked[("present", "absent")[true]].append(shows(scenes[row], phrase) != true)
    assert len(checked["present"]) > 100 and all(checked["present"])
    assert len(checked["absent"]) > 1000 and np.mean(checked["absent"]) > 0.9


def test_a_statement_is_true_of_an_image_of_which_all_its_facts_are(world):
    facts = load_facts(world[1], 0)
    of_two = 0
    for step in range(5):
        rows, tables = facts.tables(step, SIZE // 2)
        for statements, truth in tables:
            for row, true in zip(rows, truth.tolist(), strict=True):
                words = set(facts.words[row])
                holds = [words.issuperset(said.present) and words.isdisjoint(said.absent) for said in statements]
                assert holds == [true == 0, true == 1]
            of_two += len(statements[0].present + statements[0].absent) == 2
    assert of_two > 20


def test_words_alone_do_not_solve_balanced_tables_and_do_solve_a_controls(world):
    found = {}
    for control in (False, True):
        facts = load_facts(world[1], 0, control)
        right, wrong, rows = facts.pairs(30, SIZE)
        assert len(right) == len(wrong) == len(rows) > 900
        found[control] = blind_accuracy(right, wrong, rows)
        tables = [table for step in range(30) for table in facts.tables(step, SIZE // 2)[1]]
        sides = {frozenset(table.truth.tolist()) - {-1} for table in tables}
        assert sides - {frozenset()} == {frozenset({1}) if control else frozenset({0, 1})}
    assert found[False] < 55 and found[True] > 95


def test_tables_follow_from_seed_and_step(world):
    def drawn(seed, step):
        return load_facts(world[1], seed).tensors(step, SIZE)

    first, again = drawn(0, 3), drawn(0, 3)
    rows, statements, truth = first
    assert statements.shape == (SIZE, 77) and truth.shape == (len(rows), SIZE // 2)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert not torch.equal(statements, drawn(0, 4)[1]) and not torch.equal(statements, drawn(1, 3)[1])
    assert len({load_facts(world[1], seed, control).identity for control in (False, True) for seed in (0, 1)}) == 4


def test_wordings_kept_for_evaluation_are_not_trained_on():
    kept = re.compile(r"there (is|are) (no|not)\b(?! signs)|\bnot in\b|\bdoes not show\b|\bdo not show\b")
    for wording in (*WITH, *OTHERS, *SECOND):
        assert not any(kept.search(side) for side in wording), wording


def test_a_row_without_an_object_has_the_facts_of_its_caption(tmp_path):
    frame = pd.DataFrame({"key": [f"{row:09d}" for row in range(4)], "caption": "a dog on a sofa", "object": "a sofa"})
    frame.loc[0, "object"] = None
    write_parquet(tmp_path / "train.parquet", frame)
    facts = load_facts(tmp_path / "train.parquet", 0)
    assert facts.present == [["sofa"]] * 4 and facts.articles == {"sofa": "a sofa"}


def test_labels_are_facts_where_the_captions_file_has_them(tmp_path):
    rows = [
        "a dog runs\thttp://a/1\tDog, grass\t/m/1,/m/2\t0.9,0.8",
        "a cat\thttp://a/2\tcat,grass\t/m/3,/m/2\t0.9,0.8",
    ]
    captions, triplets = tmp_path / "labels.tsv", tmp_path / "train.parquet"
    captions.write_text("\n".join(rows * LEAST))
    said = ["a dog runs", "a cat"] * LEAST
    write_parquet(triplets, pd.DataFrame({"key": [f"{n:09d}" for n in range(len(said))], "caption": said}))
    facts = load_facts(triplets, 0, labels=captions)
    assert facts.present[:2] == [["dog", "grass"], ["cat", "grass"]]
    tables = [table for step in range(9) for table in facts.tables(step, 3)[1]]
    known = [table.statements for table in tables if (table.truth >= 0).any()]
    absent = {phrase for statements in known for statement in statements for phrase in statement.absent}
    assert absent == {"dog", "cat"}  # grass is in all images
    captions.write_text("\n".join(row.rpartition("\thttp")[0] + "\thttp://a/1" for row in rows * LEAST))
    with pytest.raises(ValueError, match=r"labels\.tsv: expected facts of the images, found no label of 3 images"):
        load_facts(triplets, 0, labels=captions)


def test_a_run_measures_what_words_alone_tell_and_stops_where_they_tell_much(
    tmp_path, tiny_checkpoint, tiny_clip, monkeypatch
):
    write_training_files(tmp_path, tiny_clip)
    found = {}
    for loss in ("conclip+", "conclip+absent"):
        assert fine_tune(tmp_path, tiny_checkpoint, loss, loss=loss, epochs=10) is None
        found[loss] = json.loads((tmp_path / loss / "run.json").read_text())["blind_accuracy"]
    assert found["conclip+"] <= 60 < found["conclip+absent"]

    # Tables like a control's, and nobody says that it is one.
    monkeypatch.setattr(train, "load_facts", lambda path, seed, control, labels: load_facts(path, seed, True, labels))
    mistake = fine_tune(tmp_path, tiny_checkpoint, "stopped", loss="conclip+", epochs=10)
    assert "the truth tables: expected true statements that look like the false ones" in mistake
    assert "or make the loss a control" in mistake and not (tmp_path / "stopped/model.pt").exists()
