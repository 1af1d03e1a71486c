"""Every kind of benchmark: how its annotations are read, and what is measured.

A benchmark of config ``evaluate.benchmarks`` names a kind of `KINDS`. To add a kind, write a module with a `Kind` like
those here and list it in `_ALL`. CC-Neg, zero-shot classification and the embeddings of CC-Neg's texts have commands
of their own; their metrics are declared here too.

On all of `KINDS` a tie is wrong; on CC-Neg it is right, as in the paper (section 5). The published code of NegBench and
NegRefCOCOg takes the first of equal scores, which in the published files is always the right one: a model that cannot
tell captions apart would score 100 there and scores 0 here.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.evaluate import presence
from pipeline_lib.evaluate.declaration import Choice, Kind, Metric
from pipeline_lib.formats import annotations as published
from pipeline_lib.formats.annotations import image_key, texts
from pipeline_lib.jobs.file_kind import absent
from pipeline_lib.jobs.quoted import quoted
from pipeline_lib.readers.crops import read_boxes

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

BLIND = ("blind-rule", "blind-words")  # models that see no image (`pipeline_lib.evaluate.blind`)
TEXT_ONLY = "text only"  # their family
MOST_PAIRS = 5  # CC-Neg as released counts 1 to 5 pairs; captions with more are counted with 5

CCNEG = Kind(
    "ccneg",
    table="ccneg",
    item=("key",),
    tie_counts=True,
    clip_load=True,
    metrics=(
        Metric("cc-neg"),
        Metric("cc-neg/word={negation_word}", table="ccneg-by-word"),
        Metric("cc-neg/pairs={n_pairs}", clip={"n_pairs": MOST_PAIRS}, table="ccneg-by-pairs"),  # paper, figure 4
    ),
)


def ccneg_items(triplets: "pd.DataFrame", score_true: "np.ndarray", score_negated: "np.ndarray") -> "pd.DataFrame":
    """Return CC-Neg's items: ``key``, ``negation_word``, ``n_pairs``, ``score_true``, ``score_negated``, ``correct``.

    The scores, of shape (n,), say how well each caption and each negated caption fits its image; higher is better.
    """
    items = triplets[["key", "negation_word", "n_pairs"]].reset_index(drop=True)
    correct = CCNEG.prefers(score_true, score_negated)
    return items.assign(score_true=score_true, score_negated=score_negated, correct=correct)


ZEROSHOT = Kind(
    "zeroshot",
    table="zeroshot",
    item=("dataset", "prompt", "key"),
    varies=("predicted",),
    metrics=(
        Metric("{dataset}", "top1", prompt="{prompt}", in_order=True),
        Metric("{dataset}", "mean_per_class", mean_over="label", prompt="{prompt}", in_order=True),
    ),
)

_SIDES = ("captions", "negated", "own-negation")
EMBEDDINGS = Kind(
    "embeddings",
    table="embeddings",
    metrics=(
        *(Metric(f"cc-neg/{side}", "cosine", None, percent=False) for side in _SIDES),
        *(Metric(f"cc-neg/{side}", "dimensions", None, percent=False) for side in _SIDES[:2]),
    ),
)


def _choice(where: str, columns: dict, item: dict, fields: tuple[str, ...], right: tuple[int, ...] = (0,)) -> Choice:
    """Return an item of which the first field is the image's file name and the others are captions."""
    image, *captions = texts(item, fields, where)
    key = image_key(image, where)
    return Choice({"item": columns.pop("item"), "key": key, **columns}, [key], captions, right)


MCQ_FIELDS = ("image_path", "caption_0", "caption_1", "caption_2", "caption_3")
ANSWERS = ("0", "1", "2", "3")
TEMPLATES = ("positive", "negative", "hybrid")


def _read_mcq(path: Path) -> list[Choice]:
    """NegBench's CSV; `correct_answer` is the number of the right caption, `correct_answer_template` its template."""
    allowed, rows = {"correct_answer": ANSWERS, "correct_answer_template": TEMPLATES}, []
    for where, row in published.read_rows(path, [*MCQ_FIELDS, *allowed]):
        row["correct_answer"] = row["correct_answer"].removesuffix(".0")  # as pandas writes a column with an empty cell
        for column, values in allowed.items():
            if row[column] not in values:
                raise ValueError(f"{where}, {column}: expected one of {', '.join(values)}, found {row[column]!r}")
        answer = int(row["correct_answer"])
        columns = {"item": len(rows), "template": row["correct_answer_template"], "correct_answer": answer}
        rows.append(_choice(where, columns, row, MCQ_FIELDS, (answer,)))
    return rows


def _read_retrieval(path: Path) -> list[Choice]:
    """NegBench's CSV: ``filepath``, and ``captions`` as the literal of a Python list; it is parsed, never evaluated."""
    rows, lines = [], {}
    for where, row in published.read_rows(path, ["filepath", "captions"]):
        key = image_key(row["filepath"], where)
        if key in lines:
            raise ValueError(f"{where}: the image {key} has a row already: {lines[key]}; join their captions")
        lines[key] = where
        rows.append(Choice({"key": key}, [key], published.string_list(row["captions"], where)))
    return rows


VALID = (2, 3)  # votes of three annotators, who took the caption and not the foil for the true one


def _read_valse(path: Path) -> list[Choice]:
    """A part of VALSE: a JSON object ``{ID: {"image_file", "caption", "foil", "mturk": {"caption": votes}}}``."""
    rows = []
    for name, item in published.read_items(path, dict).items():
        where = f"{path}, item {name}"
        row = _choice(where, {"item": name}, item, ("image_file", "caption", "foil"))
        votes = item["mturk"].get("caption") if isinstance(item.get("mturk"), dict) else None
        if type(votes) is not int:
            raise ValueError(f"{where}: expected the number of votes mturk.caption, found {quoted(votes)}")
        rows.append(row._replace(columns={**row.columns, "votes": votes}))
    return rows


def _read_negrefcocog(path: Path) -> list[Choice]:
    """Phrases that each mean one of several boxes of a photo; keys of the crops: `pipeline_lib.readers.crops`."""
    return [
        Choice({"item": number, "key": row["keys"][row["right"]]}, row["keys"], [row["phrase"]], (row["right"],))
        for number, row in enumerate(read_boxes(path))
    ]


#: SugarCREPE's groups, each the plain mean of its parts (paper, section 5).
SUGARCREPE_GROUPS = {
    "replace": ("replace_obj", "replace_att", "replace_rel"),
    "add": ("add_obj", "add_att"),
    "swap": ("swap_obj", "swap_att"),
}
SUGARCREPE_PARTS = {part: f"{part}.json" for parts in SUGARCREPE_GROUPS.values() for part in parts}
SUGARCREPE_FIELDS = ("filename", "caption", "negative_caption")


def _read_sugarcrepe(path: Path) -> list[Choice]:
    """A part of SugarCREPE: a JSON object of items by number."""
    items = published.read_items(path, dict).items()
    return [_choice(f"{path}, item {name}", {"item": name}, item, SUGARCREPE_FIELDS) for name, item in items]


def _read_sugarcrepe_plus(path: Path) -> list[Choice]:
    """A part of SugarCrepe++: a JSON list of items, of which two captions say the same."""
    fields, rows = ("filename", "caption", "caption2", "negative_caption"), enumerate(published.read_items(path, list))
    return [_choice(f"{path}, item {number}", {"item": number}, item, fields, (0, 1)) for number, item in rows]


_ALL = (
    Kind(
        "mcq",
        read=_read_mcq,
        scores=("score_0", "score_1", "score_2", "score_3"),
        cut=True,  # as the published code does, here and in retrieval
        chooses_captions=True,
        metrics=(Metric("{benchmark}"), Metric("{benchmark}/{template}")),
    ),
    Kind(
        "retrieval",
        read=_read_retrieval,
        counted="images",
        scorer="pipeline_lib.evaluate.benchmark:score_retrieval",
        cut=True,
        item=("direction", "key", "caption"),
        together="key",
        metrics=tuple(
            Metric(dataset, f"recall@{k}", "rank", at_most=k, where={"direction": (direction,)})
            for dataset, direction in (
                ("{benchmark}", "text-to-image"),  # which NegBench reports
                ("{benchmark}/image-to-text", "image-to-text"),
            )
            for k in (1, 5)
        ),
    ),
    Kind(
        "valse",
        read=_read_valse,
        scores=("score_caption", "score_foil"),
        chooses_captions=True,
        metrics=(
            Metric("{benchmark}"),  # all items, over which later papers give existence: 379 of 534 are 70.97
            Metric("{benchmark}/valid", where={"votes": VALID}),  # acc_r of VALSE's own evaluation: 505 of the 534
        ),
    ),
    Kind("negrefcocog", read=_read_negrefcocog, clip_load=True, metrics=(Metric("{benchmark}"),)),
    Kind(
        "sugarcrepe",
        table="sugarcrepe",
        clip_load=True,
        read=_read_sugarcrepe,
        parts=SUGARCREPE_PARTS,
        item=("part", "item", "key"),
        scores=("score_positive", "score_negative"),
        chooses_captions=True,
        metrics=tuple(
            metric
            for group, parts in SUGARCREPE_GROUPS.items()
            for metric in (
                *(Metric(f"{{benchmark}}/{part}", where={"part": (part,)}) for part in parts),
                Metric(f"{{benchmark}}/{group}", where={"part": parts}, mean_over="part"),
            )
        ),
    ),
    Kind(
        "sugarcrepe-plus",
        read=_read_sugarcrepe_plus,
        parts={part: file for part, file in SUGARCREPE_PARTS.items() if part not in SUGARCREPE_GROUPS["add"]},
        item=("part", "item", "key"),
        scores=("score_caption", "score_caption2", "score_negative"),
        text_scores=("text_captions", "text_caption", "text_caption2"),
        chooses_captions=True,
        metrics=tuple(
            metric
            for dataset, outcome in (("{benchmark}", "correct"), ("{benchmark}/text-only", "correct_text"))
            for metric in (
                Metric(dataset, outcome=outcome, mean_over="part"),
                Metric(dataset + "/{part}", outcome=outcome, in_order=True),
            )
        ),
    ),
    presence.TRUTH_TABLE,
    presence.NEGATED_RETRIEVAL,
)

#: The kinds of config ``evaluate.benchmarks``, and those with a command of their own.
KINDS = {kind.name: kind for kind in _ALL}
OWN_COMMAND = {kind.name: kind for kind in (CCNEG, ZEROSHOT, EMBEDDINGS)}
WITHOUT_ITEMS = tuple(name for name, kind in OWN_COMMAND.items() if not kind.outcomes)


def blind_benchmarks(benchmarks: dict[str, dict]) -> dict[str, list[str]]:
    """Return what each model of `BLIND` is scored on, of CC-Neg and config ``evaluate.benchmarks``."""
    chosen = [name for name, entry in benchmarks.items() if KINDS[entry["kind"]].chooses_captions]
    return {"blind-rule": ["ccneg"], "blind-words": ["ccneg", *chosen]}


def kind_for(kind: Kind, model: str) -> Kind:
    """Return what of a kind a model is measured on."""
    return kind.without_image if model in BLIND else kind


def annotation_files(kind: str, annotations: str) -> list[str]:
    """Return the files that a benchmark's annotations are made of, from the config's path: a file or a folder."""
    return [f"{annotations}/{name}" for name in KINDS[kind].parts.values()] or [annotations]


def read_annotations(kind: str, path: str | Path, count: int | dict[str, int] | None = None) -> list[Choice]:
    """Return the items of a file or folder; refuse another number than `count`, of parts so many each."""
    declared, rows = KINDS[kind], []
    for part, name in (declared.parts or {"": ""}).items():
        file = Path(path, name)
        if part and not file.is_file():
            files = ", ".join(declared.parts.values())
            raise FileNotFoundError(f"{absent(file)}; {kind} has {len(declared.parts)}: {files}")
        found = declared.read(file)
        expected = count[part] if part and count else count
        if expected is not None and len(found) != expected:
            raise ValueError(
                f"{file}: expected {expected:,} {declared.counted} as published, found {len(found):,}; download the "
                "file again"
            )
        rows += [row._replace(columns={"part": part, **row.columns}) for row in found] if part else found
    return rows
