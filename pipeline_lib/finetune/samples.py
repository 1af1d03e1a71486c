"""What fine-tuning reads: constant image features and tokenized captions in memory, and the order of the batches.

The image tower is frozen and CLIP's preprocess augments nothing, so a sample's images are its cached features.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline_lib.clip.load import tokenize
from pipeline_lib.features.store import load_features
from pipeline_lib.jobs.files import read_parquet

ORDERS = ("shuffled", "paper")


@dataclass
class Samples:
    """The training set; row i of each belongs to sample i.

    Attributes
    ----------
    captions, negated : Tensor of shape (n, 77), int64
        Tokenized; on the CPU, where the text tower looks for shared prefixes.
    images : Tensor of shape (n, d)
        Normalised features.
    distractors : Tensor of shape (n, d) or None
        Normalised features of the distractor images, for losses that use them.
    """

    captions: Tensor
    negated: Tensor
    images: Tensor
    distractors: Tensor | None

    def __len__(self) -> int:
        return len(self.images)

    def digest(self) -> str:
        """Return a hash of everything that training reads."""
        digest = hashlib.sha256()
        for part in (self.captions, self.negated, self.images, self.distractors):
            digest.update(b"none" if part is None else part.cpu().contiguous().numpy().data)  # not a copy of gigabytes
        return digest.hexdigest()


def load_samples(
    triplets: Path,
    features: Sequence[Path],
    tower: str,
    distractors: Path | None = None,
    pool_features: Sequence[Path] = (),
) -> Samples:
    """Read a training set.

    Parameters
    ----------
    triplets : Path
        Parquet with ``key``, ``caption``, ``negated_caption``.
    features : sequence of Path
        Feature files of the triplets' images.
    tower : str
        `tower_id` that features must come from.
    distractors : Path, optional
        Parquet with ``key`` and ``distractor``, a key of the pool; None for losses without distractors.
    pool_features : sequence of Path
        Feature files of the pool that distractors were chosen from.

    Raises
    ------
    ValueError
        If a sample has no image feature or no distractor, a caption does not fit into 77 tokens, or features come from
        another tower.
    """
    frame = read_parquet(triplets, ["key", "caption", "negated_caption"])
    keys = frame["key"].tolist()
    images = load_features(features, tower).rows(keys, str(triplets))
    others = None
    if distractors is not None:
        chosen = read_parquet(distractors, ["key", "distractor"]).set_index("key")["distractor"]
        missing = set(keys) - set(chosen.index)
        if missing:
            raise ValueError(f"{distractors}: {len(missing)} samples have no distractor, such as {min(missing)!r}")
        others = load_features(pool_features, tower).rows(chosen.loc[keys].tolist(), str(distractors))
    return Samples(tokenize(frame["caption"].tolist()), tokenize(frame["negated_caption"].tolist()), images, others)


def batches(n: int, batch_size: int, epochs: int, order: str, seed: int) -> list[Tensor]:
    """Return the rows of each batch of a run.

    Parameters
    ----------
    n : int
        Samples.
    batch_size : int
        Samples per batch; the last partial batch of each epoch is dropped.
    epochs : int
        Passes over the data.
    order : str
        ``shuffled``: anew in each epoch, from `seed`; ``paper``: as stored, as the published loop does.
    seed : int
        Of the shuffle.

    Returns
    -------
    list of Tensor of shape (batch_size,)
        ``epochs * (n // batch_size)`` batches.
    """
    if n < batch_size:
        raise ValueError(
            f"expected at least one batch of {batch_size} samples, found {n} samples; lower the batch size"
        )
    generator = torch.Generator().manual_seed(seed)
    epochs_rows = (
        torch.randperm(n, generator=generator) if order == "shuffled" else torch.arange(n) for _ in range(epochs)
    )
    return [batch for rows in epochs_rows for batch in rows[: n - n % batch_size].split(batch_size)]
