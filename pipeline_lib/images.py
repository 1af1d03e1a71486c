"""Read the images of a pool, one way for training, encoding and checking."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from pipeline_lib.tars import read_samples


def read_images(tars: list[str | Path]) -> Iterator[tuple[str, Image.Image, dict]]:
    """Yield key, RGB image and metadata (the ``.json`` member, empty where there is none) of every sample.

    Raises
    ------
    ValueError
        If a sample has no image, the image does not decode, or a key occurs twice; the message names tar and key.
    """
    seen = set()
    for tar in tars:
        for key, parts in read_samples(tar):
            if key in seen:
                raise ValueError(f"{tar}: key {key} occurs a second time; keys must be unique within a pool")
            seen.add(key)
            if "jpg" not in parts:
                raise ValueError(f"{tar}: sample {key} has no .jpg member, found {sorted(parts)}")
            try:
                image = Image.open(io.BytesIO(parts["jpg"]), formats=("JPEG",)).convert("RGB")
            except (OSError, SyntaxError, Image.DecompressionBombError) as error:
                raise ValueError(f"{tar}: the image of sample {key} does not decode ({error})") from error
            yield key, image, json.loads(parts.get("json", b"{}"))
