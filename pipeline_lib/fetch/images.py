"""Verify that downloaded bytes are an image, and bring it into the one form that is stored.

Bytes -> JPEG bytes, RGB, upright, shortest side of a given length; or the bytes as they came. Resizing is bicubic and
antialiased. What a JPEG gains by being large is left out where it does not show: one that is kept is decoded at an
eighth to be verified, one that shrinks to less than half is decoded at the least power of two above twice its new size.
"""

import contextlib
import hashlib
import io
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch.nn.functional import interpolate

from pipeline_lib.fetch.failures import Failed

# What browsers show. Pillow reads many more, some through old or external decoders that no link should reach.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
JPEG_QUALITY = 95

Image.MAX_IMAGE_PIXELS = None  # our own limit is lower, an error and the same for all formats


class Picture(NamedTuple):
    """A verified image.

    Attributes
    ----------
    content : bytes
        What to store.
    width, height : int
        Of `content`, in pixels.
    original_width, original_height : int
        As downloaded, in pixels, before rotation.
    sha256 : str
        Of the downloaded bytes, in hex.
    """

    content: bytes
    width: int
    height: int
    original_width: int
    original_height: int
    sha256: str


def prepare(body: bytes, image_size: int | None, max_pixels: int) -> Picture:
    """Decode, convert to RGB, rotate as EXIF says, resize and encode.

    Parameters
    ----------
    body : bytes
        What the host sent.
    image_size : int or None
        Length in pixels to which the shortest side is resized (bicubic), or None to keep `body` as it is.
    max_pixels : int
        Refuse images with more, by their header, before decoding.

    Raises
    ------
    Failed
        ``not-an-image``, ``too-many-pixels`` or ``corrupt``; all permanent.
    """
    # Both `except Exception` are meant: decoders meet hostile bytes with whatever they run into. Damaged images end in
    # OSError, SyntaxError, ValueError, RuntimeError or TypeError, depending on the format and on the versions of Pillow
    # and its libraries, and one missing from a list of them would end a whole part over one image. MemoryError belongs
    # to them: a header may claim any size, while a machine that runs short of memory kills the process instead.
    try:
        image = Image.open(io.BytesIO(body), formats=FORMATS)
    except UnidentifiedImageError:
        raise Failed("not-an-image", permanent=True) from None
    except Exception:
        raise Failed("corrupt", permanent=True) from None
    with image:
        original = image.size
        scale = (image_size or 0) / min(original)
        size = tuple(round(side * scale) for side in original)
        if max(original[0] * original[1], size[0] * size[1]) > max_pixels:
            raise Failed("too-many-pixels", permanent=True)
        try:
            if image_size is None:
                # Damage shows when the coefficients of a JPEG are read, whatever is made of them: an eighth is enough.
                image.draft(None, (1, 1))
                image.load()
                stored, content = original, body
            else:
                # A JPEG is decoded at 1/2, 1/4 or 1/8 where twice the size that is wanted remains.
                image.draft(None, tuple(2 * side for side in size))
                image.load()
                lying = image.size
                upright = _upright_rgb(image)
                resized = _resize(upright, size if upright.size == lying else size[::-1])
                stored, content = resized.size, _jpeg(resized)
        except Exception:
            raise Failed("corrupt", permanent=True) from None
        return Picture(content, *stored, *original, hashlib.sha256(body).hexdigest())


def _upright_rgb(image: Image.Image) -> Image.Image:
    with contextlib.suppress(Exception):  # broken EXIF says nothing about the pixels
        ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):  # 16 bits per pixel, of which JPEG takes the upper 8
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    if image.has_transparency_data:
        background = Image.new("RGBA", image.size, "white")
        background.alpha_composite(image.convert("RGBA"))
        return background.convert("RGB")
    return image.convert("RGB")


def _resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.size == size:
        return image
    # Torch resizes as Pillow does, antialiased and to within one level of 255, in half the time.
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]  # 1, 3, height, width
    resized = interpolate(pixels, size[::-1], mode="bicubic", antialias=True)
    return Image.fromarray(resized[0].permute(1, 2, 0).numpy())


def _jpeg(image: Image.Image) -> bytes:
    encoded = io.BytesIO()
    Image.Image.save(image, encoded, "JPEG", quality=JPEG_QUALITY)
    return encoded.getvalue()
