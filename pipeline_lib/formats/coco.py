"""Read COCO's captions files as distributed (``captions_train2017.json``): which images there are, in which order.

Whoever counts COCO's images with torchvision or pycocotools counts them by ascending id, so that is the order here.
"""

from pathlib import Path

from pipeline_lib.jobs.files import read_json, repeated
from pipeline_lib.jobs.quoted import quoted


def image_keys(path: str | Path) -> list[str]:
    """Return the keys of the file's images, by ascending id: 12 digits, as their file names have them.

    Parameters
    ----------
    path : str or Path
        JSON with ``images``, a list of ``{"id": 9, "file_name": "000000000009.jpg", ...}``. train2017 has 118,287,
        val2017 5,000.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not such a file, an id occurs twice, or an image is named otherwise; the message names file and image.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; it is in COCO's annotations_trainval2017.zip")
    content = read_json(path)
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list) or not images:
        raise ValueError(f"{path}: expected COCO's annotations, with a list `images`, found {quoted(content, 100)}")
    ids = [_id(path, image) for image in images]
    if (twice := repeated(ids)) is not None:
        raise ValueError(f"{path}: image {twice} occurs twice")
    return [f"{number:012d}" for number in sorted(ids)]


def _id(path: str | Path, image: object) -> int:
    number = image.get("id") if isinstance(image, dict) else None
    if type(number) is not int or number < 0 or image.get("file_name") != f"{number:012d}.jpg":
        raise ValueError(
            f"{path}: expected images with an id and the file name of its 12 digits, as COCO 2017 has them, found "
            f"{quoted(image)}"
        )
    return number
