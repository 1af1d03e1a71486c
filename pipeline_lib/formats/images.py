"""An image as it is stored, one way for training, encoding and checking.

Where an image is, what its bytes are and what it shows are three steps, so that a part of a pool can be passed over
without being read, and several images be read and decoded at the same time.
"""

import io
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from pipeline_lib.formats.tars import KEY, Member, check_seal, list_samples, read_member
from pipeline_lib.jobs.quoted import quoted

FORMATS = ("JPEG", "PNG")  # by content: some files of the usual sets have another format than their name says
MAX_PIXELS = 1 << 26  # of an image: 200 MB decoded. Pillow warns of those with a third more


class Sample(NamedTuple):
    """An image where it is stored.

    Attributes
    ----------
    source : str or Path
        The file that holds it, for messages.
    key : str
        Unique within the pool.
    load : callable
        Returns the encoded image, as bytes.
    said : dict
        Its metadata, such as ``label``, the class number.
    """

    source: str | Path
    key: str
    load: Callable[[], bytes]
    said: dict

    def read(self) -> bytes:
        """Return the encoded image.

        Raises
        ------
        ValueError
            If it cannot be read; the message names file and key.
        """
        try:
            return self.load()
        except Exception as error:  # archives raise many types for damaged members
            raise ValueError(f"{self.source}: the image of sample {self.key} cannot be read ({error})") from error

    def decode(self, encoded: bytes) -> Image.Image:
        """Return the RGB image that `read` gave.

        Raises
        ------
        ValueError
            If it is not a whole JPEG or PNG, or has more than `MAX_PIXELS`; the message names file and key.
        """
        try:
            image = Image.open(io.BytesIO(encoded), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} × {image.height} pixels, expected {MAX_PIXELS:,} at most")
            return image.convert("RGB")
        except Exception as error:  # Pillow raises nearly anything for hostile bytes
            raise ValueError(f"{self.source}: the image of sample {self.key} does not decode ({error})") from error


def unique(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Yield `samples`.

    Raises
    ------
    ValueError
        If a key is not fit for a file name, or occurs twice; the message names file and key.
    """
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

    Raises
    ------
    ValueError
        If a key does not fit or occurs twice, a sample has no image, or its metadata is not a JSON object with, if any,
        a whole number as label; the message names tar and key.
    """
    return unique(sample for tar in tars for sample in _read_tar(tar))


def _read_tar(tar: str | Path) -> Iterator[Sample]:
    for key, members in list_samples(tar):
        if "jpg" not in members:
            raise ValueError(f"{tar}: expected members KEY.jpg, found no .jpg of sample {key!r} but {sorted(members)}")
        said = _metadata(read_member(tar, members["json"]), f"{tar}: sample {key}") if "json" in members else {}
        yield Sample(tar, key, partial(_read_image, tar, members["jpg"], key, said), said)


def _read_image(tar: str | Path, member: Member, key: str, said: dict) -> bytes:
    return check_seal(read_member(tar, member), said, tar, key)


def read_images(tars: Iterable[str | Path]) -> Iterator[tuple[str, Image.Image, dict]]:
    """Yield key, RGB image and metadata of every sample of tars, one after the other; raise what `read_tars` and
    `Sample.decode` raise.
    """
    for sample in read_tars(tars):
        yield sample.key, sample.decode(sample.read()), sample.said


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
