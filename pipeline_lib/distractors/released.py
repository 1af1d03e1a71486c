r"""Look up the distractors that the authors released (``distractor_image_mapping.pt``) for the released CC-Neg.

::

    python -m pipeline_lib.distractors.released --mapping distractor_image_mapping.pt \
        --captions captions_train2017.json --triplets train.parquet --count 228246 --eval-last 40000 \
        --output distractors.parquet

The mapping is a torch-saved list with an entry per row of the release (or per training row: the published loader asks
for no other), in the release's order; an entry lists three positions among COCO's training images by ascending id. The
first is the distractor, as in the published loader. A row of the triplets finds its entry by ``release_index``, so it
does not matter which images are missing.

Output: as `pipeline_lib.distractors.choose`, with an empty ``score``, which was not released.
"""

import argparse
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline_lib.clip.torch_file import load_plain
from pipeline_lib.formats.annotations import coco_image_keys
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet, write_parquet
from pipeline_lib.jobs.quoted import quoted

SCHEMA = pa.schema([("key", pa.string()), ("distractor", pa.string()), ("score", pa.float32())])


def read_mapping(path: str | Path, lengths: tuple[int, ...], images: int) -> list[int]:
    """Return the position of the distractor, among `images` images, for each row of the release.

    The file has as many entries as one of `lengths` says, each a list of whole numbers below `images`; another is a
    `ValueError` that names file and row.
    """
    entries = load_plain(path, "the released mapping to distractor images")
    if not isinstance(entries, list) or len(entries) not in lengths:
        found = f"a list of {len(entries):,}" if isinstance(entries, list) else quoted(entries, 100)
        expected = " or ".join(f"{length:,}" for length in lengths)
        raise ValueError(f"{path}: expected a list with {expected} entries, one per row of the release, found {found}")
    for row, entry in enumerate(entries):
        if not isinstance(entry, list) or not entry or not all(type(place) is int for place in entry):
            raise ValueError(f"{path}, row {row}: expected a list of whole numbers, found {quoted(entry, 100)}")
        if not all(0 <= place < images for place in entry):
            raise ValueError(
                f"{path}, row {row}: expected positions among the {images:,} images of the captions file, found "
                f"{quoted(entry, 100)}; the mapping counts those of captions_train2017.json, 118,287"
            )
    return [entry[0] for entry in entries]


def main() -> None:
    """Look up the distractors that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mapping", type=Path, required=True, help="the authors' distractor_image_mapping.pt")
    parser.add_argument("--captions", type=Path, required=True, help="COCO's captions_train2017.json")
    parser.add_argument(
        "--triplets", type=Path, required=True, help="samples of the training split of the released CC-Neg, Parquet"
    )
    parser.add_argument("--count", type=int, required=True, help="number of rows of the release")
    parser.add_argument(
        "--eval-last", type=int, required=True, help="number of rows at its end that are for evaluation"
    )
    parser.add_argument("--output", type=Path, required=True, help="output: a distractor per sample, Parquet")
    args = parser.parse_args()
    keys = coco_image_keys(args.captions)
    places = read_mapping(args.mapping, (args.count, args.count - args.eval_last), len(keys))
    triplets = read_parquet(args.triplets, ["key", "release_index"])
    distractors = [keys[places[index]] for index in triplets["release_index"]]
    write_parquet(args.output, pd.DataFrame({"key": triplets["key"], "distractor": distractors, "score": None}), SCHEMA)
    print(f"{len(distractors):,} samples, {len(set(distractors)):,} different distractors of {len(keys):,} images")


if __name__ == "__main__":
    run(main)
