"""Read the images of a pool, one way for training, encoding and checking.

Reading a tar and decoding a JPEG are apart, so that a reader can decode several images at the same time.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from pipeline_lib.tars import KEY, read_samples


class Sample(NamedTuple):
    """An image as it is stored.

    Attributes
    ----------
    tar : str or Path
        Where it comes from, for messages.
    key : str
        Unique within the pool.
    jpeg : bytes
        The encoded image.
    said : dict
        Its metadata, the ``.json`` member; empty where there is none.
    """

    tar: str | Path
    key: str
    jpeg: bytes
    said: dict

    def decode(self) -> Image.Image:
        """Return the RGB image.

        Raises
        ------
        ValueError
            If it does not decode; the message names tar and key.
        """
        try:
            return Image.open(io.BytesIO(self.jpeg), formats=("JPEG",)).convert("RGB")
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(f"{self.tar}: the image of sample {self.key} does not decode ({error})") from error


def read_encoded(tars: list[str | Path]) -> Iterator[Sample]:
    """Yield every sample of a pool in stored order, its image as encoded bytes.

    Raises
    ------
    ValueError
        If a key is not fit for a file name or occurs twice, a sample has no image, or its metadata is not a JSON object
        with, if any, a whole number as label; the message names tar and key.
    """
    seen = set()
    for tar in tars:
        for key, parts in read_samples(tar):
            if not KEY.fullmatch(key):
                raise ValueError(
                    f"{tar}: expected members KEY.jpg with a key of letters, digits, '_' and '-', found {key!r}"
                )
            if key in seen:
                raise ValueError(f"{tar}: key {key} occurs a second time; keys must be unique within a pool")
            seen.add(key)
            if "jpg" not in parts:
                raise ValueError(f"{tar}: sample {key} has no .jpg member, found {sorted(parts)}")
            yield Sample(tar, key, parts["jpg"], _metadata(parts.get("json", b"{}"), f"{tar}: sample {key}"))


def read_images(tars: list[str | Path]) -> Iterator[tuple[str, Image.Image, dict]]:
    """Yield key, RGB image and metadata of every sample, one after the other; raise what `read_encoded` raises, and a
    `ValueError` that names tar and key where an image does not decode.
    """
    for sample in read_encoded(tars):
        yield sample.key, sample.decode(), sample.said


def _metadata(content: bytes, where: str) -> dict:
    try:
        said = json.loads(content)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{where}: its .json member is not JSON ({error})") from error
    if not isinstance(said, dict):
        raise ValueError(f"{where}: expected a JSON object, found {said!r:.80}")
    label = said.get("label", 0)
    if type(label) is not int or label < 0:
        raise ValueError(f"{where}: expected a label that is a whole number from 0, found {label!r}")
    return said
