"""What the readers that go through torchvision share: its list of a test split, without opening an image.

torchvision says which images belong to the split and what their labels are; their bytes come from the files that it
names. Nothing is downloaded.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from pipeline_lib.jobs.memory_limit import spare_memory


def list_test_split(dataset: str, root: str, classes: int) -> Iterator[tuple[Path, int]]:
    """Yield the file and the label of every image of a test split, in torchvision's order.

    Parameters
    ----------
    dataset : str
        A class of `torchvision.datasets`.
    root : str
        Its `root`.
    classes : int
        How many classes there must be.

    Raises
    ------
    ValueError
        If torchvision does not take the copy, its classes are not as many, or a listed image is not there; the message
        names the place.
    """
    from pipeline_lib.clip.load import load_torchvision

    datasets = load_torchvision().datasets
    try:
        with spare_memory():
            found = getattr(datasets, dataset)(root, split="test")
        names = found.classes
    except Exception as error:  # torchvision raises what its parsers raise for a damaged file
        raise ValueError(f"{root}: torchvision's {dataset} does not take this copy ({error!r:.300})") from error
    if len(names) != classes:
        raise ValueError(f"{root}: expected {classes} classes of {dataset}, found {len(names)}")
    files, labels = _listed(found)
    if outside := [file for file in files if ".." in file.parts]:
        raise ValueError(f"{root}: {dataset} lists an image that is not in its folder, {str(outside[0])!r:.200}")
    if missing := [file for file in files if not os.path.isfile(file)]:  # false too for what cannot be a file's name
        raise ValueError(
            f"{root}: {len(missing):,} of {len(files):,} images that {dataset} lists are missing, such as "
            f"{missing[0]!s:.300}"
        )
    yield from zip(files, map(int, labels), strict=True)


def _listed(found) -> tuple[list[Path], list[int]]:
    """Return a torchvision dataset's files and labels; it keeps them under one of three names."""
    if hasattr(found, "_samples"):
        files, labels = zip(*found._samples, strict=True)
    else:
        files, labels = getattr(found, "_image_files", None) or found._images, found._labels
    return [Path(file) for file in files], list(labels)
