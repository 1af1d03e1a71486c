"""Shards: CC-Neg as WebDataset tars, images beside captions and negated captions.

Imports `jobs`, `formats` and `clip`; what other stages made is read from their files.
"""

from pathlib import Path

UNPACKED = "cc3m_subset_images_extracted_final"  # what the archive of the released CC-Neg's images unpacks to


def image_folder(images: str | Path) -> Path:
    """Return the folder of the released files ``KEY.jpg``: in `images` what the archive unpacks to, or `images`."""
    unpacked = Path(images, UNPACKED)
    return unpacked if unpacked.is_dir() else Path(images)
