"""The samples of a pool, or of a part of it, checked before any image is read.

What is wrong with a copy of a dataset is said here, before hours of encoding: a file that is missing, another split, a
number of images that is not the published one, labels beyond the classes.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline_lib.formats.cc3m import part_range
from pipeline_lib.formats.images import Sample, is_class_number, unique
from pipeline_lib.jobs.file_kind import absent, check_suffix
from pipeline_lib.jobs.quoted import quoted
from pipeline_lib.readers.reader import Reader, find_reader


def read_pool(
    name: str,
    paths: Sequence[str | Path],
    part: int = 0,
    parts: int = 1,
    count: int | None = None,
    classes: int | None = None,
) -> list[Sample]:
    """Return the samples of part `part` (from 0) of `parts` of a pool, by the name of its reader.

    The whole pool must have `count`, if given. Parts are contiguous and their sizes differ by one at most. Either all
    samples have a label or none; all have one, and below it, where a labelled set has `classes`.
    """
    reader, paths = find_reader(name), [*map(str, paths)]
    where = ", ".join(paths)
    if not reader.accepts(paths):
        raise ValueError(f"{where}: the reader does not take {len(paths)} paths; expected {reader.layout}")
    for needed in reader.needs(*paths):
        if not Path(needed).exists():
            raise FileNotFoundError(f"{absent(needed)}; expected {reader.layout}")
        check_suffix(needed)
    samples = list(unique(reader.read(*paths)))
    found = len(samples)
    if not samples and not reader.may_be_empty:
        raise ValueError(f"{where}: expected images, found none; expected {reader.layout}")
    if count is not None and found != count:
        raise ValueError(f"{where}: expected {count:,} images, found {found:,}{_reason(reader, found, count)}")
    samples = _labelled(where, samples, classes if reader.classes is None else reader.classes)
    selected = part_range(found, part, parts)
    return samples[selected.start : selected.stop]


def _reason(reader: Reader, found: int, count: int) -> str:
    """Return what a wrong number of images probably means."""
    if found in reader.counts:
        return f": {found:,} is {reader.counts[found]}; expected {reader.layout}"
    question = "is the copy complete" if found < count else "are there images of something else"
    return f"; {question}? Expected {reader.layout}"


def _labelled(where: str, samples: list[Sample], classes: int | None) -> list[Sample]:
    """Return the samples, all with a class number as label or, of a pool of no known classes, all without."""
    labels = [sample.said.get("label") for sample in samples]
    fits = [is_class_number(label) and (classes is None or label < classes) for label in labels]
    if all(fits):
        return samples
    if classes is None and not any(fits):
        if foreign := [label for label in labels if label is not None]:
            print(f"{where}: {len(foreign):,} labels are left out, no class numbers, such as {quoted(foreign[0])}")
        return [sample._replace(said={}) for sample in samples]
    first = fits.index(False)
    raise ValueError(
        f"{samples[first].source}: expected for sample {samples[first].key} a label from 0"
        f"{'' if classes is None else f' to {classes - 1}'}, found {quoted(labels[first])}; {fits.count(False):,} of "
        f"{len(samples):,} samples have no such label"
    )
