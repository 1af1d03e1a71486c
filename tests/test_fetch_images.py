"""Every kind of image and what becomes of it."""

import io

import numpy as np
import pytest
import simplejpeg
from fetching import jpeg, turned
from PIL import Image, ImageOps

from pipeline_lib.fetch import Failed
from pipeline_lib.fetch.images import decode, own_pixel_limit, prepare
from pipeline_lib.formats.pixels import encoded

SIZE = (40, 20)


GREY16 = Image.frombytes("I;16", SIZE, (0x8000).to_bytes(2, "little") * 800)
MORE = {"save_all": True, "append_images": [Image.new("RGB", SIZE)]}
CASES = {
    "rgb": (encoded(Image.new("RGB", SIZE, (200, 0, 0)), "PNG"), (200, 0, 0)),
    "grey": (encoded(Image.new("L", SIZE, 90), "JPEG"), (90, 90, 90)),
    "16 bits": (encoded(GREY16, "PNG"), (128, 128, 128)),
    "alpha": (encoded(Image.new("RGBA", SIZE, (0, 0, 0, 0)), "PNG"), (255, 255, 255)),
    "grey alpha": (encoded(Image.new("LA", SIZE, (0, 0)), "PNG"), (255, 255, 255)),
    "palette": (encoded(Image.new("RGB", SIZE, (0, 0, 200)).quantize(2), "PNG"), (0, 0, 200)),
    "transparent palette": (encoded(Image.new("P", SIZE, 0), "PNG", transparency=0), (255, 255, 255)),
    "cmyk": (encoded(Image.new("CMYK", SIZE, (0, 255, 255, 0)), "JPEG"), (255, 0, 0)),
    "bits": (encoded(Image.new("1", SIZE, 1), "TIFF"), (255, 255, 255)),
    "animated": (encoded(Image.new("RGB", SIZE, "lime"), "GIF", **MORE), (0, 255, 0)),
    "animated webp": (encoded(Image.new("RGB", SIZE, "lime"), "WEBP", lossless=True, **MORE), (0, 255, 0)),
    "upside down cmyk": (encoded(Image.new("CMYK", SIZE, (255, 0, 255, 0)), "JPEG", exif=turned(3)), (0, 255, 0)),
    "avif": (encoded(Image.new("RGB", SIZE, (0, 0, 200)), "AVIF", quality=100), (0, 0, 200)),
    "webp": (encoded(Image.new("RGB", SIZE, (0, 0, 200)), "WEBP", lossless=True), (0, 0, 200)),
}


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_image_becomes_an_rgb_jpeg(name):
    body, colour = CASES[name]
    picture = prepare(body, 10, 10_000)
    with Image.open(io.BytesIO(picture.content)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (20, 10))
        assert all(abs(found - wanted) <= 3 for found, wanted in zip(image.getpixel((5, 5)), colour, strict=True))
    assert picture.sides == (20, 10, *SIZE)
    assert prepare(body, None, 10_000).sides == (*SIZE, *SIZE)


def test_exif_rotation_is_applied_and_broken_exif_ignored():
    assert prepare(jpeg(size=(40, 20), exif=turned(6)), 10, 10_000).sides == (10, 20, 40, 20)
    left_red = Image.new("RGB", (40, 20), "red")
    left_red.paste("blue", (20, 0, 40, 20))
    for form in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF"):
        kept = prepare(encoded(left_red, form, exif=turned(6)), None, 10_000)
        with Image.open(io.BytesIO(kept.content)) as image:
            assert image.size == kept.sides[:2] == (20, 40) and image.getpixel((10, 5))[0] > 200, form
    assert prepare(jpeg(size=(40, 20), exif=b"Exif\x00\x00II*\x00\xff"), 10, 10_000).sides == (20, 10, 40, 20)


@pytest.mark.parametrize("shrunk", [60, 20])  # decoded in full, and at a half
@pytest.mark.parametrize("orientation", [1, 6])
def test_resizing_is_bicubic_whatever_a_jpeg_is_decoded_at(shrunk, orientation):
    photo = Image.effect_noise((12, 8), 120).convert("RGB").resize((164, 100), Image.Resampling.BICUBIC)
    body = encoded(photo, "JPEG", quality=95, exif=turned(orientation))
    picture = prepare(body, shrunk, 100_000)
    with Image.open(io.BytesIO(body)) as whole, Image.open(io.BytesIO(picture.content)) as found:
        size = (round(164 * shrunk / 100), shrunk)
        wanted = ImageOps.exif_transpose(whole.resize(size, Image.Resampling.BICUBIC))
        assert found.size == wanted.size == picture.sides[:2]
        assert np.abs(np.asarray(found, float) - np.asarray(wanted, float)).mean() < 3


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("least", [(502, 402), (450, 400), (120, 100)])  # in full, at a half, at an eighth
def test_an_ordinary_jpeg_is_decoded_to_pillows_pixels(least, progressive):
    photo = Image.effect_noise((251, 201), 120).convert("RGB").resize((1001, 803), Image.Resampling.BICUBIC)
    body = encoded(photo, "JPEG", quality=90, progressive=progressive)
    with Image.open(io.BytesIO(body)) as image, Image.open(io.BytesIO(body)) as read:
        pixels, on_its_side = decode(body, image, least, "RGB")
        read.draft(None, least)
        assert not on_its_side and np.array_equal(pixels, np.asarray(read))


def test_what_only_pillow_can_read_of_a_jpeg_is_kept():
    body = encoded(Image.effect_noise((320, 200), 90).convert("RGB"), "JPEG")
    warned = body[:5000] + b"\xff\x00\x11" + body[5003:]
    with pytest.raises(ValueError):
        simplejpeg.decode_jpeg(warned)
    with Image.open(io.BytesIO(warned)) as image:
        assert decode(warned, image, (320, 200), "RGB")[0].shape == (200, 320, 3)
    assert prepare(warned, None, 100_000).content == warned


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "TIFF", "JPEG"])  # WebP cannot be opened without its end
def test_bombs_are_refused_by_their_header_before_they_are_decoded(form):
    whole = encoded(Image.effect_noise((120, 100), 80).convert("RGB"), form)
    cut = whole[: len(whole) * 3 // 4]  # whoever decoded it would call it corrupt
    for image_size in (10, None):
        with pytest.raises(Failed) as caught:
            prepare(cut, image_size, 11_999)
        assert caught.value.failure == "too-many-pixels" and caught.value.permanent
    assert prepare(whole, 10, 12_000).sides[0] == 12


def test_the_only_limit_is_ours_and_pillow_has_its_own_again_afterwards():
    before = Image.MAX_IMAGE_PIXELS
    with own_pixel_limit():
        assert Image.MAX_IMAGE_PIXELS is None
    assert before == Image.MAX_IMAGE_PIXELS is not None


def test_corrupt_images_are_refused_even_where_bytes_are_kept():
    large = encoded(Image.effect_noise((320, 200), 90).convert("RGB"), "JPEG")
    assert prepare(large, None, 100_000).content == large
    for body in (jpeg()[:-40], jpeg(form="PNG")[:60], jpeg(form="GIF")[:-8], large[:-100]):
        with pytest.raises(Failed) as caught:
            prepare(body, None, 100_000)
        assert caught.value.failure == "corrupt" and caught.value.permanent
