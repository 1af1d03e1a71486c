"""From an encoded image to RGB pixels: the one list of formats, and what becomes of each kind of pixel.

Fetching, encoding, readers, `score` and the report all open images here, so whatever is stored can be encoded. A format
is known by content; of an animation the first frame counts. There are two ways to RGB:

- `as_read`: Pillow's ``convert("RGB")``, as CLIP's own preprocess and the published loaders call it. Grey, palette,
  black and white, CMYK and YCbCr become RGB, an alpha channel is dropped, and EXIF rotation is not applied. Only 16
  bits of grey differ: of them the upper 8 are taken (`eight_bits`), where Pillow makes everything above 255 white.
- `as_shown`: what a browser shows. EXIF rotation is applied and transparent pixels lie on white; the rest as above.
"""

import contextlib
import io

from PIL import ExifTags, Image, ImageOps

# What browsers show. Pillow reads many more, some through old or external decoders that no file of others should reach.
SUFFIXES = {
    "JPEG": ("jpg", "jpeg", "jpe", "jfif"),
    "PNG": ("png",),
    "WEBP": ("webp",),
    "AVIF": ("avif",),
    "GIF": ("gif",),
    "BMP": ("bmp",),
    "TIFF": ("tif", "tiff"),
}
FORMATS = tuple(SUFFIXES)
IMAGE_SUFFIXES = tuple(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)


def is_image(name: str) -> bool:
    """Return whether a file's name is that of an image, by its suffix, in any case."""
    return name.rpartition(".")[2].lower() in IMAGE_SUFFIXES


def open_image(encoded: bytes) -> Image.Image:
    """Return an image of one of `FORMATS`, of which only the header was read yet; callers check its size."""
    return Image.open(io.BytesIO(encoded), formats=FORMATS)


def encoded(image: Image.Image, form: str, **options: int) -> bytes:
    """Return an image as the bytes of a file of a format."""
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def eight_bits(image: Image.Image) -> Image.Image:
    """Return an image of 16 bits of grey as one of 8, and any other as it is."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return image


def as_read(image: Image.Image) -> Image.Image:
    """Return an image in RGB as Pillow's ``convert("RGB")`` makes it (see the module)."""
    return eight_bits(image).convert("RGB")


def as_shown(image: Image.Image) -> Image.Image:
    """Return an image in RGB as a browser shows it (see the module); `image` itself is turned, too."""
    image.load()  # damaged pixels are no damaged EXIF: of a PNG, asking for EXIF loads them
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    if image.has_transparency_data and not image.mode.startswith("I"):
        background = Image.new("RGBA", image.size, "white")
        background.alpha_composite(image.convert("RGBA"))
        return background.convert("RGB")
    return image if image.mode == "RGB" else as_read(image)


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 where the image is upright or says nothing."""
    if image.format == "PNG":
        image.load()  # as in `as_shown`
    with contextlib.suppress(Exception):  # broken EXIF says nothing about the pixels
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    return 1
