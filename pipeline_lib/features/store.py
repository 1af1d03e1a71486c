"""Feature files: the normalised image features of a pool, with keys, labels and the identity of the tower.

A file is safetensors with ``features`` (n × d, fp32, rows of length 1), ``labels`` (n, int64; only for labelled pools)
and the metadata ``keys`` (JSON list of n strings) and ``tower`` (`tower_id` of the image tower that made them).
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pipeline_lib.clip_door import CLIP
from pipeline_lib.files import atomic


@dataclass
class Features:
    """The image features of a pool.

    Attributes
    ----------
    keys : list of str
        One per image.
    features : Tensor of shape (n, d)
        L2-normalised, fp32.
    labels : Tensor of shape (n,) or None
        Class numbers, where the pool is labelled.
    tower : str
        `tower_id` of the image tower.
    """

    keys: list[str]
    features: Tensor
    labels: Tensor | None
    tower: str

    def rows(self, keys: list[str], wanted_by: str) -> Tensor:
        """Return the features of `keys`, in that order, as a Tensor of shape (len(keys), d).

        Raises
        ------
        ValueError
            If a key is not in the pool; the message names it and `wanted_by`.
        """
        place = {key: row for row, key in enumerate(self.keys)}
        missing = [key for key in keys if key not in place]
        if missing:
            raise ValueError(
                f"{wanted_by}: {len(missing)} of {len(keys)} keys have no image feature, such as {missing[0]!r}"
            )
        return self.features[torch.tensor([place[key] for key in keys], dtype=torch.long)]


def tower_id(model: CLIP) -> str:
    """Return a hash of the image tower's weights: fine-tuning leaves it, another backbone has another."""
    digest = hashlib.sha256()
    for name, value in sorted(model.visual.state_dict().items()):
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_features(path: str | Path, features: Features) -> None:
    """Write a feature file, atomically."""
    tensors = {"features": features.features.contiguous()}
    if features.labels is not None:
        tensors["labels"] = features.labels
    with atomic(path) as aside:
        save_file(tensors, aside, metadata={"keys": json.dumps(features.keys), "tower": features.tower})


def load_features(path: str | Path, tower: str | None = None) -> Features:
    """Read a feature file.

    Parameters
    ----------
    path : str or Path
        The file.
    tower : str, optional
        `tower_id` that the features must come from.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, or made by another image tower.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such feature file")
    try:
        with safe_open(path, framework="pt") as content:
            metadata = content.metadata()
            labels = content.get_tensor("labels") if "labels" in content.keys() else None  # noqa: SIM118
            found = Features(json.loads(metadata["keys"]), content.get_tensor("features"), labels, metadata["tower"])
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a whole feature file ({error}); delete it and run the workflow again") from error
    if tower is not None and found.tower != tower:
        raise ValueError(
            f"{path}: these features come from the image tower {found.tower[:12]}, but the model has {tower[:12]}; "
            "encode the pool with this backbone"
        )
    return found
