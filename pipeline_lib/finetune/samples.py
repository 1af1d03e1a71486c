"""What fine-tuning reads, constant image features and tokenized captions in memory, and the order of the batches.

The image tower is frozen and CLIP's preprocess augments nothing, so a sample's images are its cached features; but see
`pipeline_lib.features` on ResNets.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import torch
from torch import Tensor

from pipeline_lib.clip.tokenizer import tokenize
from pipeline_lib.features.store import load_features
from pipeline_lib.finetune.terms import TEXTS
from pipeline_lib.jobs.files import read_parquet

ORDERS = ("shuffled", "paper")
Samples = dict[str, Tensor]  # by the names of `pipeline_lib.finetune.terms`: tokens (n, 77), image features (n, d)


def load_samples(
    needs: Collection[str],
    tower: str,
    triplets: Path,
    features: Sequence[Path],
    distractors: Path | None = None,
    pool_features: Sequence[Path] = (),
) -> Samples:
    """Return what `needs` names, a row per sample of `triplets`: tokenized texts, and normalised features of images.

    `triplets` is Parquet with ``key`` and the needed texts' columns, `distractors` with ``key`` and ``distractor``, a
    key of the pool. `features` are the feature files of the triplets' images, `pool_features` those of the pool, by the
    image tower with the `tower_id` `tower`.
    """
    columns = {text: column for text, column in TEXTS.items() if {text, f"frozen_{text}"} & set(needs)}
    frame = read_parquet(triplets, ["key", *columns.values()])
    keys = frame["key"].tolist()
    for column in columns.values():
        if (lacking := frame["key"][frame[column].isna()]).any():
            raise ValueError(
                f"{triplets}: the loss needs {column}, which {len(lacking):,} samples lack, such as {lacking.iloc[0]!r}"
            )
    samples = {text: tokenize(frame[column].tolist()) for text, column in columns.items()}
    if "image" in needs:
        samples["image"] = load_features(features, tower).rows(keys, str(triplets))
    if "distractor" in needs:
        chosen = read_parquet(distractors, ["key", "distractor"]).set_index("key")["distractor"]
        if missing := set(keys) - set(chosen.index):
            raise ValueError(f"{distractors}: {len(missing)} samples have no distractor, such as {min(missing)!r}")
        samples["distractor"] = load_features(pool_features, tower).rows(chosen.loc[keys].tolist(), str(distractors))
    return samples


def batches(n: int, batch_size: int, epochs: int, order: str, seed: int) -> list[Tensor]:
    """Return the rows (batch_size,) of each batch of a run on n samples, ``epochs * (n // batch_size)`` batches.

    The order is ``shuffled``: anew in each epoch, from `seed`, or that of the ``paper``: as stored, as in the published
    loop. The last partial batch of each epoch is dropped.
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
