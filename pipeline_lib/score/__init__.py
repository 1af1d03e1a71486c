"""Ask CLIPs about images and captions of your own: the paper's introductory example, for one image or many thousand.

For an image with feature f and captions with features t_i, all of length 1, and a model's logit scale s::

    score_i = cos(f, t_i)        share_i = exp(s score_i) / sum_j exp(s score_j)

The sum is over the captions that the image is scored with. `models` loads the models, `inputs` reads images and
captions. Mistakes raise FileNotFoundError or ValueError; the message says what was expected and what there is.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import normalize

from pipeline_lib.evaluate.subtract import encode_split
from pipeline_lib.formats.images import Sample
from pipeline_lib.formats.pixels import as_shown
from pipeline_lib.jobs.cores import usable_cores
from pipeline_lib.jobs.progress import progress
from pipeline_lib.score.models import Model

IMAGES_PER_BATCH = 64
ROWS_PER_PRODUCT = 1 << 14  # bounds memory


@torch.no_grad()
def score(
    model: Model, device: torch.device, images: dict[str, Sample], pairs: pd.DataFrame, weights: list[float | None]
) -> list[pd.DataFrame]:
    """Score n pairs, rows with ``image``, a key of `images`, and ``caption``; each image and text is encoded once.

    Returns a frame for each of `weights`: the pairs, in their order, with ``score`` and ``share``. None scores captions
    as they stand, a number by subtraction with that weight (`pipeline_lib.evaluate.subtract`).
    """
    captions, distinct = pd.factorize(pairs["caption"])  # (n,): which of the distinct ones each row has
    shown, names = pd.factorize(pairs["image"])

    def read(texts: list[str]) -> Tensor:
        return normalize(model.read(texts).float(), dim=-1)

    texts = [  # first: a caption that is too long should not wait for the images
        read(distinct.tolist()) if weight is None else encode_split(read, distinct.tolist(), weight)
        for weight in weights
    ]
    seen = _see(model, device, [images[name] for name in names])
    scored = []
    for text in texts:
        # Row by row: `@` may tell equal rows apart.
        products = [
            (seen[torch.from_numpy(left)] * text[torch.from_numpy(right)]).sum(dim=1)
            for left, right in zip(_split(shown), _split(captions), strict=True)
        ]
        cosines = torch.cat(products).double().numpy()  # (n,)
        if not np.isfinite(cosines).all():
            raise ValueError("the features are not finite numbers; check the model's weights")
        logits = pd.Series(model.scale * cosines)
        odds = np.exp(logits - logits.groupby(shown).transform("max"))
        shares = odds / odds.groupby(shown).transform("sum")
        scored.append(pairs.assign(score=cosines, share=shares.to_numpy()))
    return scored


def _split(rows: np.ndarray) -> list[np.ndarray]:
    return np.split(rows, range(ROWS_PER_PRODUCT, len(rows), ROWS_PER_PRODUCT))


def _see(model: Model, device: torch.device, samples: list[Sample]) -> Tensor:
    """Return the features (n, d) of n images, upright and RGB, transparency on white, as the pipeline stores images."""
    features, failed, waiting = [], [], iter(progress(samples, "encode", "images"))

    def prepare(sample: Sample) -> Tensor | ValueError:
        try:
            return sample.decode(sample.read(), lambda image: model.prepare(as_shown(image)))
        except ValueError as error:  # all of them are named together, not one per call
            return error

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
