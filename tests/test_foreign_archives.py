"""Archives as tar, Finder, Windows and other tools make them: each reader lists them by one rule."""

import io
import re
import stat
import subprocess
import tarfile
import zipfile

import layouts
import pytest
from hostile import member, tarred
from layouts import listed, picture
from PIL import Image

from pipeline_lib.formats.pixels import encoded
from pipeline_lib.formats.tars import list_members
from pipeline_lib.readers import containers

TWO = [("001", None, picture(1)), ("002", None, picture(2))]
JUNK = (  # of a Mac, of old tars and of Windows
    *("._001.jpg", "__MACOSX/._002.jpg", "__MACOSX/003.jpg", ".DS_Store", "Icon\r", "PaxHeader/001.jpg"),
    *("PaxHeaders.2134/002.jpg", ".hidden/004.jpg", "@eaDir/001.jpg/SYNOFILE_THUMB_M.jpg"),
)
NAMES = {
    "plain": ("001.jpg", "002.jpg"),
    "below a dot": ("./001.jpg", "./002.jpg"),
    "below a folder": ("val/001.jpg", "val/002.jpg"),
    "below folders and dots": ("./val/./001.jpg", "./val//002.jpg"),
    "backslashes": ("val\\001.jpg", ".\\val\\002.jpg"),
    "capitals": ("001.JPG", "002.Jpeg"),
    "other suffixes": ("001.jpeg", "002.webp"),
}


def archive(path, *files, folders=()):
    """Write a tar, a zip or a folder of files that have these names."""
    if path.suffix == ".tar":
        entries = [member(name, type=tarfile.DIRTYPE) for name in folders]
        path.write_bytes(tarred(*entries, *(member(name, content) for name, content in files)))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as zipped:
            for name, content in (*((f"{folder}/", b"") for folder in folders), *files):
                zipped.writestr(name, content)
    else:
        for name, content in files:
            layouts.write(path / name, content)
    return path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["a.tar", "a.zip", "a"])
def test_every_reader_lists_the_same_samples(tmp_path, kind, name):
    junk = [(path.replace("/", "\\") if name == "backslashes" else path, b"junk") for path in JUNK]
    files = [*junk, *((path, content) for path, (_, _, content) in zip(NAMES[name], TWO, strict=True))]
    path = archive(tmp_path / kind, *files, folders=["val", "trap.jpg"])
    assert listed("folder", path, count=2) == TWO
    if kind == "a.tar":
        assert listed("tar", path, count=2) == TWO


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_stands_beside_the_images_does_not_decide(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "MAX_FILE_BYTES", 1000)
    beside = [("README.md", b"x"), ("README.md", b"y"), ("LICENSE", b"x"), ("Thumbs.db", b"x"), ("a.mp4", bytes(2000))]
    files = [*beside, ("001.jpg", TWO[0][2]), ("001.txt", b"a caption"), ("001.npy", b"x"), ("001.seg.png.txt", b"x")]
    odd = [
        member("latest", type=tarfile.SYMTYPE, linkname="001.jpg"),
        member("copy", type=tarfile.LNKTYPE, linkname="001.jpg"),
        member("a label", type=b"V"),
        member("val/", b"Y001.jpg\0\0", type=b"D"),  # the list of a folder's files by GNU tar --incremental
        member("x", b"20 comment=hello123\n", type=tarfile.SOLARIS_XHDTYPE),
        member("002.jpg", TWO[1][2], type=tarfile.CONTTYPE),
    ]
    (tmp_path / "a.tar").write_bytes(tarred(*(member(*file) for file in files), *odd))
    assert listed("folder", tmp_path / "a.tar") == listed("tar", tmp_path / "a.tar") == TWO
    link = zipfile.ZipInfo("latest")
    link.external_attr = stat.S_IFLNK << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        for name, content in (*files, ("002.jpg", TWO[1][2])):
            zipped.writestr(name, content)
        zipped.writestr(link, "001.jpg")
        zipped.writestr("list.csv", b"x", zipfile.ZIP_LZMA)
    assert listed("folder", tmp_path / "a.zip") == TWO


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path):
    archive(tmp_path / "a.zip", ("003.jpg", picture(3)))
    inner = (tmp_path / "a.zip").read_bytes()
    assert listed("folder", archive(tmp_path / "a.tar", *((f"{k}.jpg", c) for k, _, c in TWO), ("z.zip", inner))) == TWO


def test_an_image_that_is_a_link_is_refused_and_read_once_packed_as_the_message_says(tmp_path):
    layouts.write(tmp_path / "in" / "001.jpg", picture(1))
    (tmp_path / "in" / "002.jpg").symlink_to("001.jpg")
    (tmp_path / "in" / "003.jpg").hardlink_to(tmp_path / "in" / "001.jpg")
    subprocess.run(["tar", "-cf", "a.tar", "-C", "in", "."], cwd=tmp_path, check=True)
    with pytest.raises(ValueError, match=r"'00[123].jpg' is a link, .* pack it by tar --") as error:
        listed("tar", tmp_path / "a.tar")
    _, *options = re.search(r"by (tar[^;)]*)", str(error.value))[1].split()
    subprocess.run(["tar", *options, "-cf", "a.tar", "-C", "in", "."], cwd=tmp_path, check=True)
    assert sorted(listed("tar", tmp_path / "a.tar", count=3))[2] == ("003", None, picture(1))
    link = zipfile.ZipInfo("002.jpg")
    link.external_attr = stat.S_IFLNK << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr(link, "001.jpg")
    with pytest.raises(ValueError, match=r"a\.zip: '002\.jpg' is a link; unpack the zip and name the folder"):
        listed("folder", tmp_path / "a.zip")
    assert listed("folder", tmp_path / "in", count=3)[2] == ("003", None, picture(1))


def test_metadata_of_others_are_no_labels_but_in_a_labelled_set_they_are_mistakes(tmp_path, capsys):
    said = (b'["a caption", "another"]', b'{"label": "dog"}', b'{"label": -1, "url": "u"}', b"3", b'{"label": true}')
    files = [(f"{number}.{part}", content) for number, json in enumerate(said) for part, content in
             (("webp", picture(number)), ("json", json))]  # fmt: skip
    assert listed("tar", archive(tmp_path / "a.tar", *files)) == [(str(n), None, picture(n)) for n in range(len(said))]
    assert "a.tar: 3 labels are left out, no class numbers, such as 'dog'" in capsys.readouterr().out
    expected = r"a\.tar: expected for sample 1 a label from 0 to 9, found 'dog'; 3 of 3 samples have no such"
    with pytest.raises(ValueError, match=expected):
        listed("tar", archive(tmp_path / "a.tar", *files[2:6], *files[8:]), classes=10)
    numbers = [(f"{number}.cls", b"%d" % number) for number in range(len(said))]
    labelled = listed("tar", archive(tmp_path / "a.tar", *files, *numbers))
    assert [label for _, label, _ in labelled] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match=r"sample 3 a label from 0 to 2, found 3; 2 of 5 samples have no such"):
        listed("tar", tmp_path / "a.tar", classes=3)


def test_a_tar_that_tar_itself_made_of_a_folder_is_read(tmp_path):
    for key, _, content in TWO:
        layouts.write(tmp_path / "in" / f"{key}.jpg", content)
        layouts.write(tmp_path / "in" / f"{key}.cls", b"%d\n" % int(key))
        layouts.write(tmp_path / "in" / f"._{key}.jpg", b"\x00\x05\x16\x07")
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:  # as `tar -cf a.tar .`, all .cls last
        for path in (".", *sorted(path.name for path in (tmp_path / "in").iterdir())):
            tar.add(tmp_path / "in" / path, f"./{path}" if path != "." else ".", recursive=False)
        big = tarfile.TarInfo("./003.jpg")
        big.pax_headers, big.size = {"LIBARCHIVE.xattr.com.apple.ResourceFork": "A" * 200_000}, len(picture(3))
        tar.addfile(big, io.BytesIO(picture(3)))
        label = tarfile.TarInfo("./003.cls")
        label.size = 1
        tar.addfile(label, io.BytesIO(b"3"))
    assert listed("tar", tmp_path / "a.tar") == [(f"00{number}", number, picture(number)) for number in (1, 2, 3)]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF"])
def test_a_sample_may_have_an_image_of_any_format(tmp_path, form):
    content = encoded(Image.new("RGB", (20, 18), (0, 200, 0)), form)
    path = archive(tmp_path / "a.tar", (f"a.{form.lower()}", content), ("a.txt", b"a caption"))
    assert listed("tar", path) == listed("folder", path) == [("a", None, content)]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([("a.json", b"{}")], "expected an image of each sample, KEY.jpg .*, found none of sample 'a' but 'a.json'"),
        ([("a.txt", b""), ("b.md", b"")], "expected an image of each sample, KEY.jpg .*, found none of sample 'a'"),
        ([("a.jpg", b""), ("b.cls", b"1")], "found none of sample 'b' but 'b.cls'"),
        ([("x/a.jpg", b""), ("y/a.jpg", b"")], "key a occurs a second time"),
        ([("./a.jpg", b""), ("a.jpg", b"")], r"sample 'a' has a second \.jpg member"),
        ([("a.jpg", b""), ("a.cls", b"dog")], "a: expected a whole number from 0 in its .cls member, found 'dog'"),
        ([("a.jpg", b""), ("a.cls", b"-1")], "in its .cls member, found '-1'"),
        ([("a.jpg", b""), ("a.cls", b"1"), ("a.json", b'{"label": 2}')], "expected 2 in its .cls member, found '1'"),
        ([("C:\\images\\a.jpg", b"")], "leads out of the archive's folder; pack the files again by names below"),
        ([("\\a.jpg", b"")], "leads out of the archive's folder"),
        ([("a\\..\\..\\b.jpg", b"")], "leads out of the archive's folder"),
    ],
)
def test_what_is_no_tar_of_samples_is_named(tmp_path, files, message):
    with pytest.raises(ValueError, match=rf"a\.tar: .*{message}"):
        listed("tar", archive(tmp_path / "a.tar", *files))


def test_a_zip_is_known_by_its_content(tmp_path):
    archive(tmp_path / "a.zip", *((f"{key}.jpg", content) for key, _, content in TWO))
    (tmp_path / "a.zip").rename(tmp_path / "images.tar")
    assert listed("folder", tmp_path / "images.tar") == TWO


def test_tars_are_joined_by_tar_and_not_by_cat(tmp_path):
    for key, _, content in TWO:
        with tarfile.open(tmp_path / f"{key}.tar", "w") as tar:
            info = tarfile.TarInfo(f"{key}.jpg")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    joined = tmp_path / "a.tar"
    joined.write_bytes((tmp_path / "001.tar").read_bytes() + (tmp_path / "002.tar").read_bytes())
    with pytest.raises(ValueError, match=r"a\.tar: .*a second tar follows its end, near byte 10,497; join tars by tar"):
        list_members(joined)
    subprocess.run(["tar", "-A", "-f", "001.tar", "002.tar"], cwd=tmp_path, check=True)
    assert listed("tar", tmp_path / "001.tar") == TWO


def test_what_has_no_name_and_a_folder_of_windows_are_no_files_of_a_zip(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for name in ("", "val\\", "val/"):
            zipped.writestr(zipfile.ZipInfo(name), b"")
        for key, _, content in TWO:
            zipped.writestr(f"{key}.jpg", content)
    assert listed("folder", path) == TWO


def test_where_no_image_is_what_there_is_is_named(tmp_path):
    path = archive(tmp_path / "a.tar", ("list.csv", b""), ("._a.jpg", b""))
    with pytest.raises(ValueError, match=r"a\.tar: expected images .*, found none but 1 other files, such as 'list\."):
        listed("folder", path)


def test_an_encrypted_zip_is_refused_before_an_image_is_read(tmp_path):
    archive(tmp_path / "a.zip", *((f"{key}.jpg", content) for key, _, content in TWO))
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.zip: '001\.jpg' is encrypted; unpack the zip and name the folder"):
        listed("folder", tmp_path / "a.zip")


def test_what_is_not_there_yet_is_told_from_what_never_was(tmp_path):
    """A link into git-annex's store, or of Hugging Face's cache, that leads nowhere; a download that broke off."""
    (tmp_path / "a.tar").symlink_to(".git/annex/objects/x/a.tar")
    (tmp_path / "b.tar.part").touch()
    (tmp_path / "E.TAR").touch()
    (tmp_path / "c.tar").mkdir()
    for name, message in (("a", "a link to .git/annex/objects/x/a.tar, where nothing is; .*: git annex get"),
                          ("b", "no such file or folder but b.tar.part, an unfinished download"),
                          ("c", "a folder in the place of the file"), ("d", "no such file or folder$"),
                          ("e", "no such file or folder but E.TAR; names differ in case")):  # fmt: skip
        path = tmp_path / f"{name}.tar"
        with pytest.raises(FileNotFoundError, match=rf"{name}\.tar: {message}"):
            list_members(path)
        if name != "c":
            with pytest.raises(
                FileNotFoundError, match=rf"{name}\.tar: {message.removesuffix('$')}.*; expected WebDat"
            ):
                listed("tar", path)
    layouts.write(tmp_path / "f" / "f" / "f.tar", b"")
    with pytest.raises(FileNotFoundError, match=r"f/f\.tar: no such .* but \S+/f/f/f\.tar; was it unpacked twice"):
        list_members(tmp_path / "f" / "f.tar")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "001.jpg").symlink_to("../gone/001.jpg")
    with pytest.raises(ValueError, match=r"001\.jpg: the image of sample 001 cannot be read \(.*a link to \.\./gone"):
        listed("folder", tmp_path / "in")
