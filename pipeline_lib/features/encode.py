"""Encode the images of a part of a pool with a backbone's frozen image tower.

::

    python -m pipeline_lib.features.encode --weights vit-b32.pt --reader coco --images data/coco/val2017 \\
        --part 0 --parts 1 --count 5000 --batch-size 256 --precision fp32 --threads 8 --output 00000.safetensors

A reader of `pipeline_lib.readers` knows the dataset's own files, and passes over the images of other parts unread.

Images go through CLIP's own preprocess (bicubic resize, centre crop, RGB, normalise); see `pipeline_lib.features.store`
for the output. It resizes an image in the mode in which it is stored and makes it RGB after that, which matters where
there is a palette or an alpha channel. While the tower works on one batch, the next is prepared
(`pipeline_lib.features.decode`). On a machine with a GPU the tower runs there, and pixels are copied to it from pinned
memory; on a CPU it has one thread, and parts are the parallel jobs.
"""

import argparse
import hashlib
from collections.abc import Iterable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from pipeline_lib.clip.fused import fused_activations
from pipeline_lib.clip.load import CLIP, load_clip, pixel_statistics
from pipeline_lib.clip.training import PRECISIONS, autocast, pick_device, use_threads
from pipeline_lib.clip.variants import VARIANTS, unit_rows, vary
from pipeline_lib.features.decode import prepare_ahead
from pipeline_lib.features.store import IN_HALF, Features, bad_row, save_features, tower_id
from pipeline_lib.formats.images import Sample
from pipeline_lib.jobs.cli import run
from pipeline_lib.readers.pool import read_pool
from pipeline_lib.readers.reader import find_reader


def normalised(pixels: Tensor) -> Tensor:
    """Return pixels (b, n_px, n_px, 3), uint8, as CLIP's preprocess ends: (b, 3, n_px, n_px), fp32, to the bit.

    A divisor that is a tensor is divided by; by the inverse of a number a GPU multiplies, which rounds otherwise.
    """
    mean, std = (torch.tensor(values, device=pixels.device)[:, None, None] for values in pixel_statistics())
    white = torch.tensor(255.0, device=pixels.device)
    return pixels.permute(0, 3, 1, 2).contiguous().float().div_(white).sub_(mean).div_(std)


def encode_pool(
    model: CLIP, samples: Iterable[Sample], batch_size: int, threads: int, precision: str = "fp32"
) -> Features:
    """Return the features of the images of a pool, or of a part of it, in the order of `samples`; there may be none.

    `model`, in evaluation mode, computes on the device where it is, in `precision`; features are normalised in fp32, of
    a model with weights in fp16 in fp16.
    `threads` images are prepared at the same time. An image that does not decode, and a feature that is not finite, are
    a `ValueError` that names file and key.
    """
    samples = list(samples)
    device = next(model.parameters()).device
    context = autocast(precision, device)
    made_in = IN_HALF if model.dtype == torch.float16 else precision
    n_px = model.visual.input_resolution
    keys, labels, digest = [], [], hashlib.sha256()
    features = [torch.empty(0, model.text_projection.shape[1])]
    prepared = prepare_ahead(samples, n_px, batch_size, threads, pin=device.type == "cuda")
    with closing(prepared), torch.no_grad(), fused_activations(model.visual):
        for encoded, pixels in prepared:
            batch = samples[len(keys) : len(keys) + len(encoded)]
            with context:
                rows = model.encode_image(normalised(pixels.to(device, non_blocking=True)))
            rows = unit_rows(model, rows).float()  # (b, d)
            del pixels  # a third batch would be in memory otherwise
            for sample, content in zip(batch, encoded, strict=True):  # while a GPU works
                keys.append(sample.key)
                labels += [sample.said["label"]] if "label" in sample.said else []
                digest.update(f"{sample.key} {len(content)}\n".encode())
                digest.update(content)
            rows = rows.cpu()
            if (row := bad_row(rows, made_in)) is not None:
                raise ValueError(
                    f"{batch[row].source}: in {precision} the feature of sample {batch[row].key} is not finite, or "
                    "zero; choose another features/precision, or check the backbone's weights"
                )
            features.append(rows)
    return Features(
        keys=keys,
        features=torch.cat(features),
        labels=torch.tensor(labels) if labels else None,
        tower=tower_id(model),
        preprocess=f"openai-clip {version('openai-clip')} preprocess, {n_px} px",
        precision=made_in,
        images=digest.hexdigest(),
    )


def main() -> None:
    """Encode the part that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", type=Path, required=True, help="CLIP with the image tower, a model.pt")
    parser.add_argument(
        "--reader",
        required=True,
        help="what the images are stored in, such as tar or coco, as in config features/pools",
    )
    parser.add_argument(
        "--images", nargs="+", required=True, help="files or folders with the images, as the reader takes them"
    )
    for name, what in (
        ("part", "which part of the images, counted from 0"),
        ("parts", "number of parts"),
        ("batch-size", "images at a time"),
    ):
        parser.add_argument(f"--{name}", type=int, required=True, help=what)
    parser.add_argument("--count", type=int, help="number of images that all parts together must have (default: any)")
    parser.add_argument(
        "--classes", type=int, help="number of classes: each image must have a label below it (default: no labels)"
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, required=True, help="precision of the tower; fp16 needs a GPU"
    )
    parser.add_argument(
        "--variant",
        choices=VARIANTS,
        help="compute as other code does: in fp16 as clip.load, or with the other activation",
    )
    parser.add_argument("--threads", type=int, required=True, help="number of processes that decode and resize images")
    parser.add_argument("--output", type=Path, required=True, help="output: features, safetensors")
    args = parser.parse_args()
    use_threads(1)
    device = pick_device()
    autocast(args.precision, device)  # refuses what the device cannot do before anything is read
    samples = read_pool(find_reader(args.reader), args.images, args.part, args.parts, args.count, args.classes)
    model = load_clip(args.weights)
    if args.variant:
        vary(model, args.variant)
    model.to(device)
    model.visual.to(memory_format=torch.channels_last)  # convolutions of a ResNet run 1.3 times as fast on a CPU
    save_features(args.output, encode_pool(model, samples, args.batch_size, args.threads, args.precision))


if __name__ == "__main__":
    run(main)
