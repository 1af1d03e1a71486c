"""Gather the parts of CC-Neg: one table of triplets per split, and an index of all shards with counts and checksums.

::

    python -m pipeline_lib.shards.index --triplets triplets-*.parquet --counts counts-*.json \\
        --shards train-*.tar eval-*.tar --train train.parquet --eval eval.parquet --index index.json

The index holds, per shard, its name, samples, bytes and SHA-256, and in ``rows`` the parts' counts added up, with the
size of each split and the number of evaluation samples whose caption and negated caption are, word for word, in
training too: a reader should know how much of the evaluation is seen text.
"""

import argparse
from collections import Counter
from pathlib import Path

import pandas as pd

from pipeline_lib.formats.tars import list_samples
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_json, read_parquet, sha256, write_json, write_parquet
from pipeline_lib.jobs.remedy import remedy
from pipeline_lib.shards.build import SPLITS, say_counts


def main() -> None:
    """Gather the parts that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, what in (("triplets", "samples"), ("counts", "counts"), ("shards", "tars")):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True, help=f"{what} of all parts")
    for split in SPLITS:
        parser.add_argument(f"--{split}", type=Path, required=True, help=f"output: all samples of {split}, Parquet")
    parser.add_argument(
        "--index", type=Path, required=True, help="output: counts, and sizes and hashes of shards, JSON"
    )
    args = parser.parse_args()
    triplets = pd.concat([read_parquet(path) for path in args.triplets], ignore_index=True)
    if (twice := triplets["key"].duplicated()).any():
        raise ValueError(f"key {triplets['key'][twice].iloc[0]!r} occurs in more than one part")
    totals: Counter[str] = Counter()
    for path in args.counts:
        totals.update(read_json(path))  # unlike `+` it keeps a reason that no row had
    texts = {}
    for split in SPLITS:
        rows = triplets[triplets["split"] == split].drop(columns="split")
        if rows.empty:
            raise ValueError(
                f"the {split} split has no sample out of {dict(totals)}; check what its shards are made of"
            )
        write_parquet(getattr(args, split), rows)
        totals[split] = len(rows)
        texts[split] = pd.MultiIndex.from_frame(rows[["caption", "negated_caption"]])
    totals["eval_with_texts_seen_in_training"] = int(texts["eval"].isin(texts["train"]).sum())
    shards, keys = [], []
    for path in args.shards:
        found = [key for key, _ in list_samples(path)]
        shards.append({"name": path.name, "samples": len(found), "bytes": path.stat().st_size, "sha256": sha256(path)})
        keys += found
    if set(keys) != set(triplets["key"]) or len(keys) != len(triplets):
        raise ValueError(
            f"{', '.join(map(str, args.shards))}: expected the {len(triplets):,} samples of the triplets, found "
            f"{len(keys):,}, not the same; {remedy(args.shards[0])}"
        )
    write_json(args.index, {"rows": totals, "shards": shards})
    say_counts(totals)


if __name__ == "__main__":
    run(main)
