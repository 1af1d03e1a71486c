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
import os
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline_lib.clip.load import CLIP, load_clip, pixel_statistics, preprocess
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

IMAGES_PER_TASK = 8  # of a process

Batch = tuple[list[bytes], Tensor]  # encoded images, and their pixels (b, n_px, n_px, 3), uint8


class _Images(Dataset):
    """The images of `samples` by lists of their numbers, as processes read and resize them."""

    def __init__(self, samples: list[Sample], n_px: int) -> None:
        self.samples = samples
        self.steps = preprocess(n_px).transforms[:-2]  # the last two steps are those of `normalised`

    def _pixels(self, image: Image.Image) -> np.ndarray:
        for step in self.steps:
            image = step(image)
        return np.asarray(image)

    def __getitem__(self, numbers: list[int]) -> tuple[list[bytes], np.ndarray] | ValueError:
        """Return a mistake, not raise it: the loader would add a traceback to its words."""
        try:
            encoded = [self.samples[number].read() for number in numbers]
            pixels = [
                self.samples[number].decode(content, lambda image: self._pixels(eight_bits(image)))
                for number, content in zip(numbers, encoded, strict=True)
            ]
        except ValueError as error:
            return error
        return encoded, np.stack(pixels)


def _end_with_parent(_: int) -> None:
    """Let this process end when its parent was killed: torch ends its work, but it would wait for a reader of that."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _batches(samples: list[Sample], n_px: int, batch_size: int, threads: int, pin: bool) -> Iterator[Batch]:
    numbers = iter(progress(range(len(samples)), "encode", "images"))

    def tasks() -> Iterator[list[int]]:
        while batch := list(islice(numbers, batch_size)):
            yield from (batch[first : first + IMAGES_PER_TASK] for first in range(0, len(batch), IMAGES_PER_TASK))

    processes = min(threads, usable_cores(), -(-len(samples) // IMAGES_PER_TASK))
    # Forked processes start in milliseconds; new ones would import torch first. They touch neither torch's threads nor
    # a GPU.
    options = {"num_workers": processes, "multiprocessing_context": "fork", "worker_init_fn": _end_with_parent}
    options = options if processes > 1 else {}
    # Arrays come through pipes. Tensors, which the loader would make of them, would come through shared memory, of
    # which a container may have 64 MB; where it is full, torch loses one, which would be waited for without end.
    options["collate_fn"] = lambda task: task
    found = iter(DataLoader(_Images(samples, n_px), batch_size=None, sampler=tasks(), **options))
    for first in range(0, len(samples), batch_size):
        encoded, size = [], min(batch_size, len(samples) - first)
        batch = torch.empty((size, n_px, n_px, 3), dtype=torch.uint8, pin_memory=pin)
        while len(encoded) < size:
            try:
                task = next(found)
            except (RuntimeError, OSError, EOFError) as error:
                raise ValueError(
                    f"one of {processes} processes that decode images was killed ({error!r}): maybe for lack of "
                    "memory; give the job more, or lower its threads"
                ) from error
            if isinstance(task, ValueError):
                raise task
            batch[len(encoded) : len(encoded) + len(task[0])] = torch.from_numpy(task[1])
            encoded += task[0]
        yield encoded, batch


def prepare_ahead(samples: list[Sample], n_px: int, batch_size: int, threads: int, pin: bool) -> Iterator[Batch]:
    """Yield the encoded images and pixels (b, n_px, n_px, 3), uint8, of batches of samples, in order.

    While the caller works on a batch, the next is prepared, by `threads` processes if they are more than one. Pinned
    memory (`pin`) is copied to a GPU without waiting.
    """
    batches = _batches(samples, n_px, batch_size, threads, pin)
    with closing(batches), ThreadPoolExecutor(1) as ahead:
        upcoming = ahead.submit(next, batches, None)
        while batch := upcoming.result():
            upcoming = ahead.submit(next, batches, None)
            yield batch


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
    with closing(prepared), torch.no_grad():
        for encoded, pixels in prepared:
            batch = samples[len(keys) : len(keys) + len(encoded)]
            with context:
                rows = model.encode_image(normalised(pixels.to(device, non_blocking=True)))
            rows = unit_rows(model, rows).float().cpu()  # (b, d)
            del pixels  # a third batch would be in memory otherwise
            if (row := bad_row(rows, made_in)) is not None:
                raise ValueError(
                    f"{batch[row].source}: in {precision} the feature of sample {batch[row].key} is not finite, or "
                    "zero; choose another features/precision, or check the backbone's weights"
                )
            features.append(rows)
            for sample, content in zip(batch, encoded, strict=True):
                keys.append(sample.key)
                labels += [sample.said["label"]] if "label" in sample.said else []
                digest.update(f"{sample.key} {len(content)}\n".encode())
                digest.update(content)
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
    parser.add_argument("--classes", type=int, help="of a labelled set: every image must have a label below it")
    parser.add_argument("--precision", choices=PRECISIONS, required=True, help="fp16 needs a GPU")
    parser.add_argument("--variant", choices=VARIANTS, help="compute in another way (pipeline_lib.clip.variants)")
    parser.add_argument("--threads", type=int, required=True, help="processes that decode and resize")
    parser.add_argument("--output", type=Path, required=True)
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
