"""Read the images of a pool, one way for training, encoding and checking."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from pipeline_lib.tars import KEY, read_samples


def read_images(tars: list[str | Path]) -> Iterator[tuple[str, Image.Image, dict]]:
    """Yield key, RGB image and metadata (the ``.json`` member, empty where there is none) of every sample.

    Raises
    ------
    ValueError
        If a key is not fit for a file name or occurs twice, a sample has no image or one that does not decode, or its
        metadata is not a JSON object with, if any, a whole number as label; the message names tar and key.
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
            try:
                image = Image.open(io.BytesIO(parts["jpg"]), formats=("JPEG",)).convert("RGB")
            except (OSError, SyntaxError, Image.DecompressionBombError) as error:
                raise ValueError(f"{tar}: the image of sample {key} does not decode ({error})") from error
            yield key, image, _metadata(parts.get("json", b"{}"), f"{tar}: sample {key}")


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
