"""Evaluate FLAVA or BLIP on CC-Neg: the same items and metrics as `pipeline_lib.evaluate.ccneg`, from the images.

::

    python -m pipeline_lib.evaluate.ccneg_transformers --model flava-full --kind flava --path data/models/flava-full \\
        --triplets eval.parquet --images eval-00000.tar eval-00001.tar --threads 1 --record run.json \\
        --scores ccneg.parquet --metrics ccneg.json

Scores are cosines for FLAVA and probabilities for BLIP (`pipeline_lib.evaluate.image_text_models`). These models share
no features with CLIP, and BLIP has none to share: it looks at image and caption together. On a small GPU expect 25 to
40 images a second.
"""

import argparse
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.clip.load import load_torchvision
from pipeline_lib.clip.training import pick_device, use_threads
from pipeline_lib.evaluate.ccneg import ccneg_items, ccneg_metrics
from pipeline_lib.evaluate.image_text_models import KINDS, Blip, Flava, load_image_text_model
from pipeline_lib.evaluate.result import output_options, write_files
from pipeline_lib.formats.images import Sample, read_tars
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet, write_json
from pipeline_lib.jobs.progress import progress
from pipeline_lib.jobs.run_record import RunRecord, baseline

IMAGES_PER_BATCH = 32  # bounds memory


def batches(samples: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    """Yield lists of `size` samples; the last may be shorter."""
    samples = iter(samples)
    while batch := list(islice(samples, size)):
        yield batch


def score_triplets(model: Flava | Blip, tars: list[Path], triplets: pd.DataFrame, batch_size: int) -> np.ndarray:
    """Return the scores of each caption and of each negated caption with its image.

    Parameters
    ----------
    model : Flava or Blip
        Scores images with texts.
    tars : list of Path
        The images of the split.
    triplets : DataFrame
        n rows with ``key``, ``caption``, ``negated_caption``.
    batch_size : int
        Images per forward pass.

    Returns
    -------
    ndarray of shape (n, 2), float32
        In the order of `triplets`.

    Raises
    ------
    ValueError
        If an image has no triplet, a triplet has no image, or a score is not finite; the message names the key.
    """
    place = {key: row for row, key in enumerate(triplets["key"])}
    texts = triplets[["caption", "negated_caption"]].to_numpy()
    scores, seen = np.empty((len(triplets), 2), dtype=np.float32), np.zeros(len(triplets), dtype=bool)
    for batch in batches(progress(read_tars(tars), "score", "images"), batch_size):
        for sample in batch:
            if sample.key not in place:
                raise ValueError(f"{sample.source}: image {sample.key} has no triplet; make the shards again")
        rows = [place[sample.key] for sample in batch]
        found = model.score(
            [sample.decode(sample.read()) for sample in batch], *texts[rows].T.tolist()
        ).numpy()  # (b, 2)
        if not np.isfinite(found).all():
            row = int(np.argmin(np.isfinite(found).all(axis=1)))
            raise ValueError(f"{batch[row].source}: the score of sample {batch[row].key} is not finite")
        scores[rows], seen[rows] = found, True
    if not seen.all():
        missing = triplets["key"][~seen]
        raise ValueError(f"{len(missing)} of {len(triplets)} triplets have no image, such as {missing.iloc[0]!r}")
    return scores


def main() -> None:
    """Evaluate the model that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, help="its name in this pipeline")
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--path", type=Path, required=True, help="folder with the files as published")
    parser.add_argument("--triplets", type=Path, required=True)
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="tars of the split")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--record", type=Path, required=True, help="output: what the run was")
    output_options(parser)
    args = parser.parse_args()
    try:
        recipe = {"kind": args.kind, "path": str(args.path), "transformers": version("transformers")}
    except PackageNotFoundError:
        raise ValueError(
            "evaluate/transformers needs the package transformers, which is not installed: "
            "pip install -e '.[transformers]'"
        ) from None
    use_threads(args.threads)
    load_torchvision()  # before transformers does
    family = KINDS[args.kind].family
    identity = baseline(args.model, family, args.model)
    record = RunRecord(identity, recipe)
    model = load_image_text_model(args.kind, args.path, pick_device())
    triplets = read_parquet(args.triplets)
    scores = score_triplets(model, args.images, triplets, IMAGES_PER_BATCH)
    items = ccneg_items(triplets, *scores.T)
    write_files(args, identity, "ccneg", items, ccneg_metrics(items))
    write_json(args.record, record.finish(images=len(items)))


if __name__ == "__main__":
    run(main)
