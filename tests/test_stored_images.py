"""Whatever fetch stores can be read, and shows the same image whether its bytes are kept or it is resized."""

import io
import itertools
import random
from collections import Counter

import numpy as np
import pytest
import torch
from fetching import fetch_settings, turned
from PIL import Image

from pipeline_lib.clip.load import clip, preprocess
from pipeline_lib.features.decode import prepare_ahead
from pipeline_lib.features.encode import encode_pool, normalised
from pipeline_lib.fetch import Failed
from pipeline_lib.fetch.images import prepare
from pipeline_lib.formats import MAX_PIXELS
from pipeline_lib.formats.images import Sample, read_images, read_tars
from pipeline_lib.formats.pixels import FORMATS, as_read, as_shown, encoded, open_image
from pipeline_lib.formats.tars import sealed, write_samples
from pipeline_lib.paper.report.examples import thumbnail
from pipeline_lib.readers.pool import read_pool
from pipeline_lib.readers.reader import find_reader

SIZE = (96, 64)


def halves(mode: str, left, right) -> Image.Image:
    """An image of two colours, so that it matters how it lies."""
    image = Image.new(mode, SIZE, left)
    image.paste(right, (SIZE[0] // 2, 0, *SIZE))
    return image


COLOUR = halves("RGB", "red", "blue")
DEEP = Image.fromarray(np.repeat(np.linspace(0, 65535, SIZE[0])[None], SIZE[1], axis=0).astype(np.uint16))
MORE = {"save_all": True, "append_images": [Image.new("RGB", SIZE, "lime")]}
BODIES = {
    **{form: encoded(COLOUR, form) for form in FORMATS},
    "several in a JPEG": encoded(COLOUR, "MPO", **MORE),
    "turned JPEG": encoded(COLOUR, "JPEG", exif=turned(6)),
    "turned WebP": encoded(COLOUR, "WEBP", exif=turned(8)),
    "mirrored PNG": encoded(COLOUR, "PNG", exif=turned(2)),
    "transparent PNG": encoded(halves("RGBA", (255, 0, 0, 255), (0, 0, 0, 0)), "PNG"),
    "half transparent WebP": encoded(halves("RGBA", (255, 0, 0, 255), (0, 0, 0, 90)), "WEBP", lossless=True),
    "opaque alpha": encoded(COLOUR.convert("RGBA"), "PNG"),
    "grey and alpha": encoded(halves("LA", (0, 0), (90, 255)), "PNG"),
    "palette": encoded(COLOUR.quantize(8), "PNG"),
    "transparent palette": encoded(COLOUR.quantize(8), "PNG", transparency=0),
    "transparent colour": encoded(COLOUR, "PNG", transparency=(0, 0, 255)),
    "transparent GIF": encoded(COLOUR.quantize(8), "GIF", transparency=0),
    "animated GIF": encoded(COLOUR, "GIF", **MORE),
    "animated WebP": encoded(COLOUR, "WEBP", **MORE),
    "animated PNG": encoded(COLOUR, "PNG", **MORE),
    "16 bits PNG": encoded(DEEP, "PNG"),
    "16 bits TIFF": encoded(DEEP, "TIFF"),
    "grey": encoded(COLOUR.convert("L"), "JPEG"),
    "black and white": encoded(COLOUR.convert("1"), "BMP"),
    "CMYK": encoded(COLOUR.convert("CMYK"), "JPEG"),
    "turned CMYK": encoded(COLOUR.convert("CMYK"), "TIFF", exif=turned(3)),  # Pillow itself turns TIFFs
    "LAB": encoded(Image.new("LAB", SIZE, (120, 90, 90)), "TIFF"),
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Tars of the images, by `fetch.image_size`: the bytes kept, and resized to the size that they have."""
    folder = tmp_path_factory.mktemp("stored")
    for size in (None, SIZE[1]):
        images = (prepare(body, size, 100_000).content for body in BODIES.values())
        samples = ((f"{number:03d}", sealed(image, {})) for number, image in enumerate(images))
        write_samples(folder / f"{size}.tar", samples)
    return folder / "None.tar", folder / f"{SIZE[1]}.tar"


def test_kept_and_resized_images_show_the_same(stored):
    kept, resized = (list(read_images([tar])) for tar in stored)
    for name, body, (_, one, _), (_, other, _) in zip(BODIES, BODIES.values(), kept, resized, strict=True):
        shown = as_shown(open_image(body))
        for image in (one, other):
            assert image.mode == "RGB" and image.size == shown.size, name
            difference = np.abs(np.asarray(image, float) - np.asarray(shown, float))
            assert np.median(difference) <= 3 and difference.mean() <= 6, name


def test_all_that_is_stored_is_encoded_and_shown(stored, tiny_clip):
    kept, resized = (encode_pool(tiny_clip, read_tars([tar]), 8, 2).features for tar in stored)
    assert (kept * resized).sum(dim=1).min() > 0.98
    for sample, body in zip(read_tars(stored[:1]), BODIES.values(), strict=True):
        assert thumbnail(sample).startswith(b"\xff\xd8")
        assert np.array_equal(sample.decode(body, as_shown), as_shown(open_image(body)))


def test_bytes_are_kept_where_readers_see_what_is_shown():
    changed = {name for name, body in BODIES.items() if prepare(body, None, 100_000).content != body}
    assert changed == {
        "turned JPEG", "turned WebP", "mirrored PNG", "transparent PNG", "half transparent WebP", "grey and alpha",
        "transparent palette", "transparent colour", "transparent GIF", "16 bits PNG", "16 bits TIFF",
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, as in the command
def test_what_is_damaged_is_refused_by_fetch_or_read_by_all():
    """Bytes changed, or the end missing: what is stored must not stop a job of encoding."""
    draw, outcomes = random.Random(0), Counter()
    for body, size, _ in itertools.product(BODIES.values(), (None, 16), range(60)):
        damaged = bytearray(body)
        for _ in range(draw.choice((1, 2, 8))):
            place = draw.randrange(len(body))
            damaged[place : place + draw.randrange(5)] = draw.randbytes(draw.randrange(5))
        try:
            picture = prepare(bytes(damaged[: draw.choice([None, draw.randrange(len(body))])]), size, 100_000)
        except Failed as failed:
            assert failed.permanent
            outcomes[failed.failure] += 1
        else:
            image = Sample("a.tar", "a", bytes, {}).decode(picture.content)
            assert (image.mode, image.size) == ("RGB", picture.sides[:2])
            outcomes["success"] += 1
    assert outcomes.keys() == {"success", "corrupt", "not-an-image", "too-many-pixels"}, outcomes
    assert min(outcomes["success"], outcomes["corrupt"], outcomes["not-an-image"]) > 100, outcomes


def test_half_an_image_is_no_image():
    drawn = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8))
    for form in FORMATS:
        half = encoded(drawn, form)
        half = half[: len(half) // 2]
        for size in (None, 16):
            with pytest.raises(Failed):
                prepare(half, size, 100_000)
        with pytest.raises(ValueError, match=r"does not decode|expected an image"):
            Sample("a.tar", "a", bytes, {}).decode(half)


@pytest.mark.parametrize("size", [(1, 60_000), (1_000_000, 1)])
def test_a_line_that_is_stored_is_encoded(size):
    body = encoded(Image.new("1", size, 1), "PNG")  # resized as a whole it would have gigapixels
    sample = Sample("a.tar", "a", lambda: prepare(body, None, MAX_PIXELS).content, {})
    assert sample.decode(sample.read(), preprocess(32)).shape == (3, 32, 32)


@pytest.mark.parametrize("size", [(4, 400), (400, 4)])
def test_of_a_line_the_middle_is_seen_as_in_clip_s_own_preprocess(size):
    line = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    assert torch.allclose(preprocess(32)(line), clip.clip._transform(32)(line), atol=0.03)


def test_images_that_no_reader_would_take_are_not_fetched():
    assert fetch_settings(max_pixels=MAX_PIXELS).max_pixels == MAX_PIXELS
    with pytest.raises(ValueError, match="max_pixels"):
        fetch_settings(max_pixels=MAX_PIXELS + 1)


def test_images_of_datasets_are_read_as_pillow_converts_them():
    for name, body in BODIES.items():
        if not name.startswith("16 bits"):
            with Image.open(io.BytesIO(body)) as image:
                assert np.array_equal(as_read(open_image(body)), image.convert("RGB")), name
    grey = np.asarray(as_read(open_image(BODIES["16 bits PNG"])))[0, :, 0]  # Pillow's are white from 256 on
    assert np.array_equal(grey, np.asarray(DEEP)[0] // 256)


def test_every_mode_becomes_the_pixels_of_clip_s_own_preprocess(tmp_path):
    """Resized as stored and then made RGB: palettes and alpha channels become other pixels the other way round."""
    drawn = np.random.default_rng(0).integers(0, 256, (50, 70, 4), dtype=np.uint8)
    colour, alpha = Image.fromarray(drawn[..., :3]), Image.fromarray(drawn)
    bodies = {
        **{f"RGB-{form}": encoded(colour, form) for form in FORMATS},
        **{f"{mode}-PNG": encoded(colour.convert(mode), "PNG") for mode in ("1", "L", "P")},
        **{f"{mode}-TIFF": encoded(colour.convert(mode), "TIFF") for mode in ("CMYK", "YCbCr", "LAB", "F")},
        "CMYK-JPEG": encoded(colour.convert("CMYK"), "JPEG"),
        "1-BMP": encoded(colour.convert("1"), "BMP"),
        "LA-PNG": encoded(alpha.convert("LA"), "PNG"),
        "RGBA-PNG": encoded(alpha, "PNG"),
        "RGBA-WEBP": encoded(alpha, "WEBP", lossless=True),
        "transparent-P-PNG": encoded(colour.quantize(8), "PNG", transparency=0),
        "transparent-P-GIF": encoded(colour.quantize(8), "GIF", transparency=0),
    }
    for name, body in bodies.items():
        (tmp_path / f"{name}.{name.rpartition('-')[2].lower()}").write_bytes(body)
    samples, transform, other_if_rgb_first = read_pool(find_reader("folder"), [str(tmp_path)]), preprocess(32), set()
    assert {sample.key for sample in samples} == set(bodies)
    batches = list(prepare_ahead(samples, 32, 4, 2, pin=False))
    bodies, rows = [body for batch, _ in batches for body in batch], torch.cat([rows for _, rows in batches])
    for sample, body, pixels in zip(samples, bodies, normalised(rows), strict=True):
        with Image.open(io.BytesIO(body)) as image:
            assert torch.equal(pixels, transform(image)), sample.key
            if not torch.allclose(pixels, transform(image.convert("RGB")), atol=0.05):
                other_if_rgb_first.add(image.mode)
    assert other_if_rgb_first >= {"1", "P", "LA", "RGBA"}
