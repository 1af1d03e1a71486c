"""A file that is another in the place of the one that is expected: every reader says what it is and what to do."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import shutil
import sqlite3
import subprocess

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from conftest import jpeg_bytes
from hostile import SVG, member, tarred, torch_saved, zipped
from PIL import Image
from safetensors.torch import save

from pipeline_lib.backbones.formats import read_weights
from pipeline_lib.clip.load import load_clip
from pipeline_lib.clip.torch_file import load_plain
from pipeline_lib.evaluate.prompts import read_classes
from pipeline_lib.features.store import load_features
from pipeline_lib.formats.annotations import read_items, read_rows
from pipeline_lib.formats.cc3m import Part
from pipeline_lib.formats.images import Sample
from pipeline_lib.formats.pixels import encoded
from pipeline_lib.formats.tars import list_members, read_packed
from pipeline_lib.jobs.file_kind import CONVERT, KINDS, check_text, kind_of, misread
from pipeline_lib.jobs.files import read_arrow, read_parquet
from pipeline_lib.readers.cifar import CIFAR_10
from pipeline_lib.readers.containers import list_images
from pipeline_lib.readers.torchvision_sets import _variable

TEXT = "a dog on a mat\thttp://a.test/1\n" * 3


def _written(write) -> bytes:
    content = io.BytesIO()
    write(content)
    return content.getvalue()


def _arrow(stream: bool) -> bytes:
    sink, table = pa.BufferOutputStream(), pa.table({"a": [1]})
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, table.schema) as writer:
        writer.write(table)
    return sink.getvalue().to_pybytes()


def _sqlite() -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("create table a (b)")
        return database.serialize()


def _image(form: str) -> bytes:
    return encoded(Image.new("RGB", (20, 18)), form)


#: Kind -> files of it, made by what makes such files, or as published of a format that nothing here writes.
FILES = {
    "empty": [b""],
    "zeros": [bytes(4096)],
    "git-lfs": [b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"],
    "git-annex": [b"/annex/objects/MD5E-s12345--0cc175b9c0f1b6a831c399e269772661.tar\n"],
    "page": [b"<!DOCTYPE html>\n<html><title>Not found</title>", b"\xef\xbb\xbf\r\n<HTML>", b"<!-- moved -->\n<html>"],
    "svg": [SVG, b'<?xml version="1.0"?>\n' + SVG],
    "xml": [b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>'],
    "safetensors": [save({"a": torch.ones(2)})],
    "tar": [tarred(member("a.jpg", b"x"))],
    "zip": [zipped(("a.txt", b"x")), zipped(), torch_saved({"a": 1})],
    "gzip": [gzip.compress(TEXT.encode())],
    "bzip2": [bz2.compress(TEXT.encode()), bz2.compress(b"")],
    "xz": [lzma.compress(TEXT.encode())],
    "zstd": [pa.compress(TEXT.encode(), codec="zstd", asbytes=True)],
    "lz4": [pa.compress(TEXT.encode(), codec="lz4", asbytes=True)],
    "7z": [b"7z\xbc\xaf\x27\x1c\0\4"],
    "rar": [b"Rar!\x1a\x07\x01\0"],
    "parquet": [_written(pd.DataFrame({"a": [1]}).to_parquet)],
    "arrow": [_arrow(False), _arrow(True)],
    "hdf5": [b"\x89HDF\r\n\x1a\n\0", b"MATLAB 7.3 MAT-file, Platform: GLNXA64"],
    "mat": [b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\1IM"],
    "numpy": [_written(lambda file: np.save(file, np.ones(2)))],
    "pickle": [pickle.dumps({"a": 1}), torch_saved({"a": 1}, legacy=True)],
    "gguf": [b"GGUF\3\0\0\0"],
    "onnx": [b"\x08\x07\x12\x07pytorch\x1a\x051.9.0"],
    "flax": [b"\x81\xa6params\x83", b"\xde\x00\x10\xa6params"],
    "sqlite": [_sqlite()],
    "pdf": [b"%PDF-1.7\n%\xe2\xe3"],
    **{form.lower(): [_image(form)] for form in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")},
    "heic": [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"],
    "jxl": [b"\xff\x0a\xfa\x1f", b"\0\0\0\x0cJXL \r\n\x87\n"],
    "jp2": [_image("JPEG2000"), b"\xff\x4f\xff\x51\0\x2f"],
    "psd": [b"8BPS\0\1\0\0"],
    "mp4": [b"\0\0\0\x20ftypisom\0\0\2\0", b"\x1aE\xdf\xa3\x01"],
    "utf-32": [TEXT.encode("utf-32")],
    "utf-16": [TEXT.encode("utf-16")],
    **{f"utf-{form}": [TEXT.encode(f"utf-{form}")] for form in ("16le", "16be", "32le", "32be")},
    "json": [b'{"message": "Not Found"}', b'\xef\xbb\xbf[\n  {"a": 1}]', b"{}"],
    "text": [TEXT.encode(), b"404: Not Found", "café\r\n".encode(), "café\n".encode("cp1252")],
}
READERS = {
    "tar": (list_members, "tar"),
    "tar.gz": (lambda path: read_packed(path, "a", 9), "gzip"),
    "images.zip": (list_images, "zip"),
    "captions.tsv": (lambda path: list(Part(path)), "gzip", "text"),
    "list.json": (lambda path: read_items(path, list), "json"),
    "rows.csv": (lambda path: list(read_rows(path, ["a"])), "text", "json"),
    "classes.txt": (lambda path: read_classes(path), "text", "json"),
    "table.parquet": (read_parquet, "parquet"),
    "arrow.parquet": (read_arrow, "parquet"),
    "a.mat": (lambda path: _variable(path, "a"), "mat"),
    "weights.pt": (read_weights, "zip", "pickle", "safetensors"),
    "model.pt": (load_clip, "zip"),
    "mapping.pt": (lambda path: load_plain(path, "a list"), "zip", "pickle"),
    "a.safetensors": (read_weights, "zip", "pickle", "safetensors"),
    "features.safetensors": (lambda path: load_features([path]), "safetensors"),
    "a.jpg": (
        lambda path: Sample(path, "a", path.read_bytes, {}).decode(path.read_bytes()),
        *("jpeg", "png", "gif", "webp", "bmp", "tiff", "avif"),
    ),
    "cifar-10-batches-py/test_batch": (lambda path: list(CIFAR_10.read(str(path.parent.parent))), "pickle", "text"),
}


def test_each_kind_is_known_by_its_beginning():
    assert FILES.keys() == KINDS.keys()
    assert {name: [kind_of(file[:512]) for file in files] for name, files in FILES.items()} == {
        name: [name] * len(files) for name, files in FILES.items()
    }
    assert kind_of(b"\x01\x02\x03") is None


@pytest.mark.parametrize("name", READERS)
def test_every_reader_says_what_a_file_is_in_the_place_of_its_own(tmp_path, name):
    read, *own = READERS[name]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    for kind in KINDS.keys() - {*own}:
        if (name, kind) == ("tar", "zeros"):  # an empty tar
            continue
        for content in FILES[kind]:
            path.write_bytes(content)
            with pytest.raises(ValueError) as caught:
                read(path)
            said = str(caught.value)
            assert str(path) in said and "expected" in said, (kind, said)
            said_otherwise = (name, kind) == ("classes.txt", "empty") or "save it as UTF-8" in said
            # Into which form, and what an empty text lacks, each reader says itself.
            todo = "" if kind == "empty" else KINDS[kind].todo.partition(CONVERT)[0]
            assert (KINDS[kind].said in said and todo in said) or said_otherwise, (kind, said)


def test_a_text_may_begin_with_what_looks_like_another_kind():
    for start in (
        b"<b>a dog</b>\thttp",
        b"BM, a car\t",
        b"{a} dog",
        b"[1] a dog",
        b"GGUF is a format",
        b"Rar! a tiger",
    ):
        check_text(start, "a.tsv")


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd", "lz4"])
def test_the_advice_to_unpack_gives_the_text(tmp_path, kind):
    if not shutil.which(kind):
        pytest.skip(f"{kind} is not installed")
    (tmp_path / "OLD").write_bytes(FILES[kind][0])
    subprocess.run(["bash", "-c", KINDS[kind].todo.partition(": ")[2]], cwd=tmp_path, check=True)
    assert (tmp_path / "NEW").read_text() == TEXT


def test_of_a_file_that_a_rule_makes_it_is_said_how(tmp_path):
    path = tmp_path / "results" / "small" / "fetch" / "00000.tar"
    path.parent.mkdir(parents=True)
    path.write_bytes(FILES["gzip"][0])
    with pytest.raises(ValueError, match=r"found a file that is packed by gzip; delete it and make it again"):
        list_members(path)


def test_the_content_of_an_error_is_quoted_and_the_disks_own_error_stays(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"error": "Rate limit"}))
    assert 'JSON (\'{"error": "Rate limit"}\'); if it is an error' in str(misread(path, "a tar", "cut", "tar"))
    denied = PermissionError(13, "Permission denied", "a.tar")
    assert misread(path, "a tar", denied, "tar") is denied


def test_an_image_is_told_from_what_stands_in_its_place(tmp_path):
    sample = Sample("pool", "a", jpeg_bytes, {})
    assert sample.decode(jpeg_bytes()).size == (40, 36)
    with pytest.raises(ValueError, match=r"pool: the image of sample a does not decode: .* an image in HEIC; save"):
        sample.decode(FILES["heic"][0])


def test_room_that_a_download_took_and_never_filled_is_no_empty_tar(tmp_path):
    path = tmp_path / "a.tar"
    for begun in (b"", tarred(member("a.jpg", b"x"))[:1024]):
        path.write_bytes(begun)
        with open(path, "rb+") as file:
            file.truncate(3 << 20)
        with pytest.raises(ValueError, match=r"a\.tar: expected a whole tar, found .*nothing but zeros"):
            list_members(path)
    path.write_bytes(bytes(10_240))
    assert list_members(path) == []
