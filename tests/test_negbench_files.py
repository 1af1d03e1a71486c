"""NegBench's and SugarCrepe++'s own files: how many items they have, where ties lead, and what their captions hold."""

import re
from collections import Counter

import numpy as np
import pytest

from pipeline_lib.evaluate.kinds import KINDS, read_annotations
from pipeline_lib.evaluate.result import choice_items, measure

COCO = ("negbench/COCO_val_mcq_llama3.1_rephrased.csv", 5914, {"positive": 2032, "negative": 1870, "hybrid": 2012})
VOC = ("negbench/VOC2007_mcq_llama3.1_rephrased.csv", 5031, {"positive": 682, "negative": 2121, "hybrid": 2228})

#: What the language model that rephrased the captions left in them: quotes, notes, arrows, its own instructions.
DEBRIS = re.compile(r"""["“”→>#*\[\]()]|//|^\W*$|[^\x00-\x7f]|(?i:\brephras|\bcaption|\bincorrect\b|\bto ?do\b)""")


@pytest.mark.parametrize(("path", "count", "templates"), [COCO, VOC])
def test_questions_are_counted_and_a_model_that_cannot_tell_captions_apart_has_none_right(
    real_data, path, count, templates
):
    rows = read_annotations("mcq", real_data / path, count)
    assert Counter(row.columns["template"] for row in rows) == templates
    assert {row.right for row in rows} == {(0,)} and {len(row.captions) for row in rows} == {4}
    assert all(re.fullmatch(r"\d{6,12}", row.columns["key"]) for row in rows)
    equal = np.zeros(4 * count)
    items = choice_items(KINDS["mcq"], rows, equal)
    assert [one["value"] for one in measure(KINDS["mcq"], items, "b")] == [0, 0, 0, 0]
    assert (equal.reshape(count, 4).argmax(axis=1) == 0).all()  # so it has all where the first of equal scores is taken


@pytest.mark.parametrize(
    ("path", "count", "held", "right", "wordless"), [(*COCO[:2], 197, 59, 4), (*VOC[:2], 183, 41, 11)]
)
def test_what_a_language_model_left_in_captions_is_kept(real_data, path, count, held, right, wordless):
    captions = [row.captions for row in read_annotations("mcq", real_data / path, count)]
    found = [(place, text) for row in captions for place, text in enumerate(row) if DEBRIS.search(text)]
    assert len(found) == held and sum(place == 0 for place, _ in found) == right
    assert sum(not re.search(r"\w", text) for row in captions for text in row) == wordless  # such as "?"
    assert all(len({*row}) == 4 for row in captions)


@pytest.mark.parametrize("folder", ["", "/mnt/images/val2017/", "./val2017/", "C:\\negbench\\val2017\\", "a/../b/"])
def test_the_folder_of_an_image_does_not_matter(real_data, tmp_path, folder):
    whole = (real_data / COCO[0]).read_text(encoding="utf-8")
    copy = tmp_path / "mcq.csv"
    copy.write_text(whole.replace("data/negbench/images/val2017/", folder), encoding="utf-8")
    keys = [row.columns["key"] for row in read_annotations("mcq", real_data / COCO[0])]
    assert [row.columns["key"] for row in read_annotations("mcq", copy)] == keys
    assert all(re.fullmatch(r"\d{12}", key) for key in keys)


def test_every_photo_of_retrieval_has_five_captions_or_more(real_data):
    rows = read_annotations("retrieval", real_data / "negbench/COCO_val_retrieval.csv", 5000)
    assert Counter(len(row.captions) for row in rows) == {5: 4987, 6: 12, 7: 1}
    assert len({row.columns["key"] for row in rows}) == 5000
    assert sum("\n" in text for row in rows for text in row.captions) == 83


def test_two_captions_that_say_the_same_are_both_right(real_data):
    rows = read_annotations("sugarcrepe-plus", real_data / "sugarcrepe_plus")
    counts = {"replace_obj": 1652, "replace_att": 788, "replace_rel": 1406, "swap_obj": 245, "swap_att": 666}
    assert Counter(row.columns["part"] for row in rows) == counts
    assert {row.right for row in rows} == {(0, 1)} and {len(row.captions) for row in rows} == {3}
    items = choice_items(KINDS["sugarcrepe-plus"], rows, np.tile([1.0, 0.0, 0.0], len(rows)))
    assert not items.correct.any()  # the second ties with the negative
    items = choice_items(KINDS["sugarcrepe-plus"], rows, np.tile([1.0, 0.5, 0.0], len(rows)))
    assert items.correct.all()
