r"""Make CC-Neg's shards from the authors' release: read its annotations as a table, then join them with its images.

::

    python -m pipeline_lib.shards.release read --annotations ccneg_preprocessed.pt --count 228246 --eval-last 40000 \
        --negated-commas remove --distractors released --output release.parquet
    python -m pipeline_lib.shards.release build --release release.parquet --images ccneg_images --part 00000 \
        --parts 64 --most-missing 0 --train train-00000.tar --eval eval-00000.tar \
        --triplets triplets-00000.parquet --counts counts-00000.json

`read` takes about a minute and 2 GB of memory for the release's 265 MB: a torch-saved dictionary with ``image_paths``
(n texts, ``.../KEY.jpg`` with a key of nine digits) and ``annotations`` (n dictionaries). Of a path only the key is
used: the user says where the images are. Of an annotation it takes ``json.caption``, and in ``sop_data``
``negative-prompt``, ``exclusion-prompt``, ``sop_chosen_object`` and the ``object-predicate-pairs`` of
``sop_decomposition``. The table has a row per row of the release, with `COLUMNS`; ``negation_word`` may be ``none``.

The split is the release's (paper, section 2): the last `eval-last` rows evaluate, all before them train. It is settled
before a row is refused or found without an image, and stays with the row as its ``split`` and ``release_index``.

A row is refused, with a ``reason``, if it lacks a text that training, evaluation or the choice of distractors needs, or
if such a text does not fit into CLIP's 77 tokens: the published loaders do not truncate, so every row should fit. Where
the released mapping gives the distractors, a training row may lack exclusion caption and object, as in the published
loop, whose batches count it: ``kept_despite`` says what it lacks.

`build` writes what `pipeline_lib.shards.build` writes, with ``release_index`` as a further column of the triplets.
The images ``KEY.jpg`` are decoded to verify, and kept as they are. A row without an image is counted, so that rows =
samples + rows without image + rows refused. Samples that lack something are counted as ``kept_...`` besides.
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline_lib.clip.tokenizer import fits_clip
from pipeline_lib.clip.torch_file import load_plain
from pipeline_lib.formats.cc3m import part_range
from pipeline_lib.formats.images import Sample
from pipeline_lib.formats.negation import NEGATION_WORDS
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet, write_parquet
from pipeline_lib.jobs.quoted import quoted
from pipeline_lib.shards import image_folder
from pipeline_lib.shards.build import COMMAS, add_outputs, remove_commas, write_part

IMAGE_PATH = re.compile(r"(?:.*/)?([0-9]{9})\.jpg")
AGAIN = "download the file again, or take the row out and lower config shards/released/count"
NEGATION_WORD = re.compile(rf"(?<![\w'-])(?:{'|'.join(NEGATION_WORDS)})(?![\w'-])")
# Where a text stands in an annotation, by the column that takes it.
TEXTS = {
    "caption": ("json", "caption"),
    "negated_caption": ("sop_data", "negative-prompt"),
    "exclusion_caption": ("sop_data", "exclusion-prompt"),
    "object": ("sop_data", "sop_chosen_object"),
}
CAPTIONS = ("caption", "negated_caption")  # all that evaluation reads, and training with the released distractors
NUMBERS = ("release_index", "n_pairs")
FATES = ("reason", "kept_despite")  # no part of a triplet
COLUMNS = ("release_index", "key", "split", *TEXTS, "negation_word", "n_pairs", *FATES)
DISTRACTORS = ("chosen", "released")
SCHEMA = pa.schema([(column, pa.int64() if column in NUMBERS else pa.string()) for column in COLUMNS])


def read_release(path: str | Path, count: int, eval_last: int, commas: str, distractors: str) -> pd.DataFrame:
    """Return the rows of the released file, in its order, with `COLUMNS`.

    The file must have `count` rows, of which the last `eval_last` are for evaluation; `commas` is one of `COMMAS`.
    `distractors`, one of `DISTRACTORS`, says how they are found: only their choice reads exclusion caption and object.
    """
    paths, annotations = _lists(path, count)
    first_seen: dict[str, int] = {}
    rows = []
    for index, (image_path, annotation) in enumerate(zip(paths, annotations, strict=True)):
        key = _key(f"{path}, row {index}", image_path, annotation)
        if first_seen.setdefault(key, index) != index:
            raise ValueError(f"{path}, row {index}: key {key} is already in row {first_seen[key]}; {AGAIN}")
        split = "eval" if index >= count - eval_last else "train"
        triplet = _triplet(annotation, split, commas, distractors)
        rows.append({"release_index": index, "key": key, "split": split, **triplet})
    frame = pd.DataFrame(rows)
    if frame["reason"].notna().all():
        raise ValueError(
            f"{path}: all {count:,} annotations are refused, the first as {frame['reason'][0]}; expected "
            f"{', '.join('.'.join(place) for place in TEXTS.values())} in each, found {quoted(annotations[0], 300)}"
        )
    return frame


def negation_word(caption: str, negated: str) -> str:
    """Return the word that negates: the first ``no``, ``not`` or ``without`` that `negated` has more often.

    If the caption has them all as often, the first is returned; ``none`` if there is none as a whole word ("isn't").
    """
    there = NEGATION_WORD.findall(negated.lower())
    before, after = Counter(NEGATION_WORD.findall(caption.lower())), Counter(there)
    added = [word for word in there if after[word] > before[word]]
    return (added or there or ["none"])[0]


def _lists(path: str | Path, count: int) -> tuple[list, list]:
    """Return image paths and annotations, checked to be as many as they must be."""
    content = load_plain(path, "the released CC-Neg annotations")
    lists = [content.get(name) if isinstance(content, dict) else None for name in ("image_paths", "annotations")]
    if not all(isinstance(entry, list) for entry in lists):
        found = f"the keys {quoted(list(content))}" if isinstance(content, dict) else f"a {type(content).__name__}"
        raise ValueError(f"{path}: expected a dictionary with lists image_paths and annotations, found {found}")
    paths, annotations = lists
    if not len(paths) == len(annotations) == count:
        raise ValueError(
            f"{path}: expected {count:,} image paths and as many annotations (config shards/released/count), found "
            f"{len(paths):,} and {len(annotations):,}; the split counts from the end, so another version would have "
            "another split"
        )
    return paths, annotations


def _key(where: str, image_path: object, annotation: object) -> str:
    found = IMAGE_PATH.fullmatch(image_path) if isinstance(image_path, str) else None
    if found is None:
        raise ValueError(f"{where}: expected a path to <nine digits>.jpg, found {quoted(image_path)}; {AGAIN}")
    said = _at(annotation, "json", "key")
    if said is not None and said != found[1]:
        raise ValueError(
            f"{where}: the image is {found[1]}.jpg, but the annotation is of {quoted(said, 50)}; the two lists do not "
            "belong together"
        )
    return found[1]


def _triplet(annotation: object, split: str, commas: str, distractors: str) -> dict:
    """Return an annotation's values by column, with the reason where it is refused, or despite what it is kept."""
    found = {column: _at(annotation, *names) for column, names in TEXTS.items()}
    texts = {column: text.strip() or None if isinstance(text, str) else None for column, text in found.items()}
    word = negation_word(texts["caption"] or "", texts["negated_caption"] or "")
    if commas == "remove" and texts["negated_caption"]:
        texts["negated_caption"] = remove_commas(texts["negated_caption"])
    reason = _flaw(texts, CAPTIONS if split == "eval" or distractors == "released" else tuple(TEXTS))
    kept_despite = None if reason or split == "eval" else _flaw(texts, tuple(TEXTS))
    pairs = _at(annotation, "sop_data", "sop_decomposition", "object-predicate-pairs")
    n_pairs = len(pairs) if isinstance(pairs, list) else 0
    return {**texts, "negation_word": word, "n_pairs": n_pairs, "reason": reason, "kept_despite": kept_despite}


def _flaw(texts: dict[str, str | None], columns: tuple[str, ...]) -> str | None:
    """Return which of some texts is missing, or that one is too long for CLIP; None if all can be encoded."""
    for column in columns:
        if texts[column] is None:
            return f"no-{column.replace('_', '-')}"
    return None if all(fits_clip(texts[column]) for column in columns) else "too-long"


def _at(content: object, *names: str) -> object:
    """Return what lies under nested keys; None where one is missing."""
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def _with_image(rows: pd.DataFrame, folder: Path, most_missing: int) -> pd.DataFrame:
    """Return the rows that are not refused and whose image is there; `most_missing` may be without one."""
    kept = rows[rows["reason"].isna()]
    there = pd.Series([(folder / f"{key}.jpg").is_file() for key in kept["key"]], kept.index, dtype=bool)
    missing = kept["key"][~there]
    if len(missing) > most_missing:
        raise ValueError(
            f"{folder}: {len(missing):,} of the {len(kept):,} images of this part are missing, such as "
            f"{missing.iloc[0]}.jpg; complete the copy, or allow so many by shards/released/most_missing"
        )
    return kept[there].reset_index(drop=True)


def _count_rows(rows: pd.DataFrame, samples: pd.DataFrame) -> dict[str, int]:
    """Return how many rows became samples and why the others did not, each row counted once; and what samples lack."""
    refused, lacking = rows["reason"].dropna(), samples["kept_despite"].dropna()
    return {
        "rows": len(rows),
        "samples": len(samples),
        "without_image": len(rows) - len(refused) - len(samples),
        **Counter(flaw.replace("-", "_") for flaw in [*("refused_" + refused), *("kept_" + lacking)]),
    }


def _read_jpegs(folder: Path, keys: pd.Series) -> Iterator[tuple[str, bytes]]:
    """Yield key and encoded image; each must decode."""
    for key in keys:
        path = folder / f"{key}.jpg"
        sample = Sample(path, key, path.read_bytes, {})
        encoded = sample.read()
        sample.decode(encoded)
        yield key, encoded


def _read(args: argparse.Namespace) -> None:
    frame = read_release(args.annotations, args.count, args.eval_last, args.negated_commas, args.distractors)
    write_parquet(args.output, frame, SCHEMA)
    for column in ("split", "negation_word", "n_pairs", *FATES):
        counts = frame[column].value_counts()
        print(f"{column}: {', '.join(f'{value} {count:,}' for value, count in counts.items()) or 'none'}")


def _build(args: argparse.Namespace) -> None:
    release = read_parquet(args.release)
    numbers = part_range(len(release), args.part, args.parts)
    rows = release.iloc[numbers.start : numbers.stop]
    folder = image_folder(args.images)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected the unpacked images of the released CC-Neg")
    samples = _with_image(rows, folder, args.most_missing)
    triplets = samples.drop(columns=[*FATES])
    write_part(args, triplets, lambda keys: _read_jpegs(folder, keys), _count_rows(rows, samples))


def main() -> None:
    """Read the annotations, or build the shards of the part, that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    read = commands.add_parser("read", help="read the annotations as a table")
    read.set_defaults(command=_read)
    read.add_argument("--annotations", type=Path, required=True, help="the authors' ccneg_preprocessed.pt")
    read.add_argument("--count", type=int, required=True, help="number of rows that the file must have")
    read.add_argument("--eval-last", type=int, required=True, help="number of rows at its end that are for evaluation")
    read.add_argument("--negated-commas", choices=COMMAS, required=True, help="commas of negated captions")
    read.add_argument("--distractors", choices=DISTRACTORS, required=True, help="where the distractors will come from")
    read.add_argument("--output", type=Path, required=True, help="output: the table, Parquet")
    build = commands.add_parser("build", help="join table and images of a part as shards")
    build.set_defaults(command=_build)
    build.add_argument("--release", type=Path, required=True, help="table that `read` made")
    build.add_argument("--images", type=Path, required=True, help="folder of the unpacked images")
    build.add_argument("--part", type=int, required=True, help="which part, counted from 0")
    build.add_argument("--parts", type=int, required=True, help="number of parts")
    build.add_argument("--most-missing", type=int, required=True, help="number of images that the part may lack")
    add_outputs(build)
    args = parser.parse_args()
    args.command(args)


if __name__ == "__main__":
    run(main)
