"""Hold images that arrive in any order until they can be written in row order, on disk instead of in memory."""

from typing import BinaryIO


class Spool:
    """Contents in the order in which they came.

    Parameters
    ----------
    file : binary file
        Open for writing and reading, empty. One without a name (`tempfile.TemporaryFile`) leaves nothing behind,
        however the process ends.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._end = file, 0

    def add(self, content: bytes) -> slice:
        """Append `content`; return where it is."""
        place = slice(self._end, self._end + len(content))
        self._file.write(content)
        self._end = place.stop
        return place

    def read(self, place: slice) -> bytes:
        """Return what `add` put at `place`; reading starts when adding has ended."""
        self._file.seek(place.start)
        return self._file.read(place.stop - place.start)
