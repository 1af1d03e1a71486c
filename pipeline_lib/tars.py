"""WebDataset tars whose bytes depend on nothing but their samples.

A sample is a key and its parts, stored as members ``KEY.jpg``, ``KEY.json``. Time, owner and mode are fixed, so that
the same samples in the same order give the same file.
"""

import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline_lib.files import atomic

# A dot would be read as the start of the extension, a slash or ".." would leave the folder on extraction.
KEY = re.compile(r"[A-Za-z0-9_-]+")


def write_samples(path: str | Path, samples: Iterable[tuple[str, dict[str, bytes]]]) -> int:
    """Write samples to a tar, atomically and reproducibly.

    Parameters
    ----------
    path : str or Path
        The tar.
    samples : iterable of (str, dict of str to bytes)
        Key, and content by extension: ``("000000042", {"jpg": ..., "json": ...})``.

    Returns
    -------
    int
        The number of samples written.

    Raises
    ------
    ValueError
        If a key holds anything but letters, digits, ``_`` and ``-``.
    """
    count = 0
    with atomic(path) as aside, open(aside, "wb", buffering=0) as content:
        for key, parts in samples:
            if not KEY.fullmatch(key):
                raise ValueError(f"{path}: a key must be letters, digits, '_' and '-', found {key!r}")
            # One write per sample: through a TarFile, which copies every member piece by piece, it takes five times as
            # long, and the fetcher writes millions.
            content.write(b"".join(piece for name in sorted(parts) for piece in _member(f"{key}.{name}", parts[name])))
            count += 1
        end_mark = 2 * tarfile.BLOCKSIZE
        content.write(bytes(end_mark + -(content.tell() + end_mark) % tarfile.RECORDSIZE))
    return count


def _member(name: str, content: bytes) -> tuple[bytes, bytes, bytes]:
    """Return a member's header, its content and what fills its last block."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.uname, member.gname = len(content), 0o644, "root", "root"
    return member.tobuf(tarfile.USTAR_FORMAT), content, bytes(-len(content) % tarfile.BLOCKSIZE)


def read_samples(path: str | Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield ``(key, {extension: bytes})`` from a tar in stored order, without decoding anything.

    Only open files are handed to webdataset, never names or URLs, for which it would run shell commands.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is truncated or not a tar; the message names it.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such tar")
    import webdataset as wds  # with it comes torch, which takes a second: not for jobs that only write

    try:
        with open(path, "rb") as content:
            _check_end(content)
            members = ({**member, "__url__": str(path)} for member in wds.tariterators.tar_file_iterator(content))
            for sample in wds.tariterators.group_by_keys(members):
                yield sample["__key__"], {name: part for name, part in sample.items() if not name.startswith("__")}
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"{path}: not a whole tar ({error}); delete it and run the workflow again") from error


def _check_end(content) -> None:
    """A tar cut between two members reads like a shorter tar; only its missing end mark gives it away."""
    end_mark = 2 * tarfile.BLOCKSIZE
    size = content.seek(0, 2)
    content.seek(max(0, size - end_mark))
    if content.read() != bytes(end_mark):
        raise tarfile.ReadError("its end is missing")
    content.seek(0)


def encode_json(content: object) -> bytes:
    """Return `content` as compact JSON bytes with sorted keys: the form in which tars hold it."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
