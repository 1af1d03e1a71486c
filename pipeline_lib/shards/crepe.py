"""Read CREPE-Negate as triplets to fine-tune on: a caption with its first hard negative.

::

    python -m pipeline_lib.shards.crepe --captions prod_hard_negatives/negate --output crepe.parquet

Input: the CSV files of `pipeline_lib.formats.crepe`. Output: a row per row of the files, ``key`` (of the sample that
the reader `crepe` cuts out), ``caption``, ``negated_caption``. A row is left out, and counted, if one of its texts does
not fit into CLIP's 77 tokens: cut off, it may lose what is negated.
"""

import argparse
from pathlib import Path

import pandas as pd

from pipeline_lib.clip.tokenizer import fits_clip
from pipeline_lib.formats.crepe import read_crepe
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import write_parquet


def triplets_of(captions: str | Path) -> tuple[pd.DataFrame, int]:
    """Return the triplets of CREPE-Negate, and the number of rows that are too long."""
    regions = read_crepe(captions)
    rows = [(region.key, region.caption, region.hard_negatives[0]) for region in regions]
    fitting = [row for row in rows if fits_clip(row[1]) and fits_clip(row[2])]
    return pd.DataFrame(fitting, columns=["key", "caption", "negated_caption"]), len(rows) - len(fitting)


def main() -> None:
    """Convert the files that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--captions", type=Path, required=True, help="folder of CREPE's CSV files")
    parser.add_argument("--output", type=Path, required=True, help="output: triplets, Parquet")
    args = parser.parse_args()
    triplets, too_long = triplets_of(args.captions)
    if triplets.empty:
        raise ValueError(f"{args.captions}: all {too_long:,} rows are too long for CLIP's 77 tokens")
    write_parquet(args.output, triplets)
    print(f"{len(triplets):,} triplets, {too_long:,} rows too long")


if __name__ == "__main__":
    run(main)
