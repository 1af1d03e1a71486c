"""Choose a distractor image for each sample: it shows what the exclusion caption says, but not the negated object.

::

    python -m pipeline_lib.distractors.choose --weights vit-b16.pt --triplets train.parquet \\
        --features pool/00000.safetensors pool/00001.safetensors --threads 1 --output distractors.parquet

For a sample with exclusion caption e and negated object o, the distractor is the image I of the pool with the highest

    cos(I, e) - cos(I, o)

(paper, section 4). Features are normalised, so the difference is one dot product of I with e - o. The authors' released
mapping was built in chunks and keeps the weakest of the chunks' winners; this is the true maximum. Ties go to the image
that comes first in the pool.

Output: one row per sample, in order: ``key``, ``distractor`` (key in the pool), ``score``.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from pipeline_lib.clip.load import load_clip
from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.clip.training import pick_device, use_threads
from pipeline_lib.features.store import load_features, tower_id
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet, write_parquet
from pipeline_lib.jobs.progress import progress

SAMPLES_PER_BLOCK = 1024  # a memory bound: a block against COCO's 118,287 images is 0.5 GB of scores


def best_images(images: Tensor, exclusions: Tensor, objects: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best image's score and its row in `images` (n, d), for each of m samples: two Tensors of shape (m,).

    `exclusions` and `objects` (m, d) are the features of exclusion captions and objects; all are normalised.
    """
    best = ((exclusions - objects) @ images.T).max(dim=1)  # of (m, n)
    return best.values, best.indices


def main() -> None:
    """Choose the distractors that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", type=Path, required=True, help="CLIP that chooses, a model.pt")
    parser.add_argument("--triplets", type=Path, required=True, help="samples of the training split, Parquet")
    parser.add_argument(
        "--features", type=Path, nargs="+", required=True, help="features of the pool's images by the same weights"
    )
    parser.add_argument("--threads", type=int, required=True, help="CPU threads of torch")
    parser.add_argument("--output", type=Path, required=True, help="output: a distractor per sample, Parquet")
    args = parser.parse_args()
    use_threads(args.threads)
    device = pick_device()
    model = load_clip(args.weights).to(device)
    pool = load_features(args.features, tower_id(model))
    triplets = read_parquet(args.triplets, ["key", "exclusion_caption", "object"])
    texts = encode_captions(model, [*triplets["exclusion_caption"], *triplets["object"]])  # (2m, d)
    blocks = list(zip(*(part.split(SAMPLES_PER_BLOCK) for part in texts.chunk(2)), strict=True))
    images = pool.features.to(device)
    best = [
        best_images(images, *(part.to(device) for part in block))
        for block in progress(blocks, "choose distractors", "blocks")
    ]
    scores, rows = (torch.cat(parts).cpu() for parts in zip(*best, strict=True))
    chosen = [pool.keys[row] for row in rows.tolist()]
    write_parquet(args.output, pd.DataFrame({"key": triplets["key"], "distractor": chosen, "score": scores.numpy()}))
    print(f"{len(chosen):,} samples, {len(set(chosen)):,} different distractors of {len(pool.keys):,} images")


if __name__ == "__main__":
    run(main)
