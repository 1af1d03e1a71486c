"""Annotation files: layouts as published with their corner cases, and mistakes named by file and line."""

import csv
import json
from functools import partial

import pytest

from pipeline_lib.evaluate.kinds import KINDS, read_annotations
from pipeline_lib.formats.annotations import coco_image_keys, parse_count, read_items, read_rows, string_list, texts

read_mcq, read_retrieval, read_valse = (partial(read_annotations, kind) for kind in ("mcq", "retrieval", "valse"))
MCQ = "correct_answer,caption_0,caption_1,caption_2,caption_3,correct_answer_template,image_path"


def mcq(tmp_path, *rows, header=MCQ):
    path = tmp_path / "mcq.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_quotes_line_breaks_a_byte_order_mark_and_further_columns(tmp_path):
    path = mcq(
        tmp_path,
        '0,"A dog, not a cat","He said ""no""","two\nlines",d,negative,images/val2017/000000000007.jpg,1',
        "",
        "3.0,a,b,c,d,hybrid,C:\\\\images\\\\000007.jpg,2",
        header="\ufeff" + MCQ + ",Unnamed: 0",
    )
    first, second = read_mcq(path, 2)
    assert first.captions == ["A dog, not a cat", 'He said "no"', "two\nlines", "d"]
    assert first.columns == {"item": 0, "key": "000000000007", "template": "negative", "correct_answer": 0}
    assert second.columns["key"] == "000007" and second.columns["item"] == 1
    assert second.right == (3,) and second.columns["correct_answer"] == 3  # as pandas writes whole numbers beside a gap


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0,a,b,c,d,negative", r"mcq\.csv, line 3: expected 7 cells as in the header, found 6"),
        ("0,a,b,c,d,negative,a.jpg,more", "line 3: expected 7 cells as in the header, found 8"),
        ("0,a,b,,d,negative,a.jpg", "line 3: expected the texts image_path, caption_0, .*caption_3, .*found"),
        ("4,a,b,c,d,negative,a.jpg", "line 3, correct_answer: expected one of 0, 1, 2, 3, found '4'"),
        ("0.5,a,b,c,d,negative,a.jpg", "line 3, correct_answer: expected one of 0, 1, 2, 3, found '0.5'"),
        ("0,a,b,c,d,Negative,a.jpg", "line 3, correct_answer_template: expected one of positive, negative, hybrid"),
        ("0,a,b,c,d,negative,", "line 3: expected the texts image_path, caption_0"),
        ("0,a,b,c,d,negative,a/..", "line 3: expected an image's file name"),
        ('0,"a,b,c,d,negative,a.jpg', "not a row"),
        ('0,"a" x,b,c,d,negative,a.jpg', "line 3: not a row"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, message):
    with pytest.raises(ValueError, match=message):
        read_mcq(mcq(tmp_path, "0,a,b,c,d,positive,a.jpg", row))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"question\n", r"a\.csv, line 1: expected the columns a, b, each once, found question"),
        (b"a,b,a\n", "line 1: expected the columns a, b, each once"),
        (b"", "line 1: expected the columns a, b"),
        (b"a,b\ncaf\xe9,1\n", r"a\.csv: expected UTF-8"),
        (b"a,b\n\n", r"a\.csv: expected at least one row, found none"),
    ],
)
def test_a_bad_header_or_encoding_is_named(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(read_rows(tmp_path / "a.csv", ["a", "b"]))
    with pytest.raises(FileNotFoundError, match=r"absent\.csv"):
        list(read_rows(tmp_path / "absent.csv", ["a"]))


def test_a_list_in_a_cell_is_parsed_and_never_evaluated(tmp_path):
    marker = tmp_path / "evaluated"
    assert string_list("""['a "b"', "it's"]""", "here") == ['a "b"', "it's"]
    bad = (
        f"__import__('pathlib').Path({str(marker)!r}).touch()", f"[open({str(marker)!r}, 'w').name]", "[f'{1 + 1}']",
        "['a'] * 2", "'a'", "('a', 'b')", "[]", "['a', 1]", "['a', ' ']", "['a'", "[['a']]", "", "{'a': 'b'}",
        "[b'a']", "['a dog' 'a cat']", "['a dog'\n 'a cat', 'c']", "['a d\\0g']", "[" * 9000 + "]" * 9000,
    )  # fmt: skip
    for cell in bad:
        with pytest.raises(ValueError, match=r"here: expected a list of texts such as \['a dog', 'a cat'\], found"):
            string_list(cell, "here")
    assert not marker.exists()


def test_retrieval_rows(tmp_path):
    path = tmp_path / "retrieval.csv"
    path.write_text("filepath,captions\na/1.jpg,\"['a, b', 'c']\"\n2.jpg,['d']\n")
    assert [(row.images, row.captions) for row in read_retrieval(path, 2)] == [(["1"], ["a, b", "c"]), (["2"], ["d"])]
    path.write_text(path.read_text() + "b/1.jpg,['e']\n")
    with pytest.raises(ValueError, match=r"line 4: the image 1 has a row already: .*\.csv, line 2; join their"):
        read_retrieval(path)


GOOD = {"image_file": "v7w_1.jpg", "caption": "a dog", "foil": "no dog", "mturk": {"caption": 3}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([GOOD], "expected a JSON object of items, found list of 1"),
        ({}, "expected a JSON object of items, found dict of 0"),
        ({"e1": "dog"}, "item e1: expected a JSON object, found 'dog'"),
        ({"e1": {**GOOD, "foil": ""}}, "item e1: expected the texts image_file, caption, foil"),
        ({"e1": {**GOOD, "mturk": 3}}, "item e1: expected the number of votes mturk.caption, found None"),
        ({"e1": {**GOOD, "mturk": {"caption": "3"}}}, "found '3'"),
        ('{"e1": {}, "e1": {}}', r"existence\.json: .*the key 'e1' stands twice in one JSON object"),
    ],
)
def test_a_bad_valse_file_is_named(tmp_path, content, message):
    path = tmp_path / "existence.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read_valse(path)


ITEM = {"filename": "000000000007.jpg", "caption": "a dog", "negative_caption": "a cat"}
PLUS = {**ITEM, "caption2": "two"}


SUGARCREPES = {  # kind -> a good file, the name of its second item, bad ones with what is said of them
    "sugarcrepe": (
        ({"0": ITEM, "2": ITEM}, "2"),
        ({"5": {**ITEM, "caption": None}}, ", item 5: expected the texts filename, caption, negative_caption"),
        ([], ": expected a JSON object of items, found list of 0"),
    ),
    "sugarcrepe-plus": (
        ([PLUS, PLUS], 1),
        ([PLUS, ITEM], ", item 1: expected the texts filename, caption, caption2"),
        ({"0": PLUS}, ": expected a JSON list of items, found dict of 1"),
    ),
}


@pytest.mark.parametrize("kind", SUGARCREPES)
def test_sugarcrepe_files_are_read_and_mistakes_named(tmp_path, kind):
    (good, second), *bad = SUGARCREPES[kind]
    parts, path = KINDS[kind].parts, tmp_path / "swap_obj.json"
    for name in parts.values():
        (tmp_path / name).write_text(json.dumps(good))
    counts = dict.fromkeys(parts, 2)
    rows = read_annotations(kind, tmp_path, counts)
    assert [row.columns["part"] for row in rows] == [part for part in parts for _ in range(2)]
    assert {row.columns["key"] for row in rows} == {"000000000007"}
    assert (rows[1].columns["item"], rows[1].captions[0], rows[1].captions[-1]) == (second, "a dog", "a cat")
    for other in (1, 3):
        with pytest.raises(ValueError, match=rf"swap_obj\.json: expected {other} items as published, found 2"):
            read_annotations(kind, tmp_path, {**counts, "swap_obj": other})
    for content, message in bad:
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=rf"swap_obj\.json{message}"):
            read_annotations(kind, tmp_path)
    path.unlink()
    with pytest.raises(
        FileNotFoundError, match=rf"swap_obj\.json: no such file .*; {kind} has {len(parts)}: replace_obj"
    ):
        read_annotations(kind, tmp_path)


def test_cocos_images_are_counted_by_id_and_mistakes_named(tmp_path):
    path = tmp_path / "captions.json"
    with pytest.raises(FileNotFoundError, match=r"annotations_trainval2017\.zip"):
        coco_image_keys(path)
    two, named = {"id": 2, "file_name": "000000000002.jpg"}, "the file name of 12 digits of COCO 2017, found"
    for content, message in (
        ({"images": [two, two]}, r"captions\.json, image 1: expected an object with an id that no other has"),
        ({"images": [{**two, "file_name": "COCO_train2014_000000000002.jpg"}]}, named),
        ({"images": [{**two, "id": "2"}]}, "image 0: expected an object with an id"),
        ({"annotations": []}, "expected COCO's annotations, with lists images, found"),
    ):
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=message):
            coco_image_keys(path)


def test_counts_on_the_command_line():
    assert parse_count("none") is None
    assert parse_count("505") == 505
    assert parse_count("a=1,b=20") == {"a": 1, "b": 20}
    for text in ("", "many", "a=b", "1,2"):
        with pytest.raises(ValueError, match="--count: expected none, a number or PART=NUMBER"):
            parse_count(text)


TABLE = [["image_path", "note", "caption"], ["1.jpg", "x", "a dog, red; a cat"], ["2.jpg", "", 'a "big" dog']]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_table_is_read_whatever_parts_its_cells_and_lines(tmp_path, separator, end):
    path = tmp_path / "a.csv"
    with open(path, "w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=separator, lineterminator=end).writerows([*TABLE, []])
    rows = [row for _, row in read_rows(path, ["image_path", "caption"], ["note", "other"])]
    assert rows == [{"image_path": a, "caption": c, "note": b} for a, b, c in TABLE[1:]]


def test_a_table_of_one_column_has_the_separator_of_its_name(tmp_path):
    (tmp_path / "a.tsv").write_text("caption\na dog, red\n")
    assert [row for _, row in read_rows(tmp_path / "a.tsv", ["caption"])] == [{"caption": "a dog, red"}]
    (tmp_path / "a.csv").write_text("caption\na dog, red\n")
    with pytest.raises(
        ValueError, match=r"a\.csv, line 2: expected 1 cells .*, found 2; put cells with ',' in them in"
    ):
        list(read_rows(tmp_path / "a.csv", ["caption"]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"a": 1}]', "expected a JSON object of items, found list of 1; get the file as published"),
        ('{"0": {}}\n{"1": {}}', "several values, as in JSON Lines: Extra data: line 2 column 1"),
        ('{"0": {"caption": "a",}}', r"found something else \(.* line 1 column 2"),
        ('{"0": {"caption": NaN}}', "NaN is no number of JSON"),
        ("{'0': 1}", "property name enclosed in double quotes"),
    ],
)
def test_json_of_another_form_is_named(tmp_path, content, message):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=rf"a\.json: .*{message}"):
        read_items(tmp_path / "a.json", dict)


def test_a_text_with_bytes_of_something_else_is_damaged_and_one_with_line_breaks_is_not():
    assert texts({"caption": "a\tdog\r\non a mat"}, ["caption"], "a") == ["a\tdog\r\non a mat"]
    for damaged in ("a\0dog", "a \x1b[31m dog", "a dog\x7f", " ", None, ["a dog"], 3):
        with pytest.raises(ValueError, match="b, item 1: expected the texts caption, not empty and without control"):
            texts({"caption": damaged}, ["caption"], "b, item 1")
