"""Captions files as they are passed around: order, header, mark, packing, and what is no captions file at all."""

import bz2
import codecs
import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import call
from fetching import fetch_command

from pipeline_lib.captions import negate
from pipeline_lib.fetch import fetch
from pipeline_lib.formats.cc3m import Part
from pipeline_lib.preflight.findings import PRESENT, WRONG, Finding, inspect

CAPTIONS = ["a dog on a mat", 'a "big" café', "a cat, asleep"]
ROWS = [(f"{number:09d}", caption, f"http://a.test/{number}", None) for number, caption in enumerate(CAPTIONS)]
GOOGLE = "".join(f"{caption}\t{url}\n" for _, caption, url, _ in ROWS).encode()
CC12M = "".join(f"{url}\t{caption}\n" for _, caption, url, _ in ROWS).encode()

READ = {
    "as Google's CC3M": GOOGLE,
    "as Google's CC12M": CC12M,
    "a mark": codecs.BOM_UTF8 + GOOGLE,
    "two files with marks, joined": b"".join(codecs.BOM_UTF8 + line for line in GOOGLE.splitlines(keepends=True)),
    "a mark and a header": codecs.BOM_UTF8 + b"url\tcaption\r\n" + CC12M.replace(b"\n", b"\r\n"),
    "img2dataset's header": b"caption\turl\n" + GOOGLE,
    "LAION's header": b"URL\tTEXT\n" + CC12M,
    "another header": b"Image URL\tAlt text\n" + CC12M,
    "five columns": GOOGLE.replace(b"\n", b"\tdog,cat\t/m/1,/m/2\t0.9,0.5\n"),
    "URLs in capitals": GOOGLE.replace(b"http", b"HTTP"),
    "gzip without .gz": gzip.compress(GOOGLE),
    "gzip of CC12M": gzip.compress(codecs.BOM_UTF8 + CC12M),
}


@pytest.mark.parametrize("suffix", [".tsv", ".tsv.gz"])
@pytest.mark.parametrize("name", READ)
def test_a_captions_file_is_read_as_it_is_passed_around(tmp_path, name, suffix):
    path = tmp_path / f"captions{suffix}"  # browsers unpack what they download, and leave the name
    path.write_bytes(READ[name])
    rows = [tuple(row._replace(url=row.url.replace("HTTP", "http")))[:4] for row in Part(path)]
    assert rows == ROWS and len(Part(path)) == 3
    assert [tuple(row)[:2] for row in Part(path, 1, 3, count=3)] == [ROWS[1][:2]]
    assert inspect(path, captions=True).status == PRESENT


def test_a_name_in_cc12m_is_a_person_as_in_cc3m(tmp_path):
    path = tmp_path / "cc12m.tsv"
    path.write_text("http://a.test/0\t<PERSON> <PERSON> and <PERSON>'s dog on a mat\n")
    (row,) = Part(path)
    assert row.caption == "person and person's dog on a mat"
    flags = ("--spacy-model", "lexicon", "--seed", "0", "--word-weights", "no=1,not=1,without=1")
    assert call(negate.main, "--captions", path, "--output", tmp_path / "out.parquet", *flags) is None
    assert pd.read_parquet(tmp_path / "out.parquet")["status"].tolist() == ["negated"]


REFUSED = {
    "nothing": (b"", "found an empty file"),
    "empty lines": (b"\n\r\n \n", "found an empty file"),
    "UTF-16": (codecs.BOM_UTF16_LE + GOOGLE.decode().encode("utf-16-le"), "found UTF-16; convert it: iconv"),
    "UTF-16 without a mark": (GOOGLE.decode().encode("utf-16-be"), "found UTF-16BE; convert it: iconv"),
    "UTF-32": (GOOGLE.decode().encode("utf-32"), "found UTF-32; convert it: iconv"),
    "Windows' encoding": ("é\thttp://a.test\n".encode("cp1252") * 3, r"lines have text that is not UTF-8, such as"),
    "CR alone": (GOOGLE.replace(b"\n", b"\r"), "found carriage returns alone; convert them: tr"),
    "commas": (codecs.BOM_UTF8 + b'"caption","url"\r\na dog,http://a.test/1\r\n', "lines have no tab, .*: python -c"),
    "semicolons": (b'http://a.test/1;"a dog, asleep"\n', "lines have no tab, .*; make tabs of .*: python -c"),
    "JSON lines": (
        b'{"url": "http://a.test/1", "caption": "a dog"}\n',
        "found JSON .*; else write its captions and URLs",
    ),
    "JSON": (b'[\n\t{"caption": "a dog",\n\t"url": "http://a.test/1"}\n]\n', "found JSON .*; else write"),
    "no URL": (b"a dog\ta.jpg\na cat\tb.jpg\n", r"lines have no URL in either .*'a dog\\ta\.jpg'; a URL begins with"),
    "quotes": (b'"a dog"\t"http://a.test/1"\n', "lines have no URL in either .*; take the quotes off: python -c"),
    "captions in quotes": (
        b'"a ""big"" dog"\thttp://a.test/1\r\na cat\thttp://a.test/2\r\n"a pet, asleep"\thttp://a.test/3\r\n',
        "found 2 of 3 in quotes, such as .*; take them off: python -c",
    ),
    "three columns": (b"1\ta dog\thttp://a.test/1\n", "lines have 3 columns between tabs, .*; expected 2 or 5"),
    "a header alone": (b"caption\turl\n", "found a header alone"),
    "a web page": (b"<!DOCTYPE html>\n<title>Not found</title>\n", "found a web page; .*get the file again"),
    "a web page with tabs": (b"\n<html>\n\t<title>Not found</title>\n</html>\n", "found a web page"),
    "an image": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "found an image .PNG."),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "found a pointer of Git LFS"),
    "packed otherwise": (bz2.compress(GOOGLE), "found a file that is packed by bzip2; unpack it"),
    "packed twice": (gzip.compress(gzip.compress(GOOGLE)), "found a file that is packed by gzip; unpack it"),
    "a Parquet table": (b"PAR1" + GOOGLE, "found a Parquet table; write its captions"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_captions_file_is_refused_as_a_whole(tmp_path, name):
    content, message = REFUSED[name]
    path = tmp_path / "captions.tsv"
    path.write_bytes(content)
    for links in (True, False) if name != "no URL" else (True,):
        with pytest.raises(ValueError, match=rf"captions\.tsv: .*{message if links else ''}"):
            Part(path, links=links)
    said = call(fetch.main, *fetch_command(path, tmp_path / "out")[3:])
    assert re.search(message, said) and not list(tmp_path.glob("out*"))
    status, detail = inspect(path, captions=True)
    assert status == WRONG and (name == "nothing" or re.search(message, detail))


ADVICE = {
    **dict.fromkeys(("UTF-16", "UTF-16 without a mark", "UTF-32", "Windows' encoding", "CR alone"), 3),
    **{"commas": 1, "semicolons": 1, "quotes": 1, "captions in quotes": 3},
}


@pytest.mark.parametrize("name", ADVICE)
def test_the_advice_of_a_refusal_makes_a_captions_file(tmp_path, name):
    (tmp_path / "OLD").write_bytes(REFUSED[name][0])
    with pytest.raises(ValueError) as error:
        Part(tmp_path / "OLD")
    command = re.search(r"((iconv|tr|python -c) .*?> ?NEW)", str(error.value))[1]
    folder = Path(sys.executable).parent
    subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, check=True, env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    )
    rows = list(Part(tmp_path / "NEW"))
    assert [row.problem for row in rows] == [None] * ADVICE[name]
    if name == "captions in quotes":
        assert [row.caption for row in rows] == ['a "big" dog', "a cat", "a pet, asleep"]


def test_what_can_be_read_only_once_is_refused(tmp_path):
    """Its rows are looked at, counted and read."""
    os.mkfifo(tmp_path / "captions.tsv")
    write = subprocess.Popen(["bash", "-c", "echo a >captions.tsv"], cwd=tmp_path)
    with pytest.raises(ValueError, match=r"captions\.tsv: expected a file, found a pipe"):
        Part(tmp_path / "captions.tsv")
    write.wait()
    for path in (tmp_path, tmp_path / "captions.tsv" / "a.tsv"):
        assert f"error: {path}: " in call(fetch.main, *fetch_command(path, tmp_path / "out")[3:])


def test_a_few_lines_that_are_no_rows_are_rows_with_a_problem(tmp_path):
    path = tmp_path / "captions.tsv"
    path.write_bytes(b"no tab\n" * 900 + GOOGLE)
    assert [row.problem for row in Part(path)].count("columns") == 900
    assert inspect(path, captions=True) == Finding(PRESENT, "")
    path.write_bytes(b"url\tcaption\n" + CC12M)
    assert inspect(path, captions=True).detail == "columns url, caption, a header in line 1, which is no row"
