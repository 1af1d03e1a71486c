"""Where the released CC-Neg has its images, for the workflow too: imports nothing heavy."""

from pathlib import Path

UNPACKED = "cc3m_subset_images_extracted_final"  # as the archive unpacks


def image_folder(images: str) -> str:
    """Return the folder of the files ``KEY.jpg``: in `images` the one that the archive unpacks to, or `images`."""
    unpacked = Path(images, UNPACKED)
    return str(unpacked) if unpacked.is_dir() else images
