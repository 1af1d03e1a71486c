"""Verify that downloaded bytes are an image, and bring it into the one form that is stored.

Bytes -> JPEG bytes, RGB, upright, shortest side of a given length; or the bytes as they came. Resizing is bicubic and
antialiased. What a JPEG gains by being large is left out where it does not show: one that is kept is decoded at an
eighth to be verified, one that shrinks to less than half is decoded at the least size above twice its new one.

Pillow says what the bytes are and reads whatever is unusual. Nearly all of the web's images are upright colour JPEGs in
good order: those are read by simplejpeg, which gives the same pixels without a detour through Pillow's own image.
"""

import contextlib
import hashlib
import io
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

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
                decode(body, image, (1, 1), "GRAY")
                stored, content = original, body
            else:
                # A JPEG is decoded at a half or less where twice the size that is wanted remains.
                pixels, turned = decode(body, image, tuple(2 * side for side in size), "RGB")
                stored = size[::-1] if turned else size
                content = _jpeg(_resize(pixels, stored))
        except Exception:
            raise Failed("corrupt", permanent=True) from None
        return Picture(content, *stored, *original, hashlib.sha256(body).hexdigest())


def warm_up(image_size: int | None) -> None:
    """Load what `prepare` needs to resize: a second's work, during which no request should be open."""
    if image_size is not None:
        _resize(np.zeros((2, 2, 3), np.uint8), (1, 1))


def decode(body: bytes, image: Image.Image, least: tuple[int, int], colours: str) -> tuple[np.ndarray, bool]:
    """Decode an image in full, or a JPEG at a half, a quarter or so, as small as can be.

    Parameters
    ----------
    body : bytes
        The image.
    image : PIL.Image.Image
        The same, opened and not loaded yet.
    least : (int, int)
        Width and height in pixels of which neither side may fall short, where that can be.
    colours : str
        ``RGB``, or ``GRAY`` where the pixels do not matter; what is read by Pillow is RGB all the same.

    Returns
    -------
    pixels : ndarray of shape (height, width, 3 or 1), uint8
        Upright.
    turned : bool
        Whether they lay on their side.

    Raises
    ------
    Exception
        Of any kind, if it does not decode.
    """
    if image.format == "JPEG" and image.mode == "RGB" and _orientation(image) == 1:
        width, height = least
        with contextlib.suppress(ValueError):  # a JPEG that is not in good order: Pillow decides if it can be read
            return simplejpeg.decode_jpeg(body, colours, min_height=height, min_width=width, min_factor=2), False
    image.draft(None, least)
    image.load()
    lying = image.size
    upright = _upright_rgb(image)
    return np.array(upright), upright.size != lying


def _orientation(image: Image.Image) -> int:
    with contextlib.suppress(Exception):  # broken EXIF says nothing about the pixels
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    return 1


def _upright_rgb(image: Image.Image) -> Image.Image:
    with contextlib.suppress(Exception):
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


def _resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if pixels.shape[1::-1] == size:
        return pixels
    from pipeline_lib.fetch.resize import resize  # torch takes a second to import; not where bytes are kept

    return resize(pixels, size)


def _jpeg(pixels: np.ndarray) -> bytes:
    return simplejpeg.encode_jpeg(pixels, JPEG_QUALITY, colorspace="RGB", colorsubsampling="420")
