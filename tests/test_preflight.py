"""Preflight: the registry of external data, and what is found of it on disk."""

import importlib.util
import json
import re
import struct
import tarfile
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from conftest import ROOT
from workflows import load, merged

from pipeline_lib.config.inputs import external_files, fetched_weights
from pipeline_lib.preflight.findings import MISSING, PRESENT, WRONG, Finding, inspect
from pipeline_lib.preflight.look import Item
from pipeline_lib.preflight.registry import COLUMNS, Dataset, Download, Expected, expected_at, read_registry

REGISTRY = ROOT / "config" / "datasets.tsv"


def about(items=None, **offered):
    """What the registry says of a path, of which only this matters here."""
    offered = Download(**{"size": None, "exact": False, "md5": None, "sha256": None} | offered) if offered else None
    return Expected(Dataset("set", "tests", {}, (), "https://example.org", "MIT", "", "nothing"), items, offered)


# ------------------------------------------------------------------------------------------------------- the registry
def test_the_registry_is_read_and_names_are_unique():
    datasets = read_registry(REGISTRY)
    assert len({dataset.name for dataset in datasets}) == len(datasets) >= 39
    coco = next(dataset for dataset in datasets if dataset.name == "coco-val2017")
    assert coco.files == {"data/coco/val2017.zip": 5000, "data/coco/val2017": 5000}
    assert coco.downloads[0].size == coco.size == 815_585_330


@pytest.mark.parametrize("over", [[], ["released-models.yaml"], ["released-ccneg.yaml"]])
def test_every_external_path_of_the_papers_configuration_is_in_the_registry(over):
    config = load("config.yaml")
    for name in ("paper.yaml", *over):
        config = merged(load(name), config)
    datasets = read_registry(REGISTRY)
    covered = {}
    for key, paths in (external_files(config) | fetched_weights(config)).items():
        for path in paths:
            found = expected_at(path, datasets)
            assert found, f"{key}: {path} is in no row of {REGISTRY.name}"
            assert any(fnmatchcase(path, pattern) for pattern in found.dataset.files), f"{path}: found by name only"
            covered.setdefault(found.dataset.name, []).append(path)
    assert covered["coco-train2017"] and covered["clip-vit-b32"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Set"}, "line 2, name: expected a text that matches"),
        ({"source": ""}, "line 2, source: expected a text, found nothing"),
        ({"files": "/data/set"}, "line 2, files: expected a text that matches"),
        ({"bytes": "12 13"}, "line 2, bytes: expected a value for each of download, 1, found 2"),
        ({"bytes": "12MB"}, "line 2, bytes: expected a text that matches .* found '12MB'"),
        ({"sha256": "ab"}, "line 2, sha256: expected a text that matches"),
        ({"items": "3 4"}, "line 2, items: expected a value for each of files, 1, found 2"),
    ],
)
def test_a_mistake_in_the_registry_is_explained(tmp_path, changes, message):
    good = {"name": "set", "used_for": "tests", "files": "data/set", "download": "set.zip", "bytes": "~12"}
    good |= {"source": "https://example.org", "licence": "MIT", "without": "nothing"}
    sheet = tmp_path / "datasets.tsv"

    def write(*rows):
        lines = ["\t".join(COLUMNS), *("\t".join(row.get(column, "") for column in COLUMNS) for row in rows)]
        sheet.write_text("\n".join(lines) + "\n")

    write(good)
    (row,) = read_registry(sheet)
    assert row.downloads == (Download("set.zip", 12, False, None, None),)
    write(good | changes)
    with pytest.raises(ValueError, match=message):
        read_registry(sheet)
    write(good, good)
    with pytest.raises(ValueError, match="line 3, name: 'set' occurs twice"):
        read_registry(sheet)
    sheet.write_text("name\tlicence\n")
    with pytest.raises(ValueError, match=r"expected the columns name, used_for, .*, found name, licence"):
        read_registry(sheet)


def test_the_digests_of_clips_weights_are_those_that_clip_checks():
    source = Path(importlib.util.find_spec("clip").origin).with_name("clip.py").read_text()
    digests = dict(re.findall(r'clip/models/([0-9a-f]{64})/([\w-]+\.pt)"', source))
    ours = [download for row in read_registry(REGISTRY) if row.name.startswith("clip-") for download in row.downloads]
    assert len(ours) == 5
    assert all(digests[download.sha256] == download.name for download in ours)


def test_the_digests_that_torchvision_checks_are_the_same():
    folder = Path(importlib.util.find_spec("torchvision").origin).parent / "datasets"
    source = "".join((folder / f"{name}.py").read_text() for name in ("cifar", "food101", "flowers102", "imagenet"))
    source += (folder / "oxford_iiit_pet.py").read_text() + (folder / "voc.py").read_text()
    rows = {row.name: row for row in read_registry(REGISTRY)}
    for name in ("cifar-10", "cifar-100", "food-101", "flowers-102", "oxford-pets", "imagenet-1k", "voc2007-test"):
        for download in rows[name].downloads:
            assert download.md5 in source, (name, download.name)


def test_the_real_annotation_files_are_as_the_registry_says(real_data):
    rows = {row.name: row for row in read_registry(REGISTRY)}
    places = {row.downloads[0].name: row.name for row in (rows["valse-existence"], rows["negrefcocog"])}
    files = {f"data/sugarcrepe/{path.name}": path for path in (real_data / "sugarcrepe").glob("*.json")}
    files |= {f"data/valse/{name}": real_data / "valse_existence.json" for name in places if "exist" in name}
    files |= {f"data/negrefcocog/{name}": real_data / "negrefcocog.json" for name in places if "exist" not in name}
    assert len(files) == 9
    for path, file in files.items():
        status, detail = inspect(file, expected_at(path, list(rows.values())))
        assert status == PRESENT, detail
        assert re.fullmatch(r"[\d,]+ items, sha256", detail)


# --------------------------------------------------------------------------------------------------- what lies on disk
def folder_of_images(path, count):
    """A folder of empty images, beside things that are none."""
    (path / "deep").mkdir(parents=True)
    for number in range(count):
        (path / ("deep" if number % 2 else "") / f"{number}.{'JPEG' if number % 3 else 'png'}").touch()
    for junk in (".DS_Store", "._0.jpg", "notes.txt"):
        (path / junk).touch()


def test_a_folder_is_counted_and_junk_is_not(tmp_path):
    folder_of_images(tmp_path / "set", 7)
    assert inspect(tmp_path / "set", about(7)) == (PRESENT, "7 images")
    assert inspect(tmp_path / "set", about(8)) == (WRONG, f"{tmp_path}/set: expected 8 images, found 7")
    assert inspect(tmp_path / "set") == (PRESENT, "")
    assert inspect(tmp_path / "other", about(8)) == (MISSING, "")


def test_246_items_in_place_of_245_are_noticed(tmp_path):
    file = tmp_path / "swap_obj.json"
    file.write_text(json.dumps({str(number): {} for number in range(246)}))
    assert inspect(file, about(245)) == (WRONG, f"{file}: expected 245 items, found 246")
    file.write_text("[")
    assert "expected a JSON list or object" in inspect(file, about(245)).detail


def test_tables_are_counted_by_row(tmp_path):
    (tmp_path / "set.tsv").write_text('a "quoted\thttp://a\nb\thttp://b')
    assert inspect(tmp_path / "set.tsv", about(2)) == (PRESENT, "2 rows")
    (tmp_path / "set.csv").write_text('image,captions\na.jpg,"one\nline"\nb.jpg,two\n')
    assert inspect(tmp_path / "set.csv", about(2)) == (PRESENT, "2 rows")
    (tmp_path / "test.txt").write_text("000001\n000002\n")
    assert inspect(tmp_path / "test.txt", about(3)).detail.endswith("expected 3 rows, found 2")


def test_zips_are_counted_and_cut_ones_are_noticed(tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("set/", "set/a.jpg", "set/b.JPG", "__MACOSX/set/._a.jpg", "set/readme.txt"):
            archive.writestr(name, "x" * 50)
    assert inspect(path, about(2)) == (PRESENT, "2 images")
    assert "expected 3 images, found 2" in inspect(path, about(3)).detail
    path.write_bytes(path.read_bytes()[:-30])
    assert "cut short" in inspect(path, about(2)).detail
    path.write_bytes(b"<html>not found</html>")
    assert "expected a zip, found something else" in inspect(path, about(2)).detail
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04" + b"x" * 100)  # torch saves zips
    assert "cut short" in inspect(tmp_path / "model.pt").detail


def test_cut_tars_and_safetensors_and_empty_files_are_noticed(tmp_path):
    path = tmp_path / "set.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "a.jpg")
    assert inspect(path, about(9)) == (PRESENT, "")  # not counted: it would have to be read whole
    path.write_bytes(path.read_bytes()[:1000])
    assert "the tar is cut short" in inspect(path).detail
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    whole = struct.pack("<Q", len(header)) + header + b"\0" * 8
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(whole)
    assert inspect(weights).status == PRESENT
    weights.write_bytes(whole[:-1])
    assert inspect(weights).detail == f"{weights}: expected {len(whole)} bytes by its header, found {len(whole) - 1}"
    weights.write_bytes(b"<html>not found</html>")
    assert "expected safetensors" in inspect(weights).detail
    weights.write_bytes(b"")
    assert "found an empty file" in inspect(weights).detail


def test_sizes_and_hashes_are_compared(tmp_path, monkeypatch):
    path = tmp_path / "set.bin"
    path.write_bytes(b"content")
    right = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    assert inspect(path, about(name="set.bin", size=7, exact=True, sha256=right)) == (PRESENT, "sha256")
    assert "expected 8 bytes, found 7" in inspect(path, about(name="set.bin", size=8, exact=True)).detail
    assert inspect(path, about(name="set.bin", size=8)).status == PRESENT  # about 8
    wrong = about(name="set.bin", size=7, exact=True, sha256="0" * 64)
    assert f"expected sha256 {'0' * 64}, found {right}" in inspect(path, wrong).detail
    assert inspect(path, about(name="set.bin", md5="9a0364b9e99bb480dd25e1f0284c8555")) == (PRESENT, "md5")
    monkeypatch.setattr("pipeline_lib.preflight.findings.HASHED_BELOW", 7)
    assert inspect(path, wrong) == (PRESENT, "size")
    assert inspect(path, wrong, hashes=True).status == WRONG


def test_a_copy_elsewhere_is_known_by_its_name():
    datasets = read_registry(REGISTRY)
    for path, name in (
        ("/scratch/train2017.zip", "coco-train2017"),
        ("/scratch/coco/train2017", "coco-train2017"),
        ("/scratch/flowers-102/jpg", "flowers-102"),
        ("data/zeroshot/cifar-10-batches-py/test_batch", "cifar-10"),
        ("data/zeroshot/cifar-100-python.tar.gz", "cifar-100"),
    ):
        assert expected_at(path, datasets).dataset.name == name, path
    assert expected_at("/scratch/flowers-102/jpg", datasets).items == 8189
    assert expected_at("mine/photos", datasets) is None


def test_what_is_there_only_in_part_is_wrong():
    here, gone = Finding(PRESENT, "7 images"), Finding(MISSING, "")
    for findings, status in (([here, here], PRESENT), ([gone, gone], MISSING), ([here, gone], WRONG)):
        assert Item(None, ["key"], dict(enumerate(findings)), 0).status == status


def test_a_folder_of_nothing_or_of_archives_is_wrong(tmp_path):
    (tmp_path / "below").mkdir()
    assert inspect(tmp_path, None, False) == Finding(WRONG, f"{tmp_path}: expected files, found nothing in it")
    (tmp_path / "below" / "images.zip").write_bytes(b"PK")
    assert inspect(tmp_path, None, False).detail.endswith("found archives alone, such as images.zip; unpack them")
    (tmp_path / "below" / "1.jpg").touch()
    assert inspect(tmp_path, None, False).status == PRESENT


def test_a_csv_that_is_none_is_wrong(tmp_path):
    path = tmp_path / "page.csv"
    path.write_text('<html lang="en>' + "x" * 200_000)
    found = inspect(path, about(items=3), False)
    assert found.status == WRONG and str(path) in found.detail
