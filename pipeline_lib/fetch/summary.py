"""What became of all rows of a captions file: counts by failure and host, and images that several rows share.

::

    python -m pipeline_lib.fetch.summary --captions Train_GCC-training.tsv --outcomes fetch/*.parquet \\
        --summary summary.json --duplicates duplicates.parquet

(about half a minute for three million rows). Inputs: the captions file and the outcome tables of all its parts, in
order, which together have each of its rows once. Outputs:

- JSON with ``captions`` (`file`, `bytes`, `sha256`, `rows`), ``rows``, ``successes``, ``bytes``, ``failures`` (rows by
  `failure`, `http_code` and `permanent`, each with a `label`), ``hosts`` (the `HOSTS` with most failures: rows, and
  failures by label), ``duplicates`` (counts, and the `TOP` images that most rows share);
- a Parquet table with one row per row whose image another row has too: `sha256` (of the image as downloaded), `rows`
  (how many have it), `placeholder`, `key`, `url`, `final_host`, `caption`; the most frequent image first.

A **placeholder** is an image that one host gives for `PLACEHOLDER_CAPTIONS` or more URLs whose captions all differ:
most often the host's picture of "no longer available". Rows stay in the data set either way: the published one was not
cleaned, and it is the reader who knows which duplicates do harm; the table names their keys.
"""

import argparse
from collections import Counter
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline_lib.fetch import label
from pipeline_lib.fetch.outcomes import check_columns, schema_of
from pipeline_lib.formats.cc3m import Part
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_arrow, sha256, write_json, write_parquet

HOSTS, TOP = 20, 10
PLACEHOLDER_CAPTIONS = 3
COUNTED = ["status", "failure", "permanent", "http_code", "bytes", "final_host", "sha256"]
DUPLICATES = schema_of(
    ("sha256", "rows", "placeholder", "key", "url", "final_host", "caption"), rows=pa.int32(), placeholder=pa.bool_()
)


def read_tables(captions: Path, outcomes: list[Path]) -> pa.Table:
    """Return the columns `COUNTED` of all parts; a `ValueError` unless they have each row of `captions` once, in order.

    Arrow holds the millions of rows; pandas would need several times the memory.
    """
    tables, n_rows = [], 0
    for path in outcomes:
        check_columns(path)
        table = read_arrow(path, ["key", *COUNTED])
        expected = pa.array(range(n_rows, n_rows + len(table)), pa.int64())
        if not pc.cast(table["key"], pa.int64()).combine_chunks().equals(expected):
            raise ValueError(f"{path}: expected the rows from number {n_rows} on, each once; fetch the part again")
        tables.append(table.select(COUNTED))
        n_rows += len(table)
    if n_rows != (found := len(Part(captions))):
        raise ValueError(
            f"{captions}: expected {n_rows:,} rows, as the outcome tables have, found {found:,}; fetch all parts again"
        )
    return pa.concat_tables(tables)


def _count(table: pa.Table, columns: list[str]) -> list[dict]:
    """Return how many ``rows`` each combination of values has, with its ``label``."""
    groups = table.group_by(columns).aggregate([([], "count_all")]).rename_columns({"count_all": "rows"}).to_pylist()
    return [{"label": label(group["failure"], group["http_code"]), **group} for group in groups]


def failures(table: pa.Table) -> list[dict]:
    """Count failed rows by class, HTTP status and permanence, the most frequent first."""
    found = _count(table.filter(pc.field("status") == "failed"), ["failure", "http_code", "permanent"])
    return sorted(found, key=lambda row: (-row["rows"], row["failure"], row["http_code"] or 0))


def hosts(table: pa.Table) -> list[dict]:
    """Return rows and failures by label of the hosts with most failures; rows that were never asked have no host."""
    counts: dict[str, Counter] = {}
    for group in _count(table.filter(pc.field("final_host").is_valid()), ["final_host", "failure", "http_code"]):
        counts.setdefault(group["final_host"], Counter())[group["label"]] += group["rows"]
    found = []
    for host, by_label in counts.items():
        rows, successes = by_label.total(), by_label.pop(None, 0)
        found.append({"host": host, "rows": rows, "failed": rows - successes, "failures": dict(by_label.most_common())})
    return sorted(found, key=lambda host: (-host["failed"], host["host"]))[:HOSTS]


def find_duplicates(table: pa.Table, captions: Path, outcomes: list[Path]) -> pd.DataFrame:
    """Return the rows whose image others have too, with the columns of `DUPLICATES`."""
    counts = table.filter(pc.is_valid(table["sha256"])).group_by("sha256").aggregate([([], "count_all")])
    shared = counts.filter(pc.field("count_all") > 1)["sha256"].combine_chunks()
    columns = ["sha256", "key", "url", "final_host"]
    frame = pd.concat(read_arrow(path, columns, pc.field("sha256").isin(shared)).to_pandas() for path in outcomes)
    captions_of = dict.fromkeys(frame["key"])
    if captions_of:
        captions_of |= {row.key: row.caption for row in Part(captions) if row.key in captions_of}
    frame["caption"] = frame["key"].map(captions_of)
    images = frame.groupby("sha256")
    frame["rows"] = images["key"].transform("size")
    hosts, urls, texts = (images[column].transform("nunique") for column in ("final_host", "url", "caption"))
    all_differ = (urls == frame["rows"]) & (texts == frame["rows"]) & (frame["rows"] >= PLACEHOLDER_CAPTIONS)
    frame["placeholder"] = (hosts == 1) & all_differ
    return frame.sort_values(["rows", "sha256", "key"], ascending=[False, True, True])[DUPLICATES.names]


def count_duplicates(frame: pd.DataFrame) -> dict:
    """Return how many images several rows share, how many of them are placeholders, and the most frequent ones."""
    placeholders = frame[frame["placeholder"]]
    top = [
        {
            "sha256": image,
            "rows": len(rows),
            "placeholder": bool(rows["placeholder"].iloc[0]),
            "hosts": sorted(set(rows["final_host"]))[:TOP],
            "urls": rows["url"].nunique(),
            "example": rows["url"].iloc[0],
        }
        for image, rows in islice(frame.groupby("sha256", sort=False), TOP)
    ]
    return {
        "images": frame["sha256"].nunique(),
        "rows": len(frame),
        "placeholder_images": placeholders["sha256"].nunique(),
        "placeholder_rows": len(placeholders),
        "top": top,
    }


def main() -> None:
    """Summarise the parts that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--captions", type=Path, required=True, help="captions file, such as CC3M's")
    parser.add_argument("--outcomes", type=Path, required=True, nargs="+", help="outcome tables of all parts, in order")
    parser.add_argument("--summary", type=Path, required=True, help="output: the counts, JSON")
    parser.add_argument("--duplicates", type=Path, required=True, help="output: rows that share an image, Parquet")
    args = parser.parse_args()
    table = read_tables(args.captions, args.outcomes)
    duplicates = find_duplicates(table, args.captions, args.outcomes)
    n_bytes, digest = args.captions.stat().st_size, sha256(args.captions)
    content = {
        "captions": {"file": str(args.captions), "bytes": n_bytes, "sha256": digest, "rows": len(table)},
        "rows": len(table),
        "successes": pc.sum(pc.equal(table["status"], "success")).as_py() or 0,
        "bytes": pc.sum(table["bytes"]).as_py() or 0,
        "failures": failures(table),
        "hosts": hosts(table),
        "duplicates": count_duplicates(duplicates),
    }
    write_parquet(args.duplicates, duplicates, DUPLICATES)
    write_json(args.summary, content)
    counted = content["duplicates"]
    print(
        f"rows {len(table):,}, successes {content['successes']:,}; {counted['rows']:,} rows share "
        f"{counted['images']:,} images, {counted['placeholder_rows']:,} of them a host's placeholder"
    )


if __name__ == "__main__":
    run(main)
