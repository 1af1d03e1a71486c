"""Encode the images of a part of a pool with a backbone's frozen image tower.

::

    python -m pipeline_lib.features.encode --weights vit-b32.pt --reader coco --images data/coco/val2017 \\
        --part 0 --parts 1 --count 5000 --batch-size 256 --precision fp32 --threads 8 --output 00000.safetensors

A reader of `pipeline_lib.readers` knows the dataset's own files, and passes over the images of other parts unread.

Images go through CLIP's own preprocess (bicubic resize, centre crop, RGB, normalise); see `pipeline_lib.features.store`
for the output. It resizes an image in the mode in which it is stored and makes it RGB after that, which matters where
there is a palette or an alpha channel. While the tower works on one batch, threads read, decode and resize the next. On
a machine with a GPU the tower runs there, and pixels are copied to it from pinned memory; on a CPU it has one thread,
and parts are the parallel jobs.
"""

import argparse
import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from pipeline_lib.clip.load import CLIP, load_clip, preprocess
from pipeline_lib.clip.training import PRECISIONS, autocast, pick_device, use_threads
from pipeline_lib.clip.variants import VARIANTS, unit_rows, vary
from pipeline_lib.features.store import IN_HALF, Features, bad_row, save_features, tower_id
from pipeline_lib.formats.images import Sample
from pipeline_lib.formats.pixels import eight_bits
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.cores import usable_cores
from pipeline_lib.jobs.progress import progress
from pipeline_lib.readers.pool import read_pool
from pipeline_lib.readers.reader import find_reader


def prepare_ahead(
    samples: Iterable[Sample], n_px: int, batch_size: int, workers: Executor, pin: bool
) -> Iterator[tuple[list[tuple[Sample, bytes]], Tensor]]:
    """Yield batches of samples, each with its encoded image, and their pixels (b, 3, n_px, n_px), in order.

    While the caller works on a batch, `workers` read, decode and resize the next; at most two batches of pixels are in
    memory. Pinned memory (`pin`) is copied to a GPU without waiting.
    """
    transform = preprocess(n_px)

    def prepare(sample: Sample, place: Tensor) -> bytes:
        encoded = sample.read()
        place.copy_(sample.decode(encoded, lambda image: transform(eight_bits(image))))
        return encoded

    def finish(batch, pixels, tasks) -> tuple[list[tuple[Sample, bytes]], Tensor]:
        return [(sample, task.result()) for sample, task in zip(batch, tasks, strict=True)], pixels

    samples, before = iter(samples), None
    while batch := list(islice(samples, batch_size)):
        pixels = torch.empty(len(batch), 3, n_px, n_px, pin_memory=pin)
        tasks = [workers.submit(prepare, sample, place) for sample, place in zip(batch, pixels, strict=True)]
        if before is not None:
            yield finish(*before)
        before = batch, pixels, tasks
    if before is not None:
        yield finish(*before)


def encode_pool(
    model: CLIP, samples: Iterable[Sample], batch_size: int, threads: int, precision: str = "fp32"
) -> Features:
    """Return the features of the images of a pool, or of a part of it, in the order of `samples`; there may be none.

    `model`, in evaluation mode, computes on the device where it is, in `precision`; features are normalised in fp32, of
    a model with weights in fp16 in fp16.
    `threads` images are prepared at the same time. An image that does not decode, and a feature that is not finite, are
    a `ValueError` that names file and key.
    """
    device = next(model.parameters()).device
    context = autocast(precision, device)
    made_in = IN_HALF if model.dtype == torch.float16 else precision
    n_px = model.visual.input_resolution
    keys, labels, digest = [], [], hashlib.sha256()
    features = [torch.empty(0, model.text_projection.shape[1])]
    samples = progress(samples, "encode", "images")
    with ThreadPoolExecutor(threads) as workers, torch.no_grad():
        for batch, pixels in prepare_ahead(samples, n_px, batch_size, workers, pin=device.type == "cuda"):
            with context:
                rows = model.encode_image(pixels.to(device, non_blocking=True))
            rows = unit_rows(model, rows).float().cpu()  # (b, d)
            del pixels  # a third batch would be in memory otherwise
            if (row := bad_row(rows, made_in)) is not None:
                sample, _ = batch[row]
                raise ValueError(
                    f"{sample.source}: in {precision} the feature of sample {sample.key} is not finite, or zero; "
                    "choose another features/precision, or check the backbone's weights"
                )
            features.append(rows)
            for sample, encoded in batch:
                keys.append(sample.key)
                labels += [sample.said["label"]] if "label" in sample.said else []
                digest.update(f"{sample.key} {len(encoded)}\n".encode())
                digest.update(encoded)
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
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--reader", required=True, help="as in config features/pools, such as tar or coco")
    parser.add_argument("--images", nargs="+", required=True, help="where they are, as the reader takes it")
    for name, what in (("part", "of the pool, from 0"), ("parts", "of the pool"), ("batch-size", "of a forward pass")):
        parser.add_argument(f"--{name}", type=int, required=True, help=what)
    parser.add_argument("--count", type=int, help="of images in the whole pool; not checked if it is left out")
    parser.add_argument("--precision", choices=PRECISIONS, required=True, help="fp16 needs a GPU")
    parser.add_argument("--variant", choices=VARIANTS, help="compute in another way (pipeline_lib.clip.variants)")
    parser.add_argument("--threads", type=int, required=True, help="that decode and resize")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    use_threads(1)
    device = pick_device()
    autocast(args.precision, device)  # refuses what the device cannot do before anything is read
    samples = read_pool(find_reader(args.reader), args.images, args.part, args.parts, args.count)
    model = load_clip(args.weights)
    if args.variant:
        vary(model, args.variant)
    model.to(device)
    model.visual.to(memory_format=torch.channels_last)  # convolutions of a ResNet run 1.3 times as fast on a CPU
    threads = max(1, min(args.threads, usable_cores()))
    save_features(args.output, encode_pool(model, samples, args.batch_size, threads, args.precision))


if __name__ == "__main__":
    run(main)
