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
from pipeline_lib.formats.cc3m import Part, count_rows
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


@pytest.mark.parametrize("name", READ)
def test_a_captions_file_is_read_as_it_is_passed_around(tmp_path, name):
    path = tmp_path / "captions.tsv"
    path.write_bytes(READ[name])
    rows = [tuple(row._replace(url=row.url.replace("HTTP", "http")))[:4] for row in Part(path)]
    assert rows == ROWS and count_rows(path) == 3
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
    "commas": (b"caption,url\na dog,http://a.test/1\n", "lines have no tab, .*; where there are commas: python -c"),
    "no URL": (b"a dog\ta.jpg\na cat\tb.jpg\n", r"lines have no URL in either .*'a dog\\ta\.jpg'; a URL begins with"),
    "URLs in quotes": (b'"a dog"\t"http://a.test/1"\n', "without quotes"),
    "three columns": (b"1\ta dog\thttp://a.test/1\n", "lines have 3 columns between tabs, .*; expected 2 or 5"),
    "a header alone": (b"caption\turl\n", "found none but a header"),
    "a web page": (b"<!DOCTYPE html>\n<title>Not found</title>\n", "lines have no tab"),
    "packed otherwise": (bz2.compress(GOOGLE), "found a file that is packed by bzip2; unpack it"),
    "packed twice": (gzip.compress(gzip.compress(GOOGLE)), "found a file that is packed by gzip; unpack it"),
    "a Parquet table": (b"PAR1" + GOOGLE, "found a file that is a Parquet table"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_captions_file_is_refused_as_a_whole(tmp_path, name):
    content, message = REFUSED[name]
    path = tmp_path / "captions.tsv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"captions\.tsv: expected .*{message}"):
        Part(path)
    said = call(fetch.main, *fetch_command(path, tmp_path / "out")[3:])
    assert re.search(message, said) and not list(tmp_path.glob("out*"))
    status, detail = inspect(path, captions=True)
    assert status == WRONG and (name == "nothing" or re.search(message, detail))


ADVICE = ("UTF-16", "UTF-16 without a mark", "UTF-32", "Windows' encoding", "CR alone", "commas")


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
    assert [row.problem for row in Part(tmp_path / "NEW")] == [None] * (1 if name == "commas" else 3)


def test_a_few_lines_that_are_no_rows_are_rows_with_a_problem(tmp_path):
    path = tmp_path / "captions.tsv"
    path.write_bytes(b"no tab\n" * 900 + GOOGLE)
    assert [row.problem for row in Part(path)].count("columns") == 900
    assert inspect(path, captions=True) == Finding(PRESENT, "")
    path.write_bytes(b"url\tcaption\n" + CC12M)
    assert inspect(path, captions=True).detail == "columns url, caption, a header in line 1, which is no row"
