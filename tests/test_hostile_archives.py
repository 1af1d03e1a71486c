"""Hostile archives, images and folders: each is refused, and the message says what is wrong with it."""

import gzip
import os
import re
import tarfile
import zipfile

import layouts
import pytest
import torch
from conftest import call, jpeg_bytes
from hostile import bounded, jpeg, member, png, tarred, zipped

from pipeline_lib.backbones.formats import read_weights
from pipeline_lib.features import encode
from pipeline_lib.formats.images import read_images
from pipeline_lib.formats.tars import list_members, read_packed
from pipeline_lib.readers.pool import read_pool

NASTY = "a\nb'\"$(touch x)\x1b[31m"
SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "99999999999"}


def extended(name: str, content: bytes, headers: dict, **changes) -> bytes:
    """A tar of a member with headers of the extended kind."""
    info, content = member(name, content, **changes)
    info.pax_headers = headers
    return tarred((info, content), form=tarfile.PAX_FORMAT)


OUT = "leads out of the archive's folder"
TARS = {
    "out of the folder": (tarred(member("../evil.jpg", b"x")), f"'../evil.jpg' {OUT}"),
    "deep out of it": (tarred(member("a/../../evil.jpg", b"x")), OUT),
    "absolute": (tarred(member("/etc/evil.jpg", b"x")), f"'/etc/evil.jpg' {OUT}"),
    "a long name out of it": (tarred(member("../" + "x" * 200 + ".jpg", b"x")), OUT),
    **{
        what: (tarred(member("a.jpg", type=kind, linkname="/etc/passwd")), "is a link, a device or the like")
        for what, kind in (
            ("a symbolic link", tarfile.SYMTYPE), ("a hard link", tarfile.LNKTYPE), ("a device", tarfile.CHRTYPE),
            ("a disk", tarfile.BLKTYPE), ("a pipe", tarfile.FIFOTYPE), ("a kind of its own", b"Q"),
        )
    },
    "a sparse file": (tarred(member("a.jpg", type=tarfile.GNUTYPE_SPARSE)), "is sparse, expected whole files"),
    "sparse by a header": (extended("a.jpg", b"1\n0\n1\n" + bytes(600), SPARSE), "is not that of its bytes"),
    "a negative size": (tarred(member("a.jpg", size=-512)), "the size of 'a.jpg' is negative"),
    "a size by a header": (extended("a.jpg", b"x", {"size": "-512"}), "is not that of its bytes"),
    "a size beyond the end": (tarred(member("a.jpg", size=2**40)), "unexpected end of data"),
    "a header of megabytes": (tarred(member("x", bytes(5_000_000), type=tarfile.XHDTYPE)), "a header of 5,000,000 byt"),
    "a link's name of megabytes": (tarred(member("x", bytes(5_000_000), type=b"K")), "a header of 5,000,000 byt"),
    "headers without end": (tarred(*[member("x", b"n\0", type=tarfile.GNUTYPE_LONGNAME)] * 3000), "recursion"),
}  # fmt: skip
# Of which the tar itself is sound.
SAMPLES = {"a name with a line feed": (tarred(member(f"{NASTY}.jpg", b"x")), "expected a key of letters")}


@pytest.mark.parametrize("what", [*TARS, *SAMPLES])
def test_a_hostile_tar_is_refused_by_what_is_wrong_with_it(tmp_path, what):
    content, message = {**TARS, **SAMPLES}[what]
    layouts.write(tmp_path / "in" / "a.tar", content)
    with pytest.raises(ValueError, match=rf"a\.tar: .*{re.escape(message)}"):
        list(read_images([tmp_path / "in" / "a.tar"]))
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "a.tar"]
    if what in TARS:
        layouts.write(tmp_path / "VOCtest_06-Nov-2007.tar", content)
        with pytest.raises(ValueError, match="expected a whole tar"):
            read_pool("voc2007", [tmp_path])
        (tmp_path / "a.tar.gz").write_bytes(gzip.compress(content))
        with pytest.raises(ValueError, match=r"a\.tar\.gz: "):
            read_packed(tmp_path / "a.tar.gz", "wanted", 1000)


def test_a_file_in_a_packed_tar_is_bounded(tmp_path):
    layouts.write(tmp_path / "in" / "batch", bytes(5000))
    layouts.tar_files(tmp_path / "a.tar.gz", tmp_path / "in", "w:gz")
    assert read_packed(tmp_path / "a.tar.gz", "batch", 5000) == bytes(5000)
    with pytest.raises(ValueError, match=r"a\.tar\.gz: .*batch has 5,000 bytes, expected 4,999 at most"):
        read_packed(tmp_path / "a.tar.gz", "batch", 4999)


def test_long_names_of_plain_files_are_read(tmp_path):
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        info, content = member("d/" + "x" * 200 + ".jpg", b"x")
        (tmp_path / "a.tar").write_bytes(tarred((info, content), form=form))
        assert [found.name for found in list_members(tmp_path / "a.tar")] == [info.name]


def overlapping() -> bytes:
    """A zip whose second entry points into the first."""
    content = bytearray(zipped(("000000000001.jpg", jpeg_bytes()), ("000000000002.jpg", jpeg_bytes())))
    second = content.rindex(b"PK\x01\x02")
    content[second + 42 : second + 46] = bytes(4)
    return bytes(content)


def lying() -> bytes:
    """A zip of which both headers say that a file of 50 MB has 1,000 bytes."""
    content = bytearray(zipped(("000000000001.jpg", bytes(50_000_000))))
    for at in (22, content.rindex(b"PK\x01\x02") + 24):
        content[at : at + 4] = (1000).to_bytes(4, "little")
    return bytes(content)


ZIPS = {
    "out of the folder": (zipped(("../000000000001.jpg", b"x")), OUT),
    "absolute": (zipped(("/000000000001.jpg", b"x")), OUT),
    "overlapping files": (overlapping(), "overlap"),
    "a size that lies": (lying(), "cannot be read"),
    "a file of 300 MB": (zipped(("000000000001.jpg", bytes(300_000_000))), "bytes at most"),
    "packed by bzip2": (zipped(("000000000001.jpg", b"x"), method=zipfile.ZIP_BZIP2), "in another way than by deflate"),
    "a zip in a zip": (zipped(("000000000001.jpg", zipped(("000000000002.jpg", jpeg_bytes())))), "does not decode"),
    "a name with a line feed": (zipped((f"{NASTY}.jpg", b"x")), "without control characters"),
    **{
        f"cut short by {lost}": (zipped(("000000000001.jpg", jpeg_bytes()))[:-lost], "expected a .*zip, found")
        for lost in (1, 30, 200, 2000)
    },
}


@pytest.mark.parametrize("what", ZIPS)
def test_a_hostile_zip_is_refused_by_what_is_wrong_with_it(tmp_path, what):
    content, message = ZIPS[what]
    (tmp_path / "val2017.zip").write_bytes(content)
    with pytest.raises(ValueError, match=rf"val2017\.zip: .*{message}"):
        for sample in read_pool("coco", [tmp_path / "val2017"]):
            sample.decode(sample.read())
    assert [path.name for path in tmp_path.rglob("*")] == ["val2017.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_stands_twice_in_a_zip_is_not_lost(tmp_path):
    (tmp_path / "val2017.zip").write_bytes(zipped(*[("000000000001.jpg", jpeg_bytes())] * 2))
    with pytest.raises(ValueError, match=r"val2017\.zip: '000000000001\.jpg' stands in it twice"):
        read_pool("coco", [tmp_path / "val2017"])


IMAGES = {
    "a PNG of 3.6 gigapixels": (png(60_000, 60_000), "60000|decompression bomb|exceeds limit"),
    "a PNG of 70 megapixels": (png(10_000, 7_000), "10000 × 7000 pixels, expected 67,108,864 at most"),
    "a JPEG of 4 gigapixels": (jpeg(65_000, 65_000), "65000|exceeds limit"),
    "half a JPEG": (jpeg_bytes()[:-400], "[Tt]runcated"),
    "a PNG without pixels": (png(50, 50), "truncated|broken|cannot"),
    "a PNG without size": (png(0, 0), "found damaged"),
}


@pytest.mark.parametrize("what", IMAGES)
def test_an_image_that_is_none_is_refused_before_it_costs_memory(tmp_path, what):
    content, message = IMAGES[what]
    layouts.write(tmp_path / "images" / "a.jpg", content)
    (sample,) = read_pool("folder", [tmp_path / "images"])
    with pytest.raises(ValueError, match=rf"a\.jpg: the image of sample a does not decode.*({message})"):
        sample.decode(sample.read())


def test_a_folder_of_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    with open(tmp_path / "huge.jpg", "wb") as huge:
        huge.truncate(1 << 40)
    for sample in read_pool("folder", [tmp_path]):
        expected = "expected a file of 268,435,456 bytes at most, found"
        with pytest.raises(ValueError, match=rf"{sample.key}\.jpg: .*{expected}"):
            sample.read()


def test_a_folder_that_holds_itself_is_refused(tmp_path):
    layouts.write(tmp_path / "a.jpg", jpeg_bytes())
    for name in ("b", "c"):
        (tmp_path / name).symlink_to(".")
    with pytest.raises(ValueError, match="a link leads to a folder that is listed already"):
        read_pool("folder", [tmp_path])


@pytest.mark.parametrize("name", [f"{NASTY}.jpg", "x\udcff.jpg", "-rf.jpg\n.jpg", "a b.jpg"])
def test_a_file_name_is_quoted_and_in_one_line(tmp_path, name, tiny_checkpoint):
    (tmp_path / "in").mkdir()
    with open(os.fsencode(tmp_path / "in") + b"/" + os.fsencode(name), "wb") as file:
        file.write(jpeg_bytes())
    flags = {"weights": tiny_checkpoint, "reader": "folder", "images": tmp_path / "in", "part": 0, "parts": 1}
    flags |= {"batch_size": 1, "precision": "fp32", "threads": 1, "output": tmp_path / "out.safetensors"}
    message = call(encode.main, **flags)
    assert message.startswith("error: ") and ("expected a key of letters" in message or "control characters" in message)
    assert message.isprintable()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_a_checkpoint_whose_tensors_say_more_than_it_has_is_refused_in_bounded_memory(tmp_path):
    for state_dict in (
        {"visual.proj": torch.zeros(1).expand(2**20, 2**20)},
        {"visual.proj": torch.zeros(1, dtype=torch.half).expand(2**18, 2**18)},
        {"token_embedding.weight": torch.empty(10**12, 0)},
    ):
        torch.save({"model": state_dict}, tmp_path / "bomb.pt")
        with bounded(), pytest.raises(ValueError, match=r"bomb\.pt: "):
            read_weights(tmp_path / "bomb.pt")
