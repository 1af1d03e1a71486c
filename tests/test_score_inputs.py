"""Tables of captions for `score` as other programs write them."""

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import jpeg_bytes
from layouts import write

from pipeline_lib.score.inputs import find_inputs


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.csv", b"\xef\xbb\xbfimage;caption\r\nphotos\\b.png;a dog, red\r\ndog.jpg;a cat\r\n"),
        ("c.tsv", b"\timage\tcaption\r0\tphotos/b.png\ta dog, red\r1\tdog.jpg\ta cat\r"),
        ("dictionary.parquet", lambda texts: texts.dictionary_encode()),
        ("large.parquet", lambda texts: texts.cast(pa.large_string())),
        ("view.parquet", lambda texts: texts.cast(pa.string_view())),
        ("bytes.parquet", lambda texts: texts.cast(pa.binary())),
    ],
)
def test_a_table_of_captions_is_read_as_other_programs_write_it(tmp_path, name, content):
    write(tmp_path / "dog.jpg", jpeg_bytes())
    write(tmp_path / "photos" / "b.png", jpeg_bytes())
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        columns = (pa.array(texts) for texts in (["photos/b.png", "dog.jpg"], ["a dog, red", "a cat"]))
        pq.write_table(pa.table(dict(zip(("image", "caption"), map(content, columns), strict=True))), tmp_path / name)
    images, pairs = find_inputs([], [], tmp_path / name)
    assert [*images] == ["photos/b.png", "dog.jpg"] == list(pairs["image"])
    assert list(pairs["caption"]) == ["a dog, red", "a cat"]


@pytest.mark.parametrize("captions", [["a", None], ["a", float("nan")], [["a"], ["b"]], [{"raw": "a"}] * 2, ["a", ""]])
def test_a_row_of_a_parquet_table_without_a_text_is_named(tmp_path, captions):
    pd.DataFrame({"caption": captions}).to_parquet(tmp_path / "c.parquet")
    with pytest.raises(ValueError, match=r"c\.parquet, row [12]: expected the texts caption, .* found {'caption': "):
        find_inputs([tmp_path], [], tmp_path / "c.parquet")
