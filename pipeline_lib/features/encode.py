"""Encode the images of a pool with a backbone's frozen image tower.

::

    python -m pipeline_lib.features.encode --weights vit-b32.pt --images train-00000.tar train-00001.tar \\
        --batch-size 256 --threads 8 --output ccneg-train.safetensors

Images go through CLIP's own preprocess (bicubic resize, centre crop, normalise); see `pipeline_lib.features.store` for
the output. On a machine with a GPU the tower runs there.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import torch
from torch.nn import functional

from pipeline_lib.clip_door import CLIP, load_clip, preprocess
from pipeline_lib.command import run
from pipeline_lib.features.store import Features, save_features, tower_id
from pipeline_lib.images import read_images
from pipeline_lib.progress import progress
from pipeline_lib.training import pick_device, use_threads


def encode_pool(model: CLIP, tars: list[Path], batch_size: int, threads: int) -> Features:
    """Return the features of every image in `tars`, in stored order.

    Parameters
    ----------
    model : CLIP
        In evaluation mode; only its image tower is used, on the device where it is.
    tars : list of Path
        The pool.
    batch_size : int
        Images per forward pass.
    threads : int
        Images prepared at the same time.

    Raises
    ------
    ValueError
        If the pool is empty, a sample is unreadable, or only some samples have a label.
    """
    transform = preprocess(model.visual.input_resolution)
    device = next(model.parameters()).device
    keys, features, labels = [], [], []
    samples = progress(read_images(tars), "encode", "images")
    with ThreadPoolExecutor(threads) as pool, torch.no_grad():
        while batch := list(islice(samples, batch_size)):
            pixels = torch.stack(list(pool.map(transform, (image for _, image, _ in batch))))  # (b, 3, px, px)
            encoded = model.encode_image(pixels.to(device)).float()  # (b, d)
            features.append(functional.normalize(encoded, dim=-1).cpu())
            keys += [key for key, _, _ in batch]
            labels += [said["label"] for _, _, said in batch if "label" in said]
    names = ", ".join(map(str, tars))
    if not keys:
        raise ValueError(f"{names}: expected images, found none")
    if labels and len(labels) != len(keys):
        raise ValueError(f"{names}: {len(labels)} of {len(keys)} samples have a label; expected all or none")
    return Features(keys, torch.cat(features), torch.tensor(labels) if labels else None, tower_id(model))


def main() -> None:
    """Encode the pool that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="tars, in order")
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    use_threads(args.threads)
    model = load_clip(args.weights)
    save_features(args.output, encode_pool(model.to(pick_device()), args.images, args.batch_size, args.threads))


if __name__ == "__main__":
    run(main)
