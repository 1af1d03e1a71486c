"""Reader `tar`: WebDataset tars of ``KEY.jpg`` and ``KEY.json``, which may hold ``label``; in stored order."""

from collections.abc import Iterator

from pipeline_lib.formats.images import Sample, read_tars
from pipeline_lib.readers.reader import Reader


def read(*tars: str) -> Iterator[Sample]:
    """Yield the samples of tars in stored order."""
    return read_tars(tars)


READER = Reader(read, "WebDataset tars of KEY.jpg and, with `label` in labelled pools, KEY.json")
