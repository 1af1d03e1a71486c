"""An image as it is stored: training, encoding and checks all read it here.

Where an image is, what its bytes are and what it shows are three steps, so that a part of a pool can be skipped without
reading it, and several images can be read and decoded at the same time.
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from pipeline_lib.formats import MAX_PIXELS
from pipeline_lib.formats.tars import KEY, Member, check_seal, list_samples, read_member
from pipeline_lib.jobs.quoted import quoted

FORMATS = ("JPEG", "PNG")  # by content: in some datasets the suffix of a file is wrong


class Sample(NamedTuple):
    """An image where it is stored."""

    source: str | Path  # the file that holds it, for messages
    key: str  # unique within the pool
    load: Callable[[], bytes]  # returns the encoded image
    said: dict  # its metadata, such as ``label``, the class number

    def read(self) -> bytes:
        """Return the encoded image."""
        try:
            return self.load()
        except Exception as error:  # archives raise many types for damaged members
            raise ValueError(f"{self.source}: the image of sample {self.key} cannot be read ({error})") from error

    def decode(self, encoded: bytes) -> Image.Image:
        """Return what `read` gave as an RGB image; it must be a whole JPEG or PNG of at most `MAX_PIXELS`."""
        try:
            image = Image.open(io.BytesIO(encoded), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} × {image.height} pixels, expected {MAX_PIXELS:,} at most")
            return image.convert("RGB")
        except Exception as error:  # Pillow raises nearly anything for hostile bytes
            raise ValueError(f"{self.source}: the image of sample {self.key} does not decode ({error})") from error


def unique(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Yield `samples`; each key must be fit for a file name and occur once."""
    found_in: dict[str, str | Path] = {}
    for sample in samples:
        if not KEY.fullmatch(sample.key):
            raise ValueError(
                f"{sample.source}: expected a key of letters, digits, '_' and '-' before the file's extension, found "
                f"{sample.key!r}"
            )
        if sample.key in found_in:
            raise ValueError(
                f"{sample.source}: key {sample.key} occurs a second time, after {found_in[sample.key]}; keys must be "
                "unique within a pool"
            )
        found_in[sample.key] = sample.source
        yield sample


def read_tars(tars: Iterable[str | Path]) -> Iterator[Sample]:
    """Yield every sample of WebDataset tars (``KEY.jpg`` and, maybe, ``KEY.json``) in stored order.

    ``KEY.json`` is an object; its ``label``, if it has one, must be a whole number from 0.
    """
    return unique(sample for tar in tars for sample in _read_tar(tar))


def _read_tar(tar: str | Path) -> Iterator[Sample]:
    for key, members in list_samples(tar):
        if "jpg" not in members:
            raise ValueError(f"{tar}: expected members KEY.jpg, found no .jpg of sample {key!r} but {sorted(members)}")
        said = _metadata(read_member(tar, members["json"]), f"{tar}: sample {key}") if "json" in members else {}
        yield Sample(tar, key, partial(_load, tar, members["jpg"], key, said), said)


def _load(tar: str | Path, member: Member, key: str, said: dict) -> bytes:
    return check_seal(read_member(tar, member), said, tar, key)


def _metadata(content: bytes, where: str) -> dict:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: its .json member is not JSON ({error})") from error
    if not isinstance(said, dict):
        raise ValueError(f"{where}: expected a JSON object, found {quoted(said, 80)}")
    label = said.get("label", 0)
    if type(label) is not int or label < 0:
        raise ValueError(f"{where}: expected a label that is a whole number from 0, found {quoted(label)}")
    return said


def read_images(tars: Iterable[str | Path]) -> Iterator[tuple[str, Image.Image, dict]]:
    """Yield key, RGB image and metadata of every sample of `read_tars`."""
    for sample in read_tars(tars):
        yield sample.key, sample.decode(sample.read()), sample.said
