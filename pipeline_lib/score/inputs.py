"""Read the images and captions that `score` is asked about, and say which are scored together."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline_lib.formats.annotations import read_rows, texts
from pipeline_lib.formats.images import Sample
from pipeline_lib.jobs.file_kind import absent
from pipeline_lib.jobs.files import read_arrow, repeated
from pipeline_lib.jobs.text import read_lines
from pipeline_lib.readers.containers import list_images


def find_inputs(places: list[Path], texts: list[str], file: Path | None) -> tuple[dict[str, Sample], pd.DataFrame]:
    """Return the images by name, and what to score: a table with ``caption``, and ``image`` where its rows are pairs.

    Every image of `places` (files, folders, ``.zip``, ``.tar``) is scored with each of `texts` or of the captions in
    `file`. Where the file has a column ``image``, its rows are the pairs: images by their paths below `places`, or
    without any beside the file. What is given twice is scored once.
    """
    table, images = _read_captions(file) if file else pd.DataFrame({"caption": texts}), _find_images(places)
    where = file or "the command line"
    if table.empty:
        raise ValueError("expected captions, in quotes or with --captions FILE, found none")
    if (empty := table["caption"].str.strip() == "").any():
        raise ValueError(f"{where}: caption {int(empty.to_numpy().argmax()) + 1} is empty")
    alike = table.assign(caption=table["caption"].str.normalize("NFC").str.split().str.join(" "))
    if (again := alike.duplicated().to_numpy()).any():
        first = int(again.argmax())
        _say(
            f"{where}: {again.sum():,} of {len(table):,} captions are there already"
            f"{' for the same image' if 'image' in table else ''}, first caption {first + 1}, "
            f"{table['caption'][first]!r:.200}; they are scored once"
        )
        table = table[~again].reset_index(drop=True)
    if "image" not in table:
        if not images:
            raise ValueError("expected images, found none: name files or folders with --image")
        return images, table
    names = table["image"].unique().tolist()
    if places:
        if twice := repeated(sample.key for sample in images.values()):
            raise ValueError(
                f"{file}: expected images of different names in {', '.join(map(str, places))}, found {twice!r}"
            )
        found = {sample.key: sample for sample in images.values()}
    else:
        paths = {name: file.parent / name for name in names}
        found = {name: _sample(path, name) for name, path in paths.items() if path.is_file()}
    if missing := [name for name in names if name not in found]:
        where = ", ".join(map(str, places)) or file.parent
        raise FileNotFoundError(f"{file}: {len(missing):,} of {len(names):,} images are not in {where}: {missing[0]!r}")
    if unnamed := sorted(found.keys() - {*names}):
        _say(f"{file}: no row names {len(unnamed):,} of the images, such as {unnamed[0]!r}; they are not scored")
    return {name: found[name] for name in names}, table


def _find_images(places: list[Path]) -> dict[str, Sample]:
    """Return name -> image; of a folder or archive the name begins with its path, and the key is what is below."""
    samples: list[tuple[str, Sample]] = []
    for place in places:
        if place.is_dir() or place.suffix.lower() in (".zip", ".tar"):
            found = [Sample(file.source, file.name, file.load, {}) for file in list_images(place)]
            samples += [(f"{place}/{sample.key}", sample) for sample in found]
        elif place.is_file():
            samples.append((str(place), _sample(place, str(place))))
        else:
            raise FileNotFoundError(f"{place}: no such image or folder; captions go before --image")
    if twice := repeated(name for name, _ in samples):
        raise ValueError(f"{twice}: --image names it twice")
    return dict(samples)


def _sample(path: Path, key: str) -> Sample:
    return Sample(path, key, path.read_bytes, {})


def _read_captions(file: Path) -> pd.DataFrame:
    """Return the column ``caption`` of a table, and ``image`` if there is one; of a text file a caption per line."""
    if not file.is_file():
        raise FileNotFoundError(f"{absent(file)}; expected a file of captions")
    kind = file.suffix.lower()
    if kind == ".txt":
        rows = (
            (f"{file}, line {number}", {"caption": line.strip()}) for number, line in enumerate(read_lines(file), 1)
        )
    elif kind in (".csv", ".tsv"):
        rows = read_rows(file, ["caption"], ["image"])
    elif kind == ".parquet":
        rows = _read_parquet(file)
    else:
        raise ValueError(f"{file}: expected captions in a .txt, .csv, .tsv or .parquet")
    table = pd.DataFrame([dict(zip(row, texts(row, list(row), where), strict=True)) for where, row in rows])
    return table.assign(image=table["image"].str.replace("\\", "/")) if "image" in table else table


def _read_parquet(file: Path) -> Iterator[tuple[str, dict]]:
    table = read_arrow(file)
    names = [name for name in ("image", "caption") if name in table.column_names]
    if "caption" not in names:
        raise ValueError(f"{file}: expected a column caption, found {', '.join(table.column_names):.300}")
    table = table.select(names)
    with suppress(pa.ArrowException):  # numbers, and bytes that are text
        table = table.cast(pa.schema([(name, pa.string()) for name in names]))
    return ((f"{file}, row {number}", row) for number, row in enumerate(table.to_pylist(), 1))


def _say(text: str) -> None:
    print(text, file=sys.stderr)
