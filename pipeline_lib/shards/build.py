"""Join the fetched images and the negated captions of one part into CC-Neg shards, one per split.

::

    python -m pipeline_lib.shards.build --images fetch/00000.tar --captions captions/00000.parquet \\
        --eval-share 0.175 --seed 0 --negated-commas remove --train train-00000.tar --eval eval-00000.tar \\
        --triplets triplets-00000.parquet --counts counts-00000.json

A row of the captions file becomes a sample if its image was fetched and its caption negated; all others are counted by
what they lack, so that rows = samples + rows without image + rows refused. Which split a sample belongs to depends on
its key and the seed alone, never on its position or on which other links are alive.

The published loaders delete every comma from the negated captions, and only from them (paper, section 2);
``--negated-commas keep`` leaves them, since their absence gives a negated caption away.

Output: tars with ``KEY.jpg`` and ``KEY.json``; triplets, one row per sample: ``key``, ``split``, ``caption``,
``negated_caption``, ``exclusion_caption``, ``object``, ``negation_word``, ``n_pairs``; counts as JSON.
"""

import argparse
import hashlib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from pipeline_lib.formats.images import read_tars
from pipeline_lib.formats.tars import sealed, write_samples
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet, write_json, write_parquet
from pipeline_lib.jobs.progress import progress

SPLITS = ("train", "eval")
COMMAS = ("remove", "keep")
TEXTS = ["caption", "negated_caption", "exclusion_caption", "object", "negation_word"]


def split_of(key: str, eval_share: float, seed: int) -> str:
    """Return ``"train"`` or ``"eval"`` for a key: a hash of seed and key, so a share of `eval_share` on average."""
    digest = hashlib.sha256(f"{seed}/{key}".encode()).digest()
    return "eval" if int.from_bytes(digest[:8], "big") < eval_share * 2**64 else "train"


def triplets_of(captions: pd.DataFrame, fetched: set[str], eval_share: float, seed: int, commas: str) -> pd.DataFrame:
    """Return one row per sample: the negated rows of `captions` whose key is in `fetched`.

    Parameters
    ----------
    captions : DataFrame
        As the captions stage writes it.
    fetched : set of str
        Keys of the images that are there.
    eval_share : float
        Between 0 and 1.
    seed : int
        Of the split.
    commas : str
        One of `COMMAS`.
    """
    usable = captions[(captions["status"] == "negated") & captions["key"].isin(fetched)]
    frame = usable[["key", *TEXTS]].copy()
    frame["n_pairs"] = usable["pairs"].map(len).astype("int64")
    frame.insert(1, "split", [split_of(key, eval_share, seed) for key in frame["key"]])
    if commas == "remove":
        frame["negated_caption"] = frame["negated_caption"].map(remove_commas)
    return frame.reset_index(drop=True)


def remove_commas(caption: str) -> str:
    """Return a caption without commas; " , " leaves two spaces behind, which CLIP's tokenizer reads as one."""
    return caption.replace(",", "").replace("  ", " ")


def count_rows(captions: pd.DataFrame, fetched: set[str], samples: int) -> dict[str, int]:
    """Return how many rows became samples and why the others did not.

    Raises
    ------
    ValueError
        If an image belongs to no caption: the two files are not of the same part.
    """
    foreign = fetched - set(captions["key"])
    if foreign:
        raise ValueError(f"{len(foreign)} images have no caption row, such as {min(foreign)!r}; expected the same part")
    has_image, negated = captions["key"].isin(fetched), captions["status"] == "negated"
    return {
        "rows": len(captions),
        "samples": samples,
        "without_image": int((~has_image & negated).sum()),
        "refused_caption": int((has_image & ~negated).sum()),
        "without_image_and_refused_caption": int((~has_image & ~negated).sum()),
    }


def write_split(path: Path, triplets: pd.DataFrame, images: Iterable[tuple[str, bytes]]) -> None:
    """Write the tar of a split: ``KEY.jpg``, and ``KEY.json`` with the triplet and the image's checksum.

    Parameters
    ----------
    path : Path
        The tar.
    triplets : DataFrame
        The split's, with ``key`` and ``split``.
    images : iterable of (str, bytes)
        Key and JPEG, in the order in which they are stored; those without a triplet are passed over.
    """
    rows = triplets.drop(columns="split").set_index("key")
    said = {key: {"key": key, **row} for key, row in rows.to_dict("index").items()}
    shown = progress(images, f"shard {path.stem}", "images")
    write_samples(path, ((key, sealed(jpeg, said[key])) for key, jpeg in shown if key in said))


def say_counts(counts: dict[str, int]) -> None:
    """Print counts in a line."""
    print(", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items()))


def main() -> None:
    """Build the shards of the part that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("images", "captions", *SPLITS, "triplets", "counts"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--eval-share", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--negated-commas", choices=COMMAS, required=True)
    args = parser.parse_args()
    captions = read_parquet(args.captions)
    fetched = {sample.key for sample in read_tars([args.images])}
    triplets = triplets_of(captions, fetched, args.eval_share, args.seed, args.negated_commas)
    for split in SPLITS:
        images = ((sample.key, sample.read()) for sample in read_tars([args.images]))
        write_split(getattr(args, split), triplets[triplets["split"] == split], images)
    write_parquet(args.triplets, triplets)
    counts = count_rows(captions, fetched, len(triplets))
    write_json(args.counts, counts)
    say_counts(counts)


if __name__ == "__main__":
    run(main)
