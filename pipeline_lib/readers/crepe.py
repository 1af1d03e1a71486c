"""Reader `crepe`: the regions of CREPE-Negate, cut out of Visual Genome's images, by complexity and row.

A region that reaches beyond its image is filled up with black, as CREPE's own evaluation does.
"""

import io
from collections.abc import Iterator
from functools import partial

from pipeline_lib.formats.crepe import Region, read_crepe
from pipeline_lib.formats.crepe_layout import captions_files
from pipeline_lib.formats.images import Sample
from pipeline_lib.readers.containers import File, images_by_name
from pipeline_lib.readers.reader import Reader


def needs(captions: str, *images: str) -> list[str]:
    """Return the CSV files of CREPE-Negate, and where the images are."""
    return [*captions_files(captions), *images]


def read(captions: str, image_folder: str, *more_images: str) -> Iterator[Sample]:
    """Yield a sample for each row of the captions, as PNG: a crop is what was cut out, to the bit."""
    files = images_by_name((image_folder, *more_images))
    for region in read_crepe(captions):
        if region.image_id not in files:
            places = ", ".join((image_folder, *more_images))
            raise FileNotFoundError(f"{places}: expected the image {region.image_id}.jpg of {region.where}")
        file = files[region.image_id]
        yield Sample(file.source, region.key, partial(_crop, file, region), {})


def _crop(file: File, region: Region) -> bytes:
    x, y, width, height = region.box
    sample = Sample(file.source, region.image_id, file.load, {})
    image = sample.decode(sample.read())
    off = x >= image.width or y >= image.height or x + width <= 0 or y + height <= 0
    if off or width > 2 * image.width or height > 2 * image.height:  # a crop that reaches outside is padded with black
        raise ValueError(
            f"{region.where}: the region {region.box} is not in {file.name} of {image.width} × {image.height} pixels; "
            "expected the image as Visual Genome distributes it, not resized"
        )
    content = io.BytesIO()
    image.crop((x, y, x + width, y + height)).save(content, "PNG", compress_level=1)
    return content.getvalue()


READER = Reader(
    read,
    "CREPE-Negate's folder of CSV files, prod_hard_negatives/negate, then folders or zips of Visual Genome's images",
    needs,
)
