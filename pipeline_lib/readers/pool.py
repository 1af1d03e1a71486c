"""The samples of a pool, or of a part of it, checked before any image is read.

What is wrong with a copy of a dataset is said here, before hours of encoding: a file that is missing, another split, a
number of images that is not the published one, labels beyond the classes.
"""

from collections import Counter
from pathlib import Path

from pipeline_lib.formats.cc3m import part_range
from pipeline_lib.formats.images import Sample, unique
from pipeline_lib.jobs.file_kind import absent, check_suffix
from pipeline_lib.readers.reader import Reader


def read_pool(
    reader: Reader, paths: list[str], part: int = 0, parts: int = 1, count: int | None = None
) -> list[Sample]:
    """Return the samples of part `part` (from 0) of `parts` of a pool; the whole pool must have `count`, if given.

    Parts are contiguous and their sizes differ by one at most. Either all samples have a label or none.
    """
    where = ", ".join(map(str, paths))
    if not reader.accepts(paths):
        raise ValueError(f"{where}: the reader does not take {len(paths)} paths; expected {reader.layout}")
    for needed in reader.needs(*map(str, paths)):
        if not Path(needed).exists():
            raise FileNotFoundError(f"{absent(needed)}; expected {reader.layout}")
        check_suffix(needed)
    samples = list(unique(reader.read(*map(str, paths))))
    found = len(samples)
    if not samples and not reader.may_be_empty:
        raise ValueError(f"{where}: expected images, found none; expected {reader.layout}")
    if count is not None and found != count:
        raise ValueError(f"{where}: expected {count:,} images, found {found:,}{_reason(reader, found, count)}")
    _check_labels(where, samples, reader.classes)
    selected = part_range(found, part, parts)
    return samples[selected.start : selected.stop]


def _reason(reader: Reader, found: int, count: int) -> str:
    """Return what a wrong number of images probably means."""
    if found in reader.counts:
        return f": {found:,} is {reader.counts[found]}; expected {reader.layout}"
    question = "is the copy complete" if found < count else "are there images of something else"
    return f"; {question}? Expected {reader.layout}"


def _check_labels(where: str, samples: list[Sample], classes: int | None) -> None:
    labelled = Counter("label" in sample.said for sample in samples)
    if labelled[True] and labelled[False]:
        raise ValueError(
            f"{where}: {labelled[True]:,} of {labelled.total():,} samples have a label; expected all or none"
        )
    for sample in samples:
        if classes is not None and not 0 <= sample.said.get("label", -1) < classes:
            raise ValueError(
                f"{sample.source}: expected for sample {sample.key} a label from 0 to {classes - 1}, found "
                f"{sample.said.get('label')}"
            )
