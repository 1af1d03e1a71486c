"""Read, decode and resize images by several processes, while their caller works on those before.

Each process has a pipe of its own. Were they to share a queue, as those of `multiprocessing` and of torch's DataLoader
do, one that is killed while it writes would leave half a message there, and whoever reads would wait without end.

Pixels lie in memory that all have shared from the start, and only encoded images come through the pipes: to copy pixels
through pipes takes several times as long. The memory is mapped without a file: of /dev/shm, where shared memory of
torch and `multiprocessing` lies, a container may have 64 MB.
"""

import multiprocessing
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import islice
from mmap import mmap
from multiprocessing import Process
from multiprocessing.connection import Connection, wait

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipeline_lib.clip.load import preprocess
from pipeline_lib.formats.images import Sample
from pipeline_lib.formats.pixels import eight_bits
from pipeline_lib.jobs.cores import usable_cores
from pipeline_lib.jobs.progress import progress

IMAGES_PER_TASK = 8
TASKS_PER_PROCESS = 2  # that it has been given: one to work on, one to go on with
TASKS_AHEAD = 3  # per process, that are prepared or given out: what one slow task may keep waiting

Batch = tuple[list[bytes], Tensor]  # encoded images, and their pixels (b, n_px, n_px, 3), uint8
Prepared = tuple[list[bytes], np.ndarray]  # the same of a task; its pixels stay until the next task is asked for


class _Images:
    """The images of `samples`, read and resized into `pixels` (tasks, `IMAGES_PER_TASK`, n_px, n_px, 3)."""

    def __init__(self, samples: list[Sample], n_px: int, tasks: int) -> None:
        self.samples = samples
        self.steps = preprocess(n_px).transforms[:-2]  # the last two steps are those of `encode.normalised`
        shape = (tasks, IMAGES_PER_TASK, n_px, n_px, 3)
        self.pixels = np.frombuffer(mmap(-1, int(np.prod(shape))), np.uint8).reshape(shape)

    def prepare(self, numbers: Iterable[int], place: int) -> list[bytes]:
        """Put the pixels of a task's images in their place; return the encoded images."""
        encoded = [self.samples[number].read() for number in numbers]
        for number, content, pixels in zip(numbers, encoded, self.pixels[place], strict=False):
            pixels[:] = self.samples[number].decode(content, self._resized)
        return encoded

    def _resized(self, image: Image.Image) -> np.ndarray:
        image = eight_bits(image)
        for step in self.steps:
            image = step(image)
        return np.asarray(image)


def _serve(images: _Images, pipe: Connection, others: list[Connection]) -> None:
    """Do the tasks that come through a pipe; `others` are the parent's ends of this and earlier pipes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # which all processes of a job are sent: the parent ends this one
    for other in others:
        other.close()  # so that the end of the parent is the end of its pipes
    with suppress(EOFError, OSError):  # the parent has ended
        while True:
            task, numbers, place = pipe.recv()
            try:
                encoded = images.prepare(numbers, place)
            except ValueError as error:
                pipe.send((task, error))
                continue
            pipe.send((task, len(encoded)))
            for content in encoded:
                pipe.send_bytes(content)


@contextmanager
def _named(worker: Process, count: int) -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError) as error:
        worker.join(1)
        raise ValueError(
            f"one of {count} processes that decode images was killed (exit code {worker.exitcode}): maybe for lack of "
            "memory; give the job more memory, or lower its threads"
        ) from error


def _by_processes(images: _Images, tasks: Iterator[list[int]], count: int) -> Iterator[Prepared]:
    """Yield what `count` processes prepare, in order.

    They are forked, which takes milliseconds: new ones would import torch first. They touch neither torch's threads nor
    a GPU.
    """
    context, workers, places = multiprocessing.get_context("fork"), {}, len(images.pixels)
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            worker = context.Process(target=_serve, args=(images, theirs, [*workers, ours]), daemon=True)
            worker.start()
            theirs.close()
            workers[ours] = worker
        free, done, given, taken = [*workers] * TASKS_PER_PROCESS, {}, 0, 0
        while True:
            while free and given < taken + places and (numbers := next(tasks, None)):
                pipe = free.pop(0)
                with _named(workers[pipe], count):
                    pipe.send((given, numbers, given % places))
                given += 1
            if taken in done:
                found = done.pop(taken)
                if isinstance(found, ValueError):
                    raise found
                yield found, images.pixels[taken % places, : len(found)]
                taken += 1
            elif taken < given:
                for pipe in wait(workers):
                    with _named(workers[pipe], count):
                        task, found = pipe.recv()
                        encoded = [] if isinstance(found, ValueError) else [pipe.recv_bytes() for _ in range(found)]
                    done[task] = encoded or found
                    free.append(pipe)
            else:
                return
    finally:
        for pipe, worker in workers.items():
            worker.kill()
            worker.join()
            pipe.close()


def _batches(samples: list[Sample], n_px: int, batch_size: int, threads: int, pin: bool) -> Iterator[Batch]:
    numbers = iter(progress(range(len(samples)), "encode", "images"))

    def tasks() -> Iterator[list[int]]:
        while batch := list(islice(numbers, batch_size)):
            yield from (batch[first : first + IMAGES_PER_TASK] for first in range(0, len(batch), IMAGES_PER_TASK))

    count = min(threads, usable_cores(), -(-len(samples) // IMAGES_PER_TASK))
    images = _Images(samples, n_px, TASKS_AHEAD * count if count > 1 else 1)
    here = ((images.prepare(task, 0), images.pixels[0, : len(task)]) for task in tasks())
    with closing(_by_processes(images, tasks(), count) if count > 1 else here) as prepared:
        for first in range(0, len(samples), batch_size):
            encoded, size = [], min(batch_size, len(samples) - first)
            batch = torch.empty((size, n_px, n_px, 3), dtype=torch.uint8, pin_memory=pin)
            while len(encoded) < size:
                contents, pixels = next(prepared)
                batch[len(encoded) : len(encoded) + len(contents)] = torch.from_numpy(pixels)
                encoded += contents
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
