"""An image as it is stored: training, encoding and checks all read it here.

Where an image is, what its bytes are and what it shows are three steps, so that a part of a pool can be skipped without
reading it, and several images can be read and decoded at the same time.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from PIL import Image, UnidentifiedImageError

from pipeline_lib.formats import MAX_PIXELS
from pipeline_lib.formats.pixels import FORMATS, IMAGE_SUFFIXES, as_read, open_image
from pipeline_lib.formats.tars import KEY, SAID, Member, check_seal, list_samples, read_member
from pipeline_lib.jobs.file_kind import absent, other_kind
from pipeline_lib.jobs.text import decode_text

Made = TypeVar("Made")


class Sample(NamedTuple):
    """An image where it is stored."""

    source: str | Path  # the file that holds it, for messages
    key: str  # unique within the pool
    load: Callable[[], bytes]  # returns the encoded image
    said: dict  # its metadata, such as ``label``, the class number

    def read(self) -> bytes:
        """Return the encoded image."""
        try:
            return self.load()
        except Exception as error:  # archives raise many types for damaged members
            said = absent(self.source) if isinstance(error, FileNotFoundError) else error
            raise ValueError(f"{self.source}: the image of sample {self.key} cannot be read ({said})") from error

    def decode(self, encoded: bytes, make: Callable[[Image.Image], Made] = as_read) -> Made:
        """Return what `make` makes of the image that `read` gave, by default one in RGB.

        The image must be whole and have at most `MAX_PIXELS`; it comes to `make` in the mode in which it is stored.
        """
        try:
            image = open_image(encoded)
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} × {image.height} pixels, expected {MAX_PIXELS:,} at most")
            image.load()
            return make(image)
        except UnidentifiedImageError:
            found = other_kind(encoded, *map(str.lower, FORMATS)) or "damaged; get the file again"
            raise ValueError(
                f"{self.source}: the image of sample {self.key} does not decode: expected {', '.join(FORMATS)}, found "
                f"{found}"
            ) from None
        except Exception as error:  # Pillow raises nearly anything for hostile bytes
            raise ValueError(f"{self.source}: the image of sample {self.key} does not decode ({error})") from error


def unique(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Yield `samples`; each key must be fit for a file name and occur once."""
    found_in: dict[str, str | Path] = {}
    for sample in samples:
        if not KEY.fullmatch(sample.key):
            raise ValueError(
                f"{sample.source}: expected a key of letters, digits, '_' and '-' before the file's extension, found "
                f"{sample.key!r}; rename the file"
            )
        if sample.key in found_in:
            raise ValueError(
                f"{sample.source}: key {sample.key} occurs a second time, after {found_in[sample.key]}; keys must be "
                "unique within a pool: remove one, or rename it"
            )
        found_in[sample.key] = sample.source
        yield sample


def read_tars(tars: Iterable[str | Path]) -> Iterator[Sample]:
    """Yield every sample of WebDataset tars in stored order: an image and, maybe, ``KEY.json`` and ``KEY.cls``.

    The image is the member with the first of `IMAGE_SUFFIXES` that the sample has, such as ``KEY.jpg``. ``KEY.json``
    may say anything; the text of ``KEY.cls`` must be a whole number from 0, and goes before a ``label`` that is none.
    """
    return unique(sample for tar in tars for sample in _read_tar(tar))


def _read_tar(tar: str | Path) -> Iterator[Sample]:
    samples = list(list_samples(tar))
    some = any(suffix in members for _, members in samples for suffix in IMAGE_SUFFIXES)
    others: list[str] = []
    for key, members in samples:
        image = next((members[suffix] for suffix in IMAGE_SUFFIXES if suffix in members), None)
        if image is None and some and members.keys().isdisjoint(SAID):
            others += [member.name for member in members.values()]  # a README, for one: there may be anything
            continue
        if image is None:
            names = ", ".join(member.name for member in members.values())
            raise ValueError(
                f"{tar}: expected an image of each sample, KEY.jpg (or .jpeg, .png, .webp ...), found none of sample "
                f"{key!r} but {names!r:.200}; a KEY ends at the first dot; complete the tar, or take the reader "
                "folder, which lists images alone"
            )
        said = _metadata(tar, key, members)
        yield Sample(tar, key, partial(_load, tar, image, key, said), said)
    if others:
        print(f"{tar}: left out are {len(others):,} other files, such as {min(others)!r:.200}", file=sys.stderr)


def _load(tar: str | Path, member: Member, key: str, said: dict) -> bytes:
    return check_seal(read_member(tar, member), said, tar, key)


def _metadata(tar: str | Path, key: str, members: dict[str, Member]) -> dict:
    """Return what a sample's JSON says, with the label of its ``.cls`` member."""
    where = f"{tar}: sample {key}"
    said = _parse_json(read_member(tar, members["json"]), where) if "json" in members else {}
    if "cls" in members:
        text = decode_text(read_member(tar, members["cls"]), where).strip()
        number = said["label"] if is_class_number(said.get("label")) else None
        if not re.fullmatch(r"[0-9]{1,9}", text) or number not in (None, int(text)):
            expected = "a whole number from 0" if number is None else number
            raise ValueError(f"{where}: expected {expected} in its .cls member, found {text!r:.80}")
        said["label"] = int(text)
    return said


def is_class_number(label: object) -> bool:
    """Return whether a label is a whole number from 0."""
    return type(label) is int and label >= 0


def _parse_json(content: bytes, where: str) -> dict:
    try:
        said = json.loads(decode_text(content, where))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: its .json member is not JSON ({error})") from error
    return said if isinstance(said, dict) else {}


def read_images(tars: Iterable[str | Path]) -> Iterator[tuple[str, Image.Image, dict]]:
    """Yield key, RGB image and metadata of every sample of `read_tars`."""
    for sample in read_tars(tars):
        yield sample.key, sample.decode(sample.read()), sample.said
