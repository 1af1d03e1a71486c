"""Ask CLIPs about images and captions of your own: the paper's introductory example, for one image or many thousand.

For an image with feature f and captions with features t_i, all of length 1, and a model's logit scale s::

    score_i = cos(f, t_i)        share_i = exp(s score_i) / sum_j exp(s score_j)

The sum is over the captions that the image is scored with. `models` loads the models, `inputs` reads images and
captions. Mistakes raise FileNotFoundError or ValueError; the message says what was expected and what there is.

In memory are a model, the features of all images and captions, and a block of scores.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import normalize

from pipeline_lib.clip.variants import cosines, products
from pipeline_lib.evaluate.subtract import encode_split
from pipeline_lib.formats.images import Sample
from pipeline_lib.formats.pixels import as_shown
from pipeline_lib.jobs.cores import usable_cores
from pipeline_lib.jobs.progress import progress
from pipeline_lib.score.models import Model

IMAGES_PER_BATCH = 64
ROWS_PER_BLOCK = 1 << 18  # of scores; this and the next bound memory
ROWS_PER_PRODUCT = 1 << 14


@torch.no_grad()
def score(
    model: Model, device: torch.device, images: dict[str, Sample], asked: pd.DataFrame, weights: list[float | None]
) -> Iterator[tuple[float | None, pd.DataFrame]]:
    """Yield the scores for each of `weights`, block after block: ``image``, ``caption``, ``score``, ``share``.

    Where `asked` has a column ``image``, keys of `images` in the order in which they occur, its rows are scored, all in
    one block. Otherwise each of `images` is scored with each ``caption``; an image's rows are in one block. A weight of
    None scores captions as they stand, a number by subtraction (`pipeline_lib.evaluate.subtract`). Each image and text
    is encoded once.
    """
    captions, distinct = pd.factorize(asked["caption"])  # (n,): which of the distinct ones each row has
    names = np.array([*images], dtype=object)

    def read(texts: list[str]) -> Tensor:
        return normalize(model.read(texts).float(), dim=-1)

    texts = [  # first: a caption that is too long should not wait for the images
        read(distinct.tolist()) if weight is None else encode_split(read, distinct.tolist(), weight)
        for weight in weights
    ]
    seen = _see(model, device, [*images.values()])
    shown = pd.factorize(asked["image"])[0] if "image" in asked else None
    for weight, text in zip(weights, texts, strict=True):
        blocks = _all_pairs(seen, text) if shown is None else _given_pairs(seen, text, shown, captions)
        for left, right, found in blocks:
            cosine = found.double().numpy()
            if not np.isfinite(cosine).all():
                raise ValueError("the features are not finite numbers; check the model's weights")
            logits = pd.Series(model.scale * cosine)
            odds = np.exp(logits - logits.groupby(left).transform("max"))
            shares = (odds / odds.groupby(left).transform("sum")).to_numpy()
            yield (
                weight,
                pd.DataFrame({"image": names[left], "caption": distinct[right], "score": cosine, "share": shares}),
            )


def _all_pairs(seen: Tensor, text: Tensor) -> Iterator[tuple[np.ndarray, np.ndarray, Tensor]]:
    """Yield the numbers of image and caption, and the cosine, of all pairs, in blocks of whole images."""
    size = max(1, ROWS_PER_BLOCK // len(text))
    for first, found in zip(range(0, len(seen), size), products(seen.split(size), text), strict=True):
        rows = np.arange(first, first + len(found))
        yield np.repeat(rows, len(text)), np.tile(np.arange(len(text)), len(rows)), found.flatten()


def _given_pairs(
    seen: Tensor, text: Tensor, shown: np.ndarray, captions: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, Tensor]]:
    """Yield the same of the pairs of image and caption that are asked for, in one block."""
    parts = (torch.from_numpy(rows).split(ROWS_PER_PRODUCT) for rows in (shown, captions))
    yield shown, captions, torch.cat([cosines(seen[left], text[right]) for left, right in zip(*parts, strict=True)])


def _see(model: Model, device: torch.device, samples: list[Sample]) -> Tensor:
    """Return the features (n, d) of n images, upright and RGB, transparency on white, as the pipeline stores images."""
    features, failed, waiting = [], [], iter(progress(samples, "encode", "images"))

    def prepare(sample: Sample) -> Tensor | ValueError:
        try:
            return sample.decode(sample.read(), lambda image: model.prepare(as_shown(image)))
        except ValueError as error:  # all of them are named together, not one per call
            return error

    # Not the processes that encode a pool: other libraries' transforms compute by torch, whose threads do not survive a
    # fork. Pillow decodes and resizes in threads too.
    with ThreadPoolExecutor(usable_cores()) as workers:
        while batch := list(islice(waiting, IMAGES_PER_BATCH)):
            prepared = list(workers.map(prepare, batch))
            failed += [error for error in prepared if isinstance(error, ValueError)]
            if not failed:
                features.append(normalize(model.see(torch.stack(prepared).to(device)).float(), dim=-1).cpu())
    if failed:
        said = "\n".join(map(str, failed[:10]))
        raise ValueError(f"{len(failed):,} of {len(samples):,} images do not decode; mend or remove them:\n{said}")
    return torch.cat(features)
