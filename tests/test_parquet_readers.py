"""Other readers of Parquet find in the results what pandas finds, with the queries of docs/tables.md."""

import re

import duckdb
import pandas as pd
import polars
import pytest
from conftest import ROOT
from papers import BLIND, MODELS


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with one kind of missing value and of text, whoever read it."""
    return frame.astype(object).where(frame.notna(), None)


@pytest.mark.parametrize("name", ["tables", "evaluate/mini-vit/ccneg", "evaluate/mini-rn/zeroshot"])
def test_polars_and_duckdb_read_what_pandas_reads(made_up_run, name):
    path = made_up_run / f"{name}.parquet"
    expected = plain(pd.read_parquet(path))
    assert len(expected) > 100
    by_polars = pd.DataFrame(polars.read_parquet(path).to_dict(as_series=False))
    for frame in (by_polars, duckdb.sql(f"SELECT * FROM '{path}'").df()):
        pd.testing.assert_frame_equal(plain(frame), expected, check_dtype=False)


def test_the_documented_queries_give_the_numbers_of_the_tables(made_up_run, tables):
    text = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    queries = block.replace("results/miniature/", f"{made_up_run}/").replace("results/", f"{made_up_run}/").split(";\n")
    listed, computed = (duckdb.sql(query).df() for query in queries if query.strip())
    expected = tables[tables.table == "ccneg"].set_index("model").value
    assert dict(zip(listed.model, listed.value, strict=True)) == dict(expected)
    assert list(listed.value) == sorted(listed.value)
    assert set(computed.model) == {name for name, *_ in (*MODELS, *BLIND)}
    for row in computed.itertuples():
        assert row.accuracy == pytest.approx(expected[row.model])
    (query,) = re.findall(r"pl\.read_parquet\(.*\)", text)
    found = eval(query.replace("results/", f"{made_up_run}/"), {"pl": polars})
    assert set(found["model"]) == {name for name, *_ in (*MODELS, *BLIND)}
