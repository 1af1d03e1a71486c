"""Feature files: the normalised image features of a pool, a file per shard, and what they were made of.

A file is safetensors with ``features`` (n × d, fp32, rows of length 1), ``labels`` (n, int64; only for labelled pools)
and, in the one entry ``about`` of its metadata, as JSON,

==============  =======================================================================================================
``keys``        list of n strings
``tower``       `tower_id`: hash of the image tower
``preprocess``  how an image became pixels: resolution, transform and its version
``precision``   in which the tower computed: fp32, bf16 or fp16; or ``fp16 as clip.load``
``images``      hash over the keys and the encoded images, in order
``content``     one hash of tower, preprocess, precision and images: equal where the features must be equal
``checksum``    hash over what is stored: keys, features and labels
==============  =======================================================================================================

Features are stored in fp32, also where the tower computed in half precision: rounding them would save half of files
that are small beside their images, and change scores in the fourth digit.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pipeline_lib.clip.load import CLIP, activation_of
from pipeline_lib.jobs.file_kind import misread
from pipeline_lib.jobs.files import atomic

IN_HALF = "fp16 as clip.load"  # precision of features that are normalised in fp16
LENGTH_TOLERANCE, TOLERANCE_IN_HALF = 1e-4, 1e-3  # of a row's length; normalising leaves about 1e-7, in fp16 5e-4


@dataclass
class Features:
    """The image features of a pool, or of one of its shards: `features` (n, d), fp32, of the images `keys`.

    `labels` (n,) are class numbers, None where the pool is not labelled; the other fields are those of the file.
    """

    keys: list[str]
    features: Tensor
    labels: Tensor | None
    tower: str
    preprocess: str = ""
    precision: str = "fp32"
    images: str = ""

    @property
    def content(self) -> str:
        """One hash of everything that the features follow from."""
        return _sha256(*(part.encode() for part in (self.tower, self.preprocess, self.precision, self.images)))

    def rows(self, keys: list[str], wanted_by: str) -> Tensor:
        """Return the features of `keys`, in that order, as a Tensor of shape (len(keys), d); `wanted_by` for errors."""
        place = {key: row for row, key in enumerate(self.keys)}
        if missing := [key for key in keys if key not in place]:
            raise ValueError(
                f"{wanted_by}: {len(missing)} of {len(keys)} keys have no image feature, such as {missing[0]!r}"
            )
        return self.features[torch.tensor([place[key] for key in keys], dtype=torch.long)]


def tower_id(model: CLIP) -> str:
    """Return a hash of the image tower, weights and activation: fine-tuning leaves it, another backbone has another."""
    digest = hashlib.sha256(activation_of(model).encode())
    for name, value in sorted(model.visual.state_dict().items()):
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def bad_row(features: Tensor, precision: str) -> int | None:
    """Return the first row of `features` (n, d), made in `precision`, that is not finite or of length 1, or None."""
    tolerance = TOLERANCE_IN_HALF if precision == IN_HALF else LENGTH_TOLERANCE
    good = (features.norm(dim=1) - 1).abs() <= tolerance  # false for NaN too
    return None if good.all() else int(good.logical_not().nonzero()[0])


def save_features(path: str | Path, features: Features) -> None:
    """Write a feature file, atomically."""
    tensors = {"features": features.features.contiguous()}
    if features.labels is not None:
        tensors["labels"] = features.labels
    described = ("keys", "tower", "preprocess", "precision", "images", "content")
    about = {name: getattr(features, name) for name in described}
    about["checksum"] = _checksum(features.keys, tensors)
    with atomic(path) as aside:
        # One entry: safetensors stores several in an order that differs from time to time.
        save_file(tensors, aside, metadata={"about": json.dumps(about)})


def load_features(paths: Sequence[str | Path], tower: str | None = None) -> Features:
    """Read the feature files of a pool, in order; shards without images may be among them.

    Given `tower`, the features must come from the image tower with that `tower_id`. Shards are made in one way, with
    labels in all or none, and keys are unique. `images` of the result is a hash over those of the shards.
    """
    shards = [_load_shard(path, tower) for path in paths]
    full = [(path, shard) for path, shard in zip(paths, shards, strict=True) if shard.keys]
    if not full:
        raise ValueError(f"{', '.join(map(str, paths))}: expected features of at least one image, found none")
    first_path, first = full[0]
    found_in: dict[str, str | Path] = {}
    for path, shard in full:
        for name in ("tower", "preprocess", "precision"):
            mine, theirs = getattr(shard, name), getattr(first, name)
            if mine != theirs:
                raise ValueError(
                    f"{path}: the shards of a pool must be made in one way, but its {name} is {mine:.40} and that of "
                    f"{first_path} is {theirs:.40}; delete the one that is out of date, and the rule `features` makes "
                    "it again"
                )
        if (shard.labels is None) != (first.labels is None):
            labelled, other = (first_path, path) if shard.labels is None else (path, first_path)
            raise ValueError(
                f"{path}: expected labels in all shards of a pool or in none; {labelled} has labels, {other} does not"
            )
        for key in shard.keys:
            if key in found_in:
                raise ValueError(f"{path}: key {key} is in {found_in[key]} already; keys must be unique within a pool")
            found_in[key] = path
    return Features(
        keys=list(found_in),
        features=torch.cat([shard.features for _, shard in full]),
        labels=None if first.labels is None else torch.cat([shard.labels for _, shard in full]),
        tower=first.tower,
        preprocess=first.preprocess,
        precision=first.precision,
        images=_sha256(*(shard.images.encode() for shard in shards)),
    )


def _load_shard(path: str | Path, tower: str | None) -> Features:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such feature file; the rule `features` makes it")
    try:
        with safe_open(path, framework="pt") as content:
            about = json.loads(content.metadata()["about"])
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
        made = {name: about[name] for name in ("tower", "preprocess", "precision", "images")}
        found = Features(about["keys"], tensors["features"], tensors.get("labels"), **made)
        n = len(found.keys)
        if len(found.features) != n or (found.labels is not None and len(found.labels) != n):
            raise ValueError(f"expected a row for each of its {n} keys, found {len(found.features)}")
        if _checksum(about["keys"], tensors) != about["checksum"] or found.content != about["content"]:
            raise ValueError("its content does not match its checksum")
        if (row := bad_row(found.features, found.precision)) is not None:
            norm = found.features[row].norm()
            raise ValueError(f"expected rows of length 1, found {norm:.6f} for key {found.keys[row]}")
    except (SafetensorError, KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise misread(path, "a whole feature file", f"{error!r:.200}", "safetensors") from error
    if tower is not None and found.tower != tower:
        raise ValueError(
            f"{path}: these features come from the image tower {found.tower[:12]}, but the model has {tower[:12]}; "
            "encode the pool with this backbone"
        )
    return found


def _checksum(keys: list[str], tensors: dict[str, Tensor]) -> str:
    return _sha256(json.dumps(keys).encode(), *(tensors[name].numpy().data for name in sorted(tensors)))


def _sha256(*parts: bytes | memoryview) -> str:
    """Return a hash of several parts; what belongs to which is part of it."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()
