"""What a file really is, by its first bytes, and what to do about one that is not what a reader expects.

A download may be a web page, a pointer, or packed, whatever its name says; the error of a parser only tells that some
byte is wrong. So whoever refuses a file asks here first.
"""

import codecs
import os
import re
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.jobs.cli import DISK_ERRORS
from pipeline_lib.jobs.remedy import of_a_run, remedy

LOOKED_AT = 512  # bytes at the beginning of a file
SHOWN = 60  # bytes that a message quotes of a text
AGAIN = "get the file again"
HERE = "in the place of the file"
CONVERT = "save its content in the form that is expected"
ERROR = f"if it is an error of the site, {AGAIN}; else {CONVERT}"


class Kind(NamedTuple):
    """A kind of file: what its first bytes match, what it is in words, and what to do where another is expected."""

    beginning: bytes
    said: str
    todo: str = AGAIN


def _packed(by: str, beginning: bytes) -> Kind:
    return Kind(beginning, f"a file that is packed by {by}", f"unpack it: {by} -dc OLD > NEW")


def _encoded(name: str, beginning: bytes) -> Kind:
    return Kind(beginning, name, f"convert it: iconv -f {name} -t UTF-8 OLD > NEW")


def _image(name: str, beginning: bytes) -> Kind:
    return Kind(beginning, f"an image ({name})")


#: By name. The first that matches counts, so those that could be taken for a later one come before it.
KINDS = {
    "empty": Kind(rb"\Z", "an empty file"),
    "json": Kind(rb'(\xef\xbb\xbf)?\s*(\[\s*[][{"\d-]|\{\s*["\x27}])', "JSON", ERROR),
    "zeros": Kind(rb"\0{64}", "nothing but zeros at the beginning, as of a download that broke off"),
    "git-lfs": Kind(rb"version https://git-lfs", f"a pointer of Git LFS {HERE}", "get the file: git lfs pull"),
    "git-annex": Kind(rb"/annex/objects/", f"a pointer of git-annex {HERE}", "get the file: git annex get"),
    "page": Kind(
        rb"(\xef\xbb\xbf)?\s*<(?i:!doctype html|html|head|body|script|!--)",
        "a web page",
        f"the site answered with a page {HERE}: see what it says, and {AGAIN}",
    ),
    "svg": Kind(rb"\s*(<\?xml[^>]*>\s*)?<svg", "an SVG, a drawing", "save it as PNG"),
    "xml": Kind(rb"\s*<(\?xml|Error>)", "XML", ERROR),
    "safetensors": Kind(rb".{3}\0{5}\{", "safetensors"),
    "tar": Kind(rb".{257}ustar", "a tar", "unpack it: tar -xf"),
    "zip": Kind(rb"PK(\x03\x04|\x05\x06|\x07\x08)", "a zip", "unpack it: unzip"),
    "gzip": _packed("gzip", rb"\x1f\x8b"),
    "bzip2": _packed("bzip2", rb"BZh[1-9][1\x17]"),
    "xz": _packed("xz", rb"\xfd7zXZ"),
    "zstd": _packed("zstd", rb"\x28\xb5\x2f\xfd"),
    "lz4": _packed("lz4", rb"\x04\x22\x4d\x18"),
    "7z": Kind(rb"7z\xbc\xaf", "a 7z archive", "unpack it: 7z x"),
    "rar": Kind(rb"Rar!\x1a\x07", "a RAR archive", "unpack it: unrar x"),
    "parquet": Kind(rb"PAR1", "a Parquet table", CONVERT),
    "arrow": Kind(rb"ARROW1\0\0|\xff{4}.{3}\0\x10\0{3}", "an Arrow table", CONVERT),
    "hdf5": Kind(rb"\x89HDF\r\n|MATLAB 7\.3", "HDF5, as of MATLAB 7.3, Keras or h5py", CONVERT),
    "mat": Kind(rb"MATLAB 5\.0", "a MATLAB file", CONVERT),
    "numpy": Kind(rb"\x93NUMPY", "an array of NumPy", CONVERT),
    "pickle": Kind(rb"\x80[\x02-\x05]", "a pickle", CONVERT),
    "gguf": Kind(rb"GGUF[\x01-\x0f]\0", "GGUF, quantized weights", CONVERT),
    "onnx": Kind(rb"\x08[\x03-\x0c]\x12", "ONNX", CONVERT),
    "flax": Kind(rb"(\x81|\xde..)\xa6params", "weights of Flax", CONVERT),
    "sqlite": Kind(rb"SQLite format 3\0", "an SQLite database", CONVERT),
    "pdf": Kind(rb"%PDF-", "a PDF"),
    "jpeg": _image("JPEG", rb"\xff\xd8\xff"),
    "png": _image("PNG", rb"\x89PNG\r\n"),
    "gif": _image("GIF", rb"GIF8[79]a"),
    "webp": _image("WebP", rb"RIFF....WEBP"),
    "bmp": _image("BMP", rb"BM.{4}\0{4}"),
    "tiff": _image("TIFF", rb"II\*\0|MM\0\*"),
    "avif": _image("AVIF", rb".{4}ftypavi"),
    "heic": Kind(rb".{4}ftyp(hei|hev|mif|msf)", "an image in HEIC", "save it as JPEG or PNG"),
    "jxl": Kind(rb"\xff\x0a|\0{3}\x0cJXL ", "an image in JPEG XL", "save it as JPEG or PNG"),
    "jp2": Kind(rb"\0{3}\x0cjP|\xff\x4f\xff\x51", "an image in JPEG 2000", "save it as JPEG or PNG"),
    "psd": Kind(rb"8BPS\0", "an image of Photoshop", "save it as JPEG or PNG"),
    "mp4": Kind(rb".{4}ftyp|\x1aE\xdf\xa3", "a video"),
    # UTF-32's mark in little-endian order begins with that of UTF-16. Without a mark the zeros of two ASCII characters
    # tell.
    "utf-32": _encoded("UTF-32", rb"\xff\xfe\0\0|\0\0\xfe\xff"),
    "utf-16": _encoded("UTF-16", rb"\xff\xfe|\xfe\xff"),
    "utf-16le": _encoded("UTF-16LE", rb"[^\0]\0[^\0]\0"),
    "utf-16be": _encoded("UTF-16BE", rb"\0[^\0]\0[^\0]"),
    "utf-32le": _encoded("UTF-32LE", rb"[^\0]\0{3}[^\0]\0{3}"),
    "utf-32be": _encoded("UTF-32BE", rb"\0{3}[^\0]\0{3}[^\0]"),
    "text": Kind(rb"[^\0-\x08\x0e-\x1f\x7f]+\Z", "a text"),
}
TEXTS = ("empty", "json", "text")  # what a text may be, as far as its reader does not say more
QUOTED = ("xml", "json", "text")  # of which a message says how they begin
WEIGHTS = ("zip", "pickle", "safetensors")
#: Suffix -> the kinds that a file so named may be; none for those that are read whatever their name.
SUFFIXES = {".zip": ("zip",), ".tar": ("tar", "zip", "zeros"), ".gz": ("gzip",), ".tgz": ("gzip",), ".mat": ("mat",)}
SUFFIXES |= {".json": ("json",), ".csv": TEXTS, ".txt": TEXTS, ".parquet": ("parquet",)}
SUFFIXES |= dict.fromkeys((".pt", ".pth", ".bin", ".safetensors"), WEIGHTS)
UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".aria2", ".tmp", ".incomplete")
PATTERNS = {name: re.compile(kind.beginning, re.DOTALL) for name, kind in KINDS.items()}


def start_of(path: str | Path) -> bytes:
    """Return the first `LOOKED_AT` bytes of a file."""
    with open(path, "rb") as content:
        return content.read(LOOKED_AT)


def kind_of(start: bytes) -> str | None:
    """Return the name in `KINDS` of what begins with `start`, its first `LOOKED_AT` bytes; None if it is not known."""
    return next((name for name, pattern in PATTERNS.items() if pattern.match(start)), None)


def other_kind(start: bytes, *own: str, todo: str | None = None) -> str | None:
    """Return what begins with `start` and what to do, in words; None if it is of a kind in `own`, or not known.

    `todo` says how the content of another kind becomes what is expected, if it can.
    """
    start = start[:LOOKED_AT]
    name = kind_of(start)
    if name is None or name in own:
        return None
    kind = KINDS[name]
    text = start.removeprefix(codecs.BOM_UTF8)[:SHOWN].decode(errors="replace")
    said = f"{kind.said} ({text!r})" if name in QUOTED else kind.said
    return f"{said}; {kind.todo.replace(CONVERT, todo or CONVERT)}"


def check_suffix(path: str | Path) -> None:
    """Raise a `ValueError` if a file is of another kind than its suffix says, by `SUFFIXES`."""
    path = Path(path)
    own = SUFFIXES.get(path.suffix.lower())
    if own and path.is_file() and (found := other_kind(start_of(path), *own, "text")):
        raise ValueError(f"{path}: expected a {path.suffix}, found {found}")


def absent(path: str | Path) -> str:
    """Return what to say of a path where a file, or a file or folder, was expected and is not."""
    path = Path(path)
    if path.is_symlink():
        return f"{path}: a link to {os.readlink(path)}, where nothing is; if git-annex made it: git annex get"
    if path.is_dir():
        return f"{path}: a folder in the place of the file"
    if (inner := path.parent / path.parent.name / path.name).exists():
        return f"{path}: no such file or folder but {inner}; was it unpacked twice?"
    beside = sorted(os.listdir(path.parent)) if path.parent.is_dir() else []
    wanted = {path.name.lower(): "; names differ in case"}
    wanted |= {f"{path.name.lower()}{end}": ", an unfinished download" for end in UNFINISHED}
    near = [f" but {name}{wanted[name.lower()]}" for name in beside if name.lower() in wanted]
    return f"{path}: no such file or folder{''.join(near[:1])}"


def misread(path: str | Path, expected: str, error: object, *own: str) -> Exception:
    """Return the error to raise for a file that is not what was expected, a file of the kinds `own`.

    It says what the file is, or, where it is of these kinds but damaged, what `error` says; an error of the disk stays.
    """
    if isinstance(error, FileNotFoundError | IsADirectoryError):
        return FileNotFoundError(absent(path))
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return error
    found = other_kind(start_of(path), *own)
    if found and of_a_run(path):
        found = f"{found.partition(';')[0]}; {remedy(path)}"
    said = " ".join(str(error).split())
    return ValueError(f"{path}: expected {expected}, found {found or f'something else ({said}); {remedy(path)}'}")


def check_text(
    start: bytes, path: str | Path, *own: str, expected: str = "text in UTF-8", todo: str | None = None
) -> None:
    """Raise a `ValueError` if a file that begins with `start` is of a kind that is no text, and not one of `own`."""
    if found := other_kind(start, *TEXTS, *own, todo=todo):
        raise ValueError(f"{path}: expected {expected}, found {found}")
