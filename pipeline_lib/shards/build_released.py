r"""Join rows and images of the released CC-Neg into the shards of one part, as `pipeline_lib.shards.build` does ours.

::

    python -m pipeline_lib.shards.build_released --release release.parquet --images ccneg_images --part 00000 \
        --parts 64 --train train-00000.tar --eval eval-00000.tar --triplets triplets-00000.parquet \
        --counts counts-00000.json

Images are the files ``KEY.jpg`` of the folder ``cc3m_subset_images_extracted_final`` in `images`, as the archive
unpacks, or of `images` itself. They are decoded to verify, and kept as they are: one that does not decode is an error
that names the file. A row without an image is counted, so that rows = samples + rows without image + rows refused.

Output: as `pipeline_lib.shards.build`, with ``release_index`` as a further column of the triplets.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from pipeline_lib.formats.cc3m import part_range
from pipeline_lib.formats.images import Sample
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet, write_json, write_parquet
from pipeline_lib.shards.build import SPLITS, say_counts, write_split
from pipeline_lib.shards.release_layout import image_folder


def with_image(rows: pd.DataFrame, folder: Path, most_missing: int) -> pd.DataFrame:
    """Return the rows that are not refused and whose image is there.

    Raises
    ------
    ValueError
        If more than `most_missing` images are not: the copy is incomplete, or the folder another.
    """
    kept = rows[rows["reason"].isna()]
    there = kept[[(folder / f"{key}.jpg").is_file() for key in kept["key"]]]
    missing = kept[~kept["key"].isin(there["key"])]
    if len(missing) > most_missing:
        raise ValueError(
            f"{folder}: {len(missing):,} of the {len(kept):,} images of this part are missing, such as "
            f"{missing['key'].iloc[0]}.jpg; complete the copy, or allow so many by shards/released/most_missing"
        )
    return there.drop(columns="reason").reset_index(drop=True)


def count_rows(rows: pd.DataFrame, samples: int) -> dict[str, int]:
    """Return how many rows became samples and why the others did not, each row counted once."""
    refused = rows["reason"].dropna()
    return {
        "rows": len(rows),
        "samples": samples,
        "without_image": len(rows) - len(refused) - samples,
        **{f"refused_{reason.replace('-', '_')}": int(count) for reason, count in refused.value_counts().items()},
    }


def read_jpegs(folder: Path, keys: pd.Series) -> Iterator[tuple[str, bytes]]:
    """Yield key and encoded image; raise a `ValueError` that names the file where it does not decode."""
    for key in keys:
        path = folder / f"{key}.jpg"
        sample = Sample(path, key, path.read_bytes, {})
        encoded = sample.read()
        sample.decode(encoded)
        yield key, encoded


def main() -> None:
    """Build the shards of the part that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("release", "images", *SPLITS, "triplets", "counts"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--part", type=int, required=True)
    parser.add_argument("--parts", type=int, required=True)
    parser.add_argument("--most-missing", type=int, required=True, help="images that the part may lack")
    args = parser.parse_args()
    release = read_parquet(args.release)
    numbers = part_range(len(release), args.part, args.parts)
    rows = release.iloc[numbers.start : numbers.stop]
    folder = Path(image_folder(str(args.images)))
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected the unpacked images of the released CC-Neg")
    triplets = with_image(rows, folder, args.most_missing)
    for split in SPLITS:
        chosen = triplets[triplets["split"] == split]
        write_split(getattr(args, split), chosen, read_jpegs(folder, chosen["key"]))
    write_parquet(args.triplets, triplets)
    counts = count_rows(rows, len(triplets))
    write_json(args.counts, counts)
    say_counts(counts)


if __name__ == "__main__":
    run(main)
