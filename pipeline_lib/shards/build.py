"""Join the fetched images and the negated captions of one part into CC-Neg shards, one per split.

::

    python -m pipeline_lib.shards.build --images fetch/00000.tar --captions captions/00000.parquet \\
        --eval-share 0.175 --seed 0 --negated-commas remove --train train-00000.tar --eval eval-00000.tar \\
        --triplets triplets-00000.parquet --counts counts-00000.json

A row of the captions file becomes a sample if its image was fetched and its caption negated; all others are counted by
what they lack, so that rows = samples + rows without image + rows refused. A sample's split depends on its key and the
seed alone, never on its position or on which other links are alive.

The published loaders delete every comma from the negated captions, and only from them (paper, section 2);
``--negated-commas keep`` leaves them, since their absence gives a negated caption away.

Output: tars with ``KEY.jpg`` and ``KEY.json``; triplets, one row per sample: ``key``, ``split``, ``caption``,
``negated_caption``, ``exclusion_caption``, ``object``, ``negation_word``, ``n_pairs``; counts as JSON.
"""

import argparse
import hashlib
from collections.abc import Callable, Iterable
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
    """Return one row per sample: the negated rows of `captions` whose key is in `fetched`; `commas` is in `COMMAS`."""
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
    """Return how many rows became samples and why the others did not; each image must have a row."""
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


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name what `write_part` writes."""
    whats = {split: f"shard of the split {split}, tar" for split in SPLITS}
    whats |= {"triplets": "samples without images, Parquet", "counts": "numbers of rows by what became of them, JSON"}
    for name, what in whats.items():
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"output: {what}")


def write_part(
    paths: argparse.Namespace,
    triplets: pd.DataFrame,
    images_of: Callable[[pd.Series], Iterable[tuple[str, bytes]]],
    counts: dict[str, int],
) -> None:
    """Write a tar per split, the triplets and the counts; ``KEY.json`` is the triplet with the image's checksum.

    `images_of` returns key and JPEG of a split's images in stored order, given its keys; others are skipped.
    """
    for split in SPLITS:
        chosen, path = triplets[triplets["split"] == split], getattr(paths, split)
        rows = chosen.drop(columns="split").set_index("key").to_dict("index")
        shown = progress(images_of(chosen["key"]), f"shard {path.stem}", "images")
        write_samples(path, ((key, sealed(jpeg, {"key": key, **rows[key]})) for key, jpeg in shown if key in rows))
    write_parquet(paths.triplets, triplets)
    write_json(paths.counts, counts)
    say_counts(counts)


def say_counts(counts: dict[str, int]) -> None:
    """Print counts in a line."""
    print(", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items()))


def main() -> None:
    """Build the shards of the part that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=Path, required=True, help="tar of the fetched images of the part")
    parser.add_argument("--captions", type=Path, required=True, help="negation table of the part, Parquet")
    parser.add_argument("--eval-share", type=float, required=True, help="share of samples for evaluation, 0 to 1")
    parser.add_argument("--seed", type=int, required=True, help="seed that, with a key, decides its split")
    parser.add_argument("--negated-commas", choices=COMMAS, required=True, help="commas of negated captions")
    add_outputs(parser)
    args = parser.parse_args()
    captions = read_parquet(args.captions, ["key", "status", "pairs", *TEXTS])
    fetched = {sample.key for sample in read_tars([args.images])}
    triplets = triplets_of(captions, fetched, args.eval_share, args.seed, args.negated_commas)
    counts = count_rows(captions, fetched, len(triplets))
    write_part(args, triplets, lambda _: ((image.key, image.read()) for image in read_tars([args.images])), counts)


if __name__ == "__main__":
    run(main)
