"""Read the images and captions that `score` is asked about, and say which are scored together."""

import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import csv

from pipeline_lib.formats.images import Sample
from pipeline_lib.jobs.files import parquet_errors, read_arrow, repeated
from pipeline_lib.jobs.text import read_text
from pipeline_lib.readers.containers import list_images

DELIMITERS = {".csv": ",", ".tsv": "\t"}


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
        raise FileNotFoundError(f"{file}: no such file of captions")
    kind = file.suffix.lower()
    if kind == ".txt":
        return pd.DataFrame({"caption": [line.strip() for line in read_text(file).rstrip().split("\n")]})
    if kind not in (*DELIMITERS, ".parquet"):
        raise ValueError(f"{file}: expected captions in a .txt, .csv, .tsv or .parquet")
    text = None if kind == ".parquet" else read_text(file)
    with parquet_errors(file, f"{kind} table"):
        table = read_arrow(file) if text is None else _read_csv(text, DELIMITERS[kind])
        columns = [name for name in ("image", "caption") if name in table.column_names]
        if "caption" not in columns:
            raise ValueError(f"no column caption but {', '.join(table.column_names):.300}")
        table = table.select(columns).cast(pa.schema([(name, pa.string()) for name in columns]))
        if any(column.null_count for column in table.columns):
            raise ValueError("rows without an image or a caption")
        return table.to_pandas()


def _read_csv(text: str, delimiter: str) -> pa.Table:
    types = {"caption": pa.string(), "image": pa.string()}
    return csv.read_csv(
        pa.BufferReader(text.encode()),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=False),
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr)
