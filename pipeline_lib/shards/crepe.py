"""Read negated captions in the manner of CREPE-Negate as triplets to fine-tune on.

::

    python -m pipeline_lib.shards.crepe --captions crepe_negate.csv --output crepe.parquet

Input: CSV with a header and the columns ``image`` (key of the image), ``caption``, ``negated_caption``. Output: one row
per line, ``key``, ``caption``, ``negated_caption``.
"""

import argparse
import csv
from pathlib import Path

import pandas as pd

from pipeline_lib.command import run
from pipeline_lib.files import write_parquet

COLUMNS = {"image": "key", "caption": "caption", "negated_caption": "negated_caption"}


def read_crepe(path: str | Path) -> pd.DataFrame:
    """Return the triplets of a CSV file.

    Raises
    ------
    ValueError
        If columns are missing, or a row has other than three filled fields; the message names file and line.
    """
    rows = []
    try:
        with open(path, encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            header = next(reader, [])
            if header != list(COLUMNS):
                raise ValueError(f"{path}: expected the columns {list(COLUMNS)}, found {header}")
            for row in reader:
                if len(row) != len(COLUMNS) or not all(row):
                    expected = f"{len(COLUMNS)} fields, none of them empty"
                    raise ValueError(f"{path}, line {reader.line_num}: expected {expected}, found {row}")
                rows.append(row)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a CSV file in UTF-8 ({error})") from error
    if not rows:
        raise ValueError(f"{path}: expected at least one row, found none")
    return pd.DataFrame(rows, columns=list(COLUMNS.values()))


def main() -> None:
    """Convert the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--captions", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    frame = read_crepe(args.captions)
    write_parquet(args.output, frame)
    print(f"{len(frame):,} triplets")


if __name__ == "__main__":
    run(main)
