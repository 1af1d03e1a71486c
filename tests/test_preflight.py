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
from workflows import REGISTRY, configuration

from pipeline_lib.config.inputs import external_files, fetched_weights
from pipeline_lib.preflight.findings import MISSING, PRESENT, WRONG, DataItem, Finding, inspect
from pipeline_lib.preflight.registry import COLUMNS, UNKNOWN, Dataset, Download, Expected, expected_at, read_registry

SHA256 = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"  # of b"content"
HEADER = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
SAFETENSORS = struct.pack("<Q", len(HEADER)) + HEADER + b"\0" * 8


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
    config, datasets = configuration("paper.yaml", *over), read_registry(REGISTRY)
    covered = set()
    for key, paths in (external_files(config) | fetched_weights(config)).items():
        for path in paths:
            found = expected_at(path, datasets)
            assert found.dataset, f"{key}: {path} is in no row of {REGISTRY.name}"
            assert any(fnmatchcase(path, pattern) for pattern in found.dataset.files), f"{path}: found by name only"
            covered.add(found.dataset.name)
    assert {"coco-train2017", "clip-vit-b32"} <= covered


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Set"}, "line 2, name: expected a name of lower-case letters"),
        ({"source": ""}, "line 2, source: expected an address, found ''"),
        ({"files": "/data/set"}, "line 2, files: expected paths data/.*, found '/data/set'"),
        ({"bytes": "12 13"}, "line 2, bytes: expected a value for each of download, 1, found 2"),
        ({"bytes": "12MB"}, "line 2, bytes: expected a number, with .* found '12MB'"),
        ({"sha256": "ab"}, "line 2, sha256: expected a SHA-256 or -"),
        ({"items": "3 4"}, "line 2, items: expected a value for each of files, 1, found 2"),
        ({"terms": "a\tb"}, "line 2: expected 12 cells as in the header, found 13"),
        ({}, "line 3, name: 'set' occurs twice"),
    ],
)
def test_a_mistake_in_the_registry_is_explained(tmp_path, changes, message):
    good = {"name": "set", "used_for": "tests", "files": "data/set", "download": "set.zip", "bytes": "~12"}
    good |= {"source": "https://example.org", "licence": "MIT", "without": "nothing"}
    sheet = tmp_path / "datasets.tsv"

    def read(*rows):
        lines = ["\t".join(COLUMNS), *("\t".join(row.get(column, "") for column in COLUMNS) for row in rows)]
        sheet.write_text("\n".join(lines) + "\n")
        return read_registry(sheet)

    assert [row.downloads for row in read(good)] == [(Download("set.zip", 12, False, None, None),)]
    with pytest.raises(ValueError, match=message):
        read(good | changes, good)


def test_another_table_is_no_registry(tmp_path):
    sheet = tmp_path / "datasets.tsv"
    sheet.write_text("name\tlicence\n")
    with pytest.raises(ValueError, match=r"expected the columns name, used_for, .*; found name, licence"):
        read_registry(sheet)


def test_the_digests_of_clips_weights_are_those_that_clip_checks():
    source = Path(importlib.util.find_spec("clip").origin).with_name("clip.py").read_text()
    digests = dict(re.findall(r'clip/models/([0-9a-f]{64})/([\w-]+\.pt)"', source))
    ours = [download for row in read_registry(REGISTRY) if row.name.startswith("clip-") for download in row.downloads]
    assert len(ours) == 5
    assert all(digests[download.sha256] == download.name for download in ours)


def test_the_digests_that_torchvision_checks_are_the_same():
    folder = Path(importlib.util.find_spec("torchvision").origin).parent / "datasets"
    modules = ("cifar", "food101", "flowers102", "imagenet", "oxford_iiit_pet", "voc")
    source = "".join((folder / f"{name}.py").read_text() for name in modules)
    rows = {row.name: row for row in read_registry(REGISTRY)}
    for name in ("cifar-10", "cifar-100", "food-101", "flowers-102", "oxford-pets", "imagenet-1k", "voc2007-test"):
        for download in rows[name].downloads:
            assert download.md5 in source, (name, download.name)


def test_the_real_annotation_files_are_as_the_registry_says(real_data):
    rows = read_registry(REGISTRY)
    offered = {row.name: row.downloads[0].name for row in rows if row.downloads}
    files = {f"data/sugarcrepe/{path.name}": path for path in (real_data / "sugarcrepe").glob("*.json")}
    files[f"data/valse/{offered['valse-existence']}"] = real_data / "valse_existence.json"
    files[f"data/negrefcocog/{offered['negrefcocog']}"] = real_data / "negrefcocog.json"
    assert len(files) == 9
    for path, file in files.items():
        status, detail = inspect(file, expected_at(path, rows))
        assert status == PRESENT, detail
        assert re.fullmatch(r"[\d,]+ items, sha256", detail)


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
    assert expected_at("mine/photos", datasets) == UNKNOWN


# --------------------------------------------------------------------------------------------------- what lies on disk
@pytest.mark.parametrize(
    ("name", "content", "items", "status", "detail"),
    [
        ("set.tsv", b'a "quoted\thttp://a\nb\thttp://b', 2, PRESENT, "2 rows"),
        ("set.csv", b'image,captions\na.jpg,"one\nline"\nb.jpg,two\n', 2, PRESENT, "2 rows"),
        ("page.csv", b'<html lang="en>' + b"x" * 200_000, 3, WRONG, "page.csv: "),
        ("test.txt", b"000001\n000002\n", 3, WRONG, "test.txt: expected 3 rows, found 2"),
        ("swap_obj.json", json.dumps(dict.fromkeys(range(246))).encode(), 245, WRONG, "expected 245 items, found 246"),
        ("swap_obj.json", b"[", 245, WRONG, "expected a JSON list or object"),
        ("set.tar", b"version https://git-lfs.github.com/spec/v1\n", None, WRONG, "a pointer of Git LFS"),
        ("swap_obj.json", b"\x1f\x8b\x08", 245, WRONG, "expected a .json, found a file that is packed by gzip; unpack"),
        ("set.zip", b"<html>not found</html>", 2, WRONG, "expected a .zip, found a web page"),
        ("model.pt", b"PK\x03\x04" + b"x" * 100, None, WRONG, "cut short"),  # torch saves zips
        ("model.safetensors", SAFETENSORS, None, PRESENT, ""),
        ("model.safetensors", SAFETENSORS[:-1], None, WRONG, "expected whole safetensors, found "),
        ("model.safetensors", SAFETENSORS + b"x", None, WRONG, "expected whole safetensors, found "),
        ("model.safetensors", b"\xff" * 20, None, WRONG, "expected whole safetensors, found "),
        ("model.safetensors", b"", None, WRONG, "found an empty file"),
    ],
)
def test_files_are_counted_and_damaged_ones_are_noticed(tmp_path, name, content, items, status, detail):
    (tmp_path / name).write_bytes(content)
    found = inspect(tmp_path / name, about(items))
    assert found.status == status and detail in found.detail
    assert status == PRESENT or found.detail.startswith(f"{tmp_path / name}: ")


def test_zips_are_counted_and_cut_zips_and_tars_are_noticed(tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("set/", "set/a.jpg", "set/b.JPG", "__MACOSX/set/._a.jpg", "__MACOSX/a.jpg", ".x/a.jpg", "readme"):
            archive.writestr(name, "x" * 50)
    assert inspect(path, about(2)) == (PRESENT, "2 images")
    assert "expected 3 images, found 2" in inspect(path, about(3)).detail
    path.write_bytes(path.read_bytes()[:-30])
    assert "cut short" in inspect(path, about(2)).detail
    path = tmp_path / "set.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "a.jpg")
    assert inspect(path, about(9)) == (PRESENT, "")  # not counted: it would have to be read whole
    path.write_bytes(path.read_bytes()[:1000])
    assert "the tar is cut short" in inspect(path).detail


def test_a_folder_is_counted_and_one_of_nothing_or_of_archives_is_wrong(tmp_path):
    folder = tmp_path / "set"
    (folder / "below").mkdir(parents=True)
    assert inspect(folder) == Finding(WRONG, f"{folder}: expected files, found nothing in it")
    (folder / "below" / "images.zip").write_bytes(b"PK")
    assert inspect(folder).detail.endswith("found archives alone, such as images.zip; unpack them")
    for name in ("1.png", "2.jpg", "below/3.JPEG", ".DS_Store", "._1.jpg", "notes.txt"):
        (folder / name).touch()
    assert inspect(folder, about(3)) == (PRESENT, "3 images")
    assert inspect(folder, about(8)) == (WRONG, f"{folder}: expected 8 images, found 3")
    assert inspect(folder) == (PRESENT, "")
    assert inspect(tmp_path / "other", about(8)) == (MISSING, "")


def test_sizes_and_hashes_are_compared(tmp_path, monkeypatch):
    path = tmp_path / "set.bin"
    path.write_bytes(b"content")
    wrong = about(name="set.bin", size=7, exact=True, sha256="0" * 64)
    assert inspect(path, about(name="set.bin", size=7, exact=True, sha256=SHA256)) == (PRESENT, "sha256")
    assert "expected 8 bytes, found 7" in inspect(path, about(name="set.bin", size=8, exact=True)).detail
    assert inspect(path, about(name="set.bin", size=8)).status == PRESENT  # about 8
    assert f"expected sha256 {'0' * 64}, found {SHA256}" in inspect(path, wrong).detail
    assert inspect(path, about(name="set.bin", md5="9a0364b9e99bb480dd25e1f0284c8555")) == (PRESENT, "md5")
    monkeypatch.setattr("pipeline_lib.preflight.findings.HASHED_BELOW", 7)
    assert inspect(path, wrong) == (PRESENT, "size")
    assert inspect(path, wrong, hashes=True).status == WRONG


def test_what_is_there_only_in_part_is_wrong():
    here, gone = Finding(PRESENT, "7 images"), Finding(MISSING, "")
    for findings, status in (([here, here], PRESENT), ([gone, gone], MISSING), ([here, gone], WRONG)):
        assert DataItem(None, ["key"], dict(enumerate(findings)), 0).status == status
