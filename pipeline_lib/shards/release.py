r"""Read the authors' released CC-Neg (``ccneg_preprocessed.pt``) as a table: what each row says, and whose split it is.

::

    python -m pipeline_lib.shards.release --annotations ccneg_preprocessed.pt --count 228246 --eval-last 40000 \
        --negated-commas remove --output release.parquet

takes about a minute and 2 GB of memory for a file of the release's size, 265 MB.

The file is a torch-saved dictionary with ``image_paths`` (n texts, ``.../KEY.jpg`` with a key of nine digits) and
``annotations`` (n dictionaries). Of an annotation are read ``json.caption``, and in ``sop_data`` ``negative-prompt``,
``exclusion-prompt``, ``sop_chosen_object`` and the ``object-predicate-pairs`` of ``sop_decomposition``; the subject,
which may be null, is not needed, and ``num_ops`` of older files only counts the pairs again. Of a path only the key is
used: where images lie is the user's to say, never the file's.

The split is the release's (paper, section 2): the last `eval-last` rows evaluate, all before them train. It is settled
here, before a row is refused or an image missed, and stays with the row as its ``split`` and ``release_index``.

A row is refused if it lacks a text that training, evaluation or the choice of distractors needs, or if a text does not
fit into CLIP's 77 tokens: the published loaders do not truncate, so no row of the release should be.

Output: one row per row of the release, ``release_index``, ``key``, ``split``, ``caption``, ``negated_caption``,
``exclusion_caption``, ``object``, ``negation_word`` (``none`` where none is found), ``n_pairs``, and ``reason`` of a
refusal.
"""

import argparse
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline_lib.clip.length import fits_clip
from pipeline_lib.clip.torch_file import load_plain
from pipeline_lib.formats.negation import NEGATION_WORDS
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import write_parquet
from pipeline_lib.jobs.quoted import quoted
from pipeline_lib.shards.build import COMMAS, remove_commas

IMAGE_PATH = re.compile(r"(?:.*/)?([0-9]{9})\.jpg")
NEGATION_WORD = re.compile(rf"(?<![\w'-])(?:{'|'.join(NEGATION_WORDS)})(?![\w'-])")
# Where a text stands in an annotation, by the column that takes it.
TEXTS = {
    "caption": ("json", "caption"),
    "negated_caption": ("sop_data", "negative-prompt"),
    "exclusion_caption": ("sop_data", "exclusion-prompt"),
    "object": ("sop_data", "sop_chosen_object"),
}
EVALUATED = ("caption", "negated_caption")
SCHEMA = pa.schema(
    [
        ("release_index", pa.int64()),
        ("key", pa.string()),
        ("split", pa.string()),
        *((column, pa.string()) for column in TEXTS),
        ("negation_word", pa.string()),
        ("n_pairs", pa.int64()),
        ("reason", pa.string()),
    ]
)


def read_release(path: str | Path, count: int, eval_last: int, commas: str) -> pd.DataFrame:
    """Return the rows of the released file.

    Parameters
    ----------
    path : str or Path
        ``ccneg_preprocessed.pt``.
    count : int
        How many rows it must have.
    eval_last : int
        How many of them, at its end, are for evaluation.
    commas : str
        One of `COMMAS`: whether negated captions lose theirs.

    Returns
    -------
    DataFrame
        `count` rows with the columns of the module's output, in the order of the release.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not such a release or of another size, a path has no key, two rows have one key, or path and
        annotation disagree on it; the message names file and row.
    """
    paths, annotations = _lists(path, count)
    first_seen: dict[str, int] = {}
    rows = []
    for index, (image_path, annotation) in enumerate(zip(paths, annotations, strict=True)):
        key = _key(f"{path}, row {index}", image_path, annotation)
        if first_seen.setdefault(key, index) != index:
            raise ValueError(f"{path}, row {index}: key {key} stands in row {first_seen[key]} already")
        split = "eval" if index >= count - eval_last else "train"
        rows.append({"release_index": index, "key": key, "split": split, **_triplet(annotation, split, commas)})
    return pd.DataFrame(rows)


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
    sizes = [len(entry) for entry in lists]
    if sizes != [count, count]:
        raise ValueError(
            f"{path}: expected {count:,} image paths and as many annotations (config shards/released/count), found "
            f"{sizes[0]:,} and {sizes[1]:,}; the split counts from the end, so another version splits otherwise"
        )
    return lists[0], lists[1]


def _key(where: str, image_path: object, annotation: object) -> str:
    found = IMAGE_PATH.fullmatch(image_path) if isinstance(image_path, str) else None
    if found is None:
        raise ValueError(f"{where}: expected a path to <nine digits>.jpg, found {quoted(image_path)}")
    said = _at(annotation, "json", "key")
    if said is not None and said != found[1]:
        raise ValueError(
            f"{where}: the image is {found[1]}.jpg, but the annotation is of {quoted(said, 50)}; the two lists do not "
            "belong together"
        )
    return found[1]


def _triplet(annotation: object, split: str, commas: str) -> dict:
    """Return what an annotation says, by column, with the reason where it is refused.

    Evaluation reads the two captions alone, so it is no reason there if another text is missing or too long.
    """
    found = {column: _at(annotation, *names) for column, names in TEXTS.items()}
    texts = {column: text.strip() or None if isinstance(text, str) else None for column, text in found.items()}
    needed = EVALUATED if split == "eval" else tuple(TEXTS)
    lacking = [f"no-{column.replace('_', '-')}" for column in needed if texts[column] is None]
    word = negation_word(texts["caption"] or "", texts["negated_caption"] or "")
    if commas == "remove" and texts["negated_caption"]:
        texts["negated_caption"] = remove_commas(texts["negated_caption"])
    if not lacking and not all(fits_clip(texts[column]) for column in needed):
        lacking = ["too-long"]
    pairs = _at(annotation, "sop_data", "sop_decomposition", "object-predicate-pairs")
    return {
        **texts,
        "negation_word": word,
        "n_pairs": len(pairs) if isinstance(pairs, list) else 0,
        "reason": lacking[0] if lacking else None,
    }


def _at(content: object, *names: str) -> object:
    """Return what lies under nested keys; None where one is missing."""
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def main() -> None:
    """Convert the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True, help="rows that the file must have")
    parser.add_argument("--eval-last", type=int, required=True, help="how many of them, at the end, are for evaluation")
    parser.add_argument("--negated-commas", choices=COMMAS, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    frame = read_release(args.annotations, args.count, args.eval_last, args.negated_commas)
    write_parquet(args.output, frame, SCHEMA)
    for column in ("split", "negation_word", "n_pairs", "reason"):
        counts = frame[column].value_counts()
        print(f"{column}: {', '.join(f'{value} {count:,}' for value, count in counts.items()) or 'none'}")


if __name__ == "__main__":
    run(main)
