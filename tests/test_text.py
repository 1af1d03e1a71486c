"""Text of others: one rule of decoding wherever a file of text is read."""

import codecs
import json
import subprocess
from pathlib import Path

import layouts
import pytest
import yaml
from conftest import ROOT
from hostile import member, tarred

from pipeline_lib.config.checks import read_experiments
from pipeline_lib.evaluate.kinds import KINDS, read_annotations
from pipeline_lib.evaluate.prompts import read_classes, read_templates
from pipeline_lib.formats.annotations import coco_image_keys, read_rows
from pipeline_lib.formats.images import read_tars
from pipeline_lib.jobs.files import read_json
from pipeline_lib.jobs.text import decode_text, open_text, read_lines, read_text
from pipeline_lib.paper.tables.published import read_published
from pipeline_lib.preflight.findings import count_items
from pipeline_lib.preflight.registry import read_registry
from pipeline_lib.score.inputs import _read_captions

PLUS = json.dumps([{"filename": "1.jpg", "caption": "a", "caption2": "b", "negative_caption": "c"}])
VALSE = json.dumps({"e": {"image_file": "v7w_1.jpg", "caption": "a dog", "foil": "no dog", "mturk": {"caption": 3}}})
IMAGES = json.dumps({"images": [{"id": 2, "file_name": "000000000002.jpg"}]})


def _config(name: str) -> str:
    return (ROOT / "config" / name).read_text()


def _sheet(path: Path) -> list[dict]:
    config = yaml.safe_load(_config("config.yaml"))
    config["finetune"]["experiments"] = str(path)
    return read_experiments(config)


def _plus(path: Path) -> list[list]:
    for name in KINDS["sugarcrepe-plus"].parts.values():
        (path.parent / name).write_bytes(path.read_bytes())
    return read_annotations("sugarcrepe-plus", path.parent)


def _member(name: str):
    def read(path: Path) -> list:
        members = [member("a.jpg", b"x"), member(f"a.{name}", path.read_bytes())]
        (path.parent / "a.tar").write_bytes(tarred(*members))
        return [(sample.key, sample.said) for sample in read_tars([path.parent / "a.tar"])]

    return read


def _voc(path: Path) -> list:
    root = path.parent / "voc"
    layouts.voc2007(root)
    (root / "VOCdevkit/VOC2007/ImageSets/Main/test.txt").write_bytes(path.read_bytes())
    return layouts.listed("voc2007", root)


def _imagenet(path: Path) -> list:
    root = path.parent / "imagenet"
    layouts.imagenet_flat(root)
    truth = root / "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"
    truth.write_bytes(path.read_bytes())
    return layouts.listed("imagenet", root)


READERS = {
    "experiments": (_config("experiments.tsv"), _sheet),
    "registry": (_config("datasets.tsv"), read_registry),
    "published": (_config("published.tsv"), read_published),
    "classes": ("dog\ncafé\n", read_classes),
    "templates": ("a {}\n", read_templates),
    "json": ('{"a": "é"}', read_json),
    "sugarcrepe++": (PLUS, _plus),
    "valse": (VALSE, lambda path: read_annotations("valse", path)),
    "coco": (IMAGES, coco_image_keys),
    "csv": ("a,b\r\n1,é\r\n", lambda path: [row for _, row in read_rows(path, ["a", "b"])]),
    "preflight json": ("[1, 2]", lambda path: count_items(path.rename(path.with_suffix(".json")))),
    "preflight csv": ("a\n1\n", lambda path: count_items(path.rename(path.with_suffix(".csv")))),
    "captions to score": (
        "caption\na dog\n",
        lambda path: _read_captions(path.rename(path.with_suffix(".csv"))).to_dict("list"),
    ),
    "json in a tar": ('{"label": 3}', _member("json")),
    "cls in a tar": ("3\n", _member("cls")),
    "voc2007": ("000001\n000011\n", _voc),
    "imagenet": ("1\n2\n3\n1\n", _imagenet),
}


@pytest.mark.parametrize("name", READERS)
def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path, name):
    text, read = READERS[name]
    found = []
    for number, content in enumerate((text.encode(), codecs.BOM_UTF8 + text.encode())):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "text").write_bytes(content)
        found.append(read(tmp_path / str(number) / "text"))
    assert repr(found[0]).replace("/0/", "/1/") == repr(found[1]) and found[1]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", READERS)
def test_utf_16_is_refused_by_name(tmp_path, name, encoding):
    text, read = READERS[name]
    (tmp_path / "text").write_bytes(text.encode(encoding))
    with pytest.raises(ValueError, match=r"found UTF-(16|32)\w*; convert it: iconv"):
        read(tmp_path / "text")


def test_bytes_that_are_no_utf_8_are_named_with_what_to_do(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes("café\n".encode("cp1252") * 3)
    for read in (read_text, lambda path: decode_text(path.read_bytes(), path), read_json, read_classes):
        with pytest.raises(ValueError, match=r"list\.txt: expected UTF-8, found .*; save it as UTF-8 \(from Windows: "):
            read(path)
    with pytest.raises(ValueError, match=r"list\.txt: expected UTF-8"), open_text(path) as lines:
        list(lines)
    command = "iconv -f CP1252 -t UTF-8 list.txt > NEW"
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    assert read_text(tmp_path / "NEW") == "café\n" * 3


def test_lines_end_with_lf_crlf_or_cr_and_nothing_else_ends_one(tmp_path):
    lines = ["a dog", "", "a\u2028cat\x85\x0b\x0c", " x "]
    for end in ("\n", "\r\n", "\r"):
        (tmp_path / "a.txt").write_bytes(codecs.BOM_UTF8 + f"{end.join(lines)}{end}{end}".encode())
        assert read_lines(tmp_path / "a.txt") == lines
    (tmp_path / "a.txt").write_bytes(b"a dog\r\na c\0t\r\n")
    with pytest.raises(ValueError, match=r"a\.txt, line 2: expected text, found the control character '.x00'; "):
        read_lines(tmp_path / "a.txt")
    (tmp_path / "a.txt").write_bytes(b"\n\n")
    assert read_lines(tmp_path / "a.txt") == []
