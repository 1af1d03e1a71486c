"""Verify that downloaded bytes are an image, and bring it into the one form that is stored.

Bytes -> JPEG bytes, RGB, upright, shortest side of a given length; or the bytes as they came, unless readers would see
another image in them than a browser shows (turned, transparent, 16 bits of grey). Resizing is bicubic and antialiased.
What a JPEG gains by being large is left out where it does not show: one that is kept is decoded at an eighth to be
verified, one that shrinks to less than half is decoded at the least size above twice its new one.

Pillow says what the bytes are and reads whatever is unusual. Nearly all of the web's images are upright colour JPEGs in
good order: those are read by simplejpeg, which gives the same pixels without a detour through Pillow's own image.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from pipeline_lib.fetch import Failed
from pipeline_lib.formats.pixels import as_shown, open_image, orientation

JPEG_QUALITY = 95


class Picture(NamedTuple):
    """A verified image: what to store, the SHA-256 of the downloaded bytes, and `outcomes.SIDES` in pixels."""

    content: bytes
    sha256: str
    sides: tuple[int, int, int, int]


@contextlib.contextmanager
def own_pixel_limit() -> Iterator[None]:
    """Switch Pillow's own limit off meanwhile, in all threads: it warns beyond 89 million pixels.

    Here `fetch.max_pixels` of the configuration is the limit for images of the web, `formats.MAX_PIXELS` for all others
    (200 MB decoded, in each of many workers); what is larger is always an outcome, or an error.
    """
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def prepare(body: bytes, image_size: int | None, max_pixels: int) -> Picture:
    """Decode, convert to RGB, rotate as EXIF says, resize and encode; to be called within `own_pixel_limit`.

    The shortest side is resized to `image_size` pixels. None keeps `body`, or the image at its own size where readers
    would see another one in `body` than a browser shows. An image of more than `max_pixels` is refused by its header,
    before it is decoded. Raises `Failed`: ``not-an-image``, ``too-many-pixels`` or ``corrupt``, all permanent.
    """
    # Both `except Exception` are meant: decoders meet hostile bytes with whatever they run into. Damaged images end in
    # OSError, SyntaxError, ValueError, RuntimeError or TypeError, depending on the format and on the versions of Pillow
    # and its libraries, and one missing from a list of them would end a whole part over one image. MemoryError belongs
    # to them: a header may claim any size, while a machine that runs short of memory kills the process instead.
    try:
        image = open_image(body)
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
                shown = _unlike_read(body, image)
                stored, content = (original, body) if shown is None else (shown.size, _jpeg(np.array(shown)))
            else:
                # A JPEG is decoded at a half or less where twice the size that is needed remains.
                pixels, turned = decode(body, image, tuple(2 * side for side in size), "RGB")
                stored = size[::-1] if turned else size
                content = _jpeg(_resize(pixels, stored))
        except Exception:
            raise Failed("corrupt", permanent=True) from None
        return Picture(content, hashlib.sha256(body).hexdigest(), (*stored, *original))


def _unlike_read(body: bytes, image: Image.Image) -> Image.Image | None:
    """Verify an image; return what a browser shows of it if readers, by Pillow's ``convert("RGB")``, see another."""
    if image.mode == "RGB" and not image.has_transparency_data and orientation(image) == 1:
        # Damage shows when the coefficients of a JPEG are read, whatever is made of them: an eighth is enough.
        decode(body, image, (1, 1), "GRAY")
        return None
    read = image.convert("RGB")
    shown = as_shown(image)
    return None if (read.size, read.tobytes()) == (shown.size, shown.tobytes()) else shown


def _jpeg(pixels: np.ndarray) -> bytes:
    return simplejpeg.encode_jpeg(pixels, JPEG_QUALITY, colorspace="RGB", colorsubsampling="420")


def warm_up(image_size: int | None) -> None:
    """Load what `prepare` needs to resize: a second's work, during which no request should be open."""
    if image_size is not None:
        _resize(np.zeros((2, 2, 3), np.uint8), (1, 1))


def decode(body: bytes, image: Image.Image, least: tuple[int, int], colours: str) -> tuple[np.ndarray, bool]:
    """Decode an image in full, or a JPEG at a half, a quarter or so, as small as can be; raise anything if it cannot.

    `image` is `body`, opened and not loaded yet. Neither side falls short of `least`, width and height in pixels, where
    that can be. `colours` is ``RGB``, or ``GRAY`` where pixels do not matter; what Pillow reads is RGB all the same.
    Returns the upright pixels, an array of shape (height, width, 3 or 1), uint8, and whether they lay on their side.
    """
    if image.format == "JPEG" and image.mode == "RGB" and orientation(image) == 1:
        width, height = least
        with contextlib.suppress(ValueError):  # a JPEG that is not in good order: Pillow decides if it can be read
            return simplejpeg.decode_jpeg(body, colours, min_height=height, min_width=width, min_factor=2), False
    image.draft(None, least)
    image.load()
    lying = image.size
    upright = as_shown(image)
    return np.array(upright), upright.size != lying


def _resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize as Pillow's bicubic filter does, antialiased, to within one level of 255, in a seventh of its time."""
    if pixels.shape[1::-1] == size:
        return pixels
    import torch  # takes a second; not where bytes are kept

    # The order of the axes in memory stays (height, width, channel), which torch has its fast path for: `[None]` comes
    # first, so that the strides say so.
    image = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2)
    resized = torch.nn.functional.interpolate(image, size[::-1], mode="bicubic", antialias=True)
    return resized.permute(0, 2, 3, 1)[0].numpy()
