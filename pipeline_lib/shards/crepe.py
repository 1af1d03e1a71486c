"""Read negated captions in the manner of CREPE-Negate as triplets to fine-tune on.

::

    python -m pipeline_lib.shards.crepe --captions crepe_negate.csv --output crepe.parquet

Input: CSV with a header and the columns ``image`` (key of the image), ``caption``, ``negated_caption``. Output: one row
per line, ``key``, ``caption``, ``negated_caption``.
"""

import argparse
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
        If columns or cells are missing; the message names the file and the first line concerned.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a CSV file ({error})") from error
    if list(frame.columns) != list(COLUMNS):
        raise ValueError(f"{path}: expected the columns {list(COLUMNS)}, found {list(frame.columns)}")
    empty = (frame == "").any(axis=1)
    if empty.any():
        raise ValueError(
            f"{path}, line {empty.idxmax() + 2}: expected no empty cell, found {tuple(frame.loc[empty.idxmax()])}"
        )
    return frame.rename(columns=COLUMNS)


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
