"""WebDataset tars whose bytes depend on nothing but their samples, and what is read of foreign tars.

A sample is a key and its parts, stored as members ``KEY.jpg``, ``KEY.json``. Time, owner and mode are fixed, so that
the same samples in the same order give the same file.
"""

import gzip
import json
import os
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.formats import MAX_HEADER_BYTES
from pipeline_lib.formats.pixels import is_image
from pipeline_lib.jobs.file_kind import absent, misread
from pipeline_lib.jobs.remedy import remedy

# A dot would be read as the start of the extension; a slash or ".." would leave the folder when a tar is unpacked.
KEY = re.compile(r"[A-Za-z0-9_-]+")
EXTENDED = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
SAID = ("json", "cls")  # what is read of a sample beside its image
MAGIC = b"ustar"  # in every member's header
DRIVE = re.compile(r"[A-Za-z]:")
# Where old programs unpack headers as files, and where a Mac and a Synology put what they note of files.
PACKING = re.compile(r"@?PaxHeaders?(\.\w+)?|@LongLink|__MACOSX|@eaDir|Icon\r")
# What `tarfile` raises for a damaged or hostile tar; a RecursionError where extended headers follow each other.
DAMAGED = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError, RecursionError)


def write_samples(path: str | Path, samples: Iterable[tuple[str, dict[str, bytes]]]) -> int:
    """Write samples to a tar, atomically and reproducibly; return their number.

    A sample is a key and its content by extension: ``("000000042", {"jpg": ..., "json": ...})``.
    """
    from pipeline_lib.jobs.files import atomic  # needs pandas, which those who only read do not load

    count = 0
    with atomic(path) as aside, open(aside, "wb") as content:
        for key, parts in samples:
            if not KEY.fullmatch(key):
                raise ValueError(f"{path}: a key must be letters, digits, '_' and '-', found {key!r}")
            # One write per sample: a TarFile copies every member piece by piece, which takes two to three times as
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


class Member(NamedTuple):
    """A file in a tar: its name, and the place and number of its bytes."""

    name: str
    offset: int
    size: int


class _Header(tarfile.TarInfo):
    """A header that is checked before `tarfile` acts on it."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:  # `tarfile` documents it as made to be overridden
        if self.size < 0:  # would lead `tarfile` back to where it was, for ever
            raise tarfile.ReadError(f"the size of {self.name!r:.200} is negative")
        if self.type in EXTENDED and self.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {self.size:,} bytes, expected {MAX_HEADER_BYTES:,} at most")
        if self.type == tarfile.GNUTYPE_SPARSE:  # whose map `tarfile` would read
            raise tarfile.ReadError(f"{self.name!r:.200} is sparse, expected whole files; pack without --sparse")
        return super()._proc_member(tar)


def clean_name(name: str) -> str:
    """Return a name below a folder or in an archive with ``/`` between its parts and without ``./``.

    Archives made on Windows may have backslashes. A name that leads out of the folder into which it would be unpacked
    is a `ValueError`: nothing here unpacks an archive, but such a name was made to do harm, or by mistake.
    """
    parts = name.replace("\\", "/").split("/")
    if name[:1] in ("/", "\\") or ".." in parts or DRIVE.fullmatch(parts[0]):
        raise ValueError(
            f"{name!r:.200} leads out of the archive's folder; pack the files again by names below their folder"
        )
    return "/".join(part for part in parts if part not in ("", "."))


def is_left_behind(name: str) -> bool:
    """Return whether a file is none of the data: hidden (``._001.jpg`` of a Mac), or what packing it left behind."""
    return any(part.startswith(".") or PACKING.fullmatch(part) for part in name.split("/"))


def is_read(name: str) -> bool:
    """Return whether a file in an archive matters, by its name: an image, or a label; beside them may be anything."""
    return is_image(name) or name.lower().endswith(tuple(f".{part}" for part in SAID))


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the files of an open tar with clean names, but for those left behind by who packed it.

    Raises one of `DAMAGED` for whatever a tar of data cannot have.
    """
    for member in tar:
        if member.size < 0 or member.issparse():  # an extended header can say so
            raise tarfile.ReadError(f"the size of {member.name!r:.200} is not that of its bytes")
        member.name = clean_name(member.name)
        if member.isdir() or is_left_behind(member.name):
            continue
        if member.isreg():
            yield member
        elif is_read(member.name):
            raise tarfile.ReadError(
                f"{member.name!r:.200} is a link, a device or the like, expected the file itself; pack it by "
                "tar --dereference --hard-dereference"
            )


def list_members(path: str | Path) -> list[Member]:
    """Return the files in a tar, by their clean names, in stored order, reading their headers only."""
    if not Path(path).is_file():  # a pipe would be waited for, for ever
        raise FileNotFoundError(absent(path))
    try:
        with open(path, "rb") as content, tarfile.open(fileobj=content, mode="r:", tarinfo=_Header) as tar:
            members = [Member(member.name, member.offset_data, member.size) for member in _members(tar)]
            # A tar cut between two members, or with a broken header, reads like a shorter one; only the missing end
            # mark gives it away.
            content.seek(tar.offset)
            if content.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError(f"its end is missing at byte {tar.offset:,}")
            padding = content.read(tarfile.RECORDSIZE)
            if MAGIC in padding:
                place = tar.offset + tarfile.BLOCKSIZE + padding.index(MAGIC)
                raise tarfile.ReadError(f"a second tar follows its end, near byte {place:,}; join tars by tar -A")
            if (size := os.fstat(content.fileno()).st_size) - tar.offset > MAX_HEADER_BYTES:
                raise tarfile.ReadError(
                    f"nothing but zeros from byte {tar.offset:,} of {size:,}, as of a broken download"
                )
    except DAMAGED as error:
        raise misread(path, "a whole tar", error, "tar") from error
    return members


def read_packed(path: str | Path, name: str, max_bytes: int) -> bytes:
    """Return the content of the file `name` in a ``.tar.gz``, which may have `max_bytes`."""
    try:
        # Not as a stream: where a size points beyond the end, `tarfile` would read a stream on for ever.
        with gzip.open(path, "rb") as content, tarfile.open(fileobj=content, mode="r:", tarinfo=_Header) as tar:
            for member in _members(tar):
                if member.name == name:
                    if member.size > max_bytes:
                        raise ValueError(f"{name} has {member.size:,} bytes, expected {max_bytes:,} at most")
                    return tar.extractfile(member).read()
    except DAMAGED as error:
        raise misread(path, f"a whole .tar.gz with {name}", error, "gzip") from error
    raise ValueError(f"{path}: expected {name} in it, found no such file")


def sealed(image: bytes, said: dict) -> dict[str, bytes]:
    """Return the parts of a sample: the image, and JSON with the image's CRC-32 for `check_seal`."""
    return {"jpg": image, "json": encode_json({**said, "crc32": zlib.crc32(image)})}


def check_seal(image: bytes, said: dict, path: str | Path, key: str) -> bytes:
    """Return `image` if it is the one that `sealed` was given, by the CRC-32 in its JSON `said`, if it has one."""
    if said.get("crc32", found := zlib.crc32(image)) != found:
        raise ValueError(f"{path}: the image of sample {key} does not match its checksum; {remedy(path)}")
    return image


def read_member(path: str | Path, member: Member) -> bytes:
    """Return the content of a file in a tar."""
    with open(path, "rb") as content:
        content.seek(member.offset)
        return content.read(member.size)


def list_samples(path: str | Path) -> Iterator[tuple[str, dict[str, Member]]]:
    """Yield ``(key, {extension: member})`` of a tar, in the order in which each sample's first member is stored.

    A sample's members are in one folder and need not follow each other; its key is their name without folders.
    """
    samples: dict[str, dict[str, Member]] = {}
    for member in list_members(path):
        key, extension = _split(member.name)
        parts = samples.setdefault(key, {})
        if extension in parts and is_read(member.name):
            raise ValueError(f"{path}: sample {key!r} has a second .{extension} member; keys must be unique")
        parts[extension] = member
    for key, parts in samples.items():
        yield key.rpartition("/")[2], parts


def _split(name: str) -> tuple[str, str]:
    """Return key and extension of a member: the first dot of the file's name is between them."""
    folder, slash, file = name.rpartition("/")
    key, _, extension = file.partition(".")
    return folder + slash + key, extension.lower()


def read_samples(path: str | Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield ``(key, {extension: bytes})`` from a tar in stored order, without decoding anything."""
    for key, members in list_samples(path):
        yield key, {extension: read_member(path, member) for extension, member in members.items()}


def encode_json(content: object) -> bytes:
    """Return `content` as compact JSON bytes with sorted keys: the form in which tars hold it."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
