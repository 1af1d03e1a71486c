"""Published numbers (``config/published.tsv``) and which cell of our tables each belongs to.

A number is comparable only where model, backbone, dataset, prompt and metric are the same. A row without a backbone is
of one that the paper does not name, and is compared with nothing. Where several sources print the
same cell, the paper's own print comes first, then its plot, then other papers' quotes, then replications; numbers
marked ``recalled`` are kept in the file and never compared.
"""

import io
import math
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline_lib.evaluate.prompts import PROMPTS
from pipeline_lib.jobs.text import read_text

COLUMNS = ["table", "model", "backbone", "dataset", "prompt", "metric", "value", "provenance"]
PREFERENCE = ("paper", "radar", "quoted", "replication")
NEVER_COMPARED = "recalled"

#: Our backbone names -> the paper's. Any other backbone has no published number.
BACKBONES = {
    "rn50": "RN50",
    "rn101": "RN101",
    "vit-b32": "ViT-B/32",
    "vit-b16": "ViT-B/16",
    "vit-l14": "ViT-L/14",
    "flava-full": "flava-full",
    "blip-itm-base-coco": "blip-itm-base-coco",
}

RELEASED = " (released)"  # ends the family of a model by its authors' own checkpoint, beside which is one trained here

#: (loss, negatives) -> the name of the row in the paper's ablation.
ABLATION_ROWS = {
    ("l1", "ccneg"): "L1",
    ("l2", "ccneg"): "L2",
    ("l1+l2", "ccneg"): "L1+L2",
    ("conclip", "ccneg"): "L_conclip",
    ("l1", "crepe"): "CREPE-Negate L1",
}

#: Over which datasets the paper's zero-shot means are.
ZEROSHOT_DATASETS = {
    "imagenet-1k", "cifar-100", "cifar-10", "stanford-cars", "caltech-101", "food-101", "flowers-102", "oxford-pets",
}  # fmt: skip
ZEROSHOT_MEANS = ("zero-shot", "zero-shot/mean")

#: Our benchmarks -> table and dataset of the published numbers.
NEGATION = {
    "negbench-mcq-coco": ("negbench-mcq", "coco"),
    "negbench-mcq-voc2007": ("negbench-mcq", "voc2007"),
    "valse-existence": ("valse", "existence"),
    "negrefcocog": ("negrefcocog", "negrefcocog"),
}


class Number(NamedTuple):
    """A published number.

    Attributes
    ----------
    value : float
        In percent or points.
    provenance : str
        Its source: one of `PREFERENCE`, or `NEVER_COMPARED`.
    rounding : float
        Half a unit of its last printed digit: as far as the number before rounding may be from it.
    """

    value: float
    provenance: str
    rounding: float


#: (table, model, backbone, dataset, prompt, metric) -> the number
Cell = tuple[str, str, str, str, str, str]
Published = dict[Cell, Number]


def read_published(path: str | Path) -> Published:
    """Read published numbers.

    Parameters
    ----------
    path : str or Path
        Tab-separated, header ``table model backbone dataset prompt metric value provenance``.

    Returns
    -------
    dict
        (table, model, backbone, dataset, prompt, metric) -> the number of the preferred source of each cell, which is a
        recalled one where there is no other; `prompt` is empty where the benchmark has none.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a column is missing, a value is not a number, a prompt or provenance is unknown, or a source repeats a cell.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file of published numbers")
    text = io.StringIO(read_text(path), newline="")
    try:
        frame = pd.read_csv(text, sep="\t", dtype=str, keep_default_na=False, index_col=False)
    except ValueError as error:  # of pandas' own, where it is no table
        raise ValueError(f"{path}: expected a table with tabs between its columns ({error})") from error
    if list(frame.columns) != COLUMNS:
        raise ValueError(f"{path}: expected the columns {', '.join(COLUMNS)}, found {', '.join(frame.columns):.300}")
    best: Published = {}
    seen = set()
    for line, (*cell, value, provenance) in enumerate(frame.itertuples(index=False, name=None), start=2):
        cell = tuple(cell)
        if provenance not in (*PREFERENCE, NEVER_COMPARED):
            known = ", ".join((*PREFERENCE, NEVER_COMPARED))
            raise ValueError(f"{path}, line {line}: expected provenance to be one of {known}, found {provenance!r}")
        prompt = cell[COLUMNS.index("prompt")]
        if prompt not in ("", *PROMPTS):
            raise ValueError(
                f"{path}, line {line}: expected prompt to be one of {', '.join(PROMPTS)}, found {prompt!r}"
            )
        if (cell, provenance) in seen:
            raise ValueError(f"{path}, line {line}: {' '.join(cell)} ({provenance}) is already in the file")
        seen.add((cell, provenance))
        number = _number(value, f"{path}, line {line}")
        if cell not in best or _rank(provenance) < _rank(best[cell].provenance):
            best[cell] = Number(number, provenance, 0.5 * 10 ** -len(value.partition(".")[2]))
    return best


def _rank(provenance: str) -> int:
    return (*PREFERENCE, NEVER_COMPARED).index(provenance)


def _number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{where}: expected value to be a number, found {text!r}")
    return number


def published_cell(row: dict) -> Cell | None:
    """Return under which cell the number of a row of the tidy table would have been published.

    Parameters
    ----------
    row : dict
        Columns table, family, backbone, loss, negatives, dataset, prompt, metric.

    Returns
    -------
    tuple or None
        A key of `Published`; None where the backbone is none of the paper's.
    """
    backbone = BACKBONES.get(row["backbone"])
    if backbone is None:
        return None
    table, dataset, metric = _place(row)
    return table, _model(row), backbone, dataset, row["prompt"] or "", metric


def _model(row: dict) -> str:
    """Return the name under which the model would have been published."""
    ablation = ABLATION_ROWS.get((row["loss"], row["negatives"]))
    if row["loss"] is None or (ablation == "L_conclip" and row["table"] != "ablation"):
        return row["family"].removesuffix(RELEASED)
    return ablation or ""


def _place(row: dict) -> tuple[str, str, str]:
    """Return (table, dataset, metric) under which the cell would have been published."""
    table, dataset, metric = row["table"], row["dataset"], row["metric"]
    if table == "zeroshot" and (dataset, metric) == ("mean", "gain"):
        return "zeroshot-gain", "zero-shot", "mean gain"
    if table == "sugarcrepe":
        return table, dataset.removeprefix("sugarcrepe/"), metric
    if table == "negation":
        return (*NEGATION.get(dataset, (table, dataset)), metric)
    return table, dataset, metric
