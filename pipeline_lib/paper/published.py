"""Published numbers (``config/published.tsv``) and which cell of our tables each belongs to.

A number is comparable only where model, backbone, dataset and metric are the same. Where several sources print the
same cell, the paper's own print comes first, then its plot, then other papers' quotes, then replications; numbers
marked ``recalled`` are kept in the file and never compared.
"""

import math
from pathlib import Path

import pandas as pd

COLUMNS = ["table", "model", "backbone", "dataset", "metric", "value", "provenance"]
PREFERENCE = ("paper", "radar", "quoted", "replication")
NEVER_COMPARED = "recalled"

#: Our backbone names -> the paper's. Any other backbone has no published number.
BACKBONES = {
    "rn50": "RN50",
    "rn101": "RN101",
    "vit-b32": "ViT-B/32",
    "vit-b16": "ViT-B/16",
    "vit-l14": "ViT-L/14",
}

#: (loss, negatives) -> the name of the row in the paper's ablation.
ABLATION_ROWS = {
    ("l1", "ccneg"): "L1",
    ("l2", "ccneg"): "L2",
    ("l1+l2", "ccneg"): "L1+L2",
    ("conclip", "ccneg"): "L_conclip",
    ("l1", "crepe"): "CREPE-Negate L1",
}

#: Our benchmarks -> table and dataset of the published numbers.
NEGATION = {
    "negbench-mcq-coco": ("negbench-mcq", "coco"),
    "negbench-mcq-voc2007": ("negbench-mcq", "voc2007"),
    "valse-existence": ("valse", "existence"),
    "negrefcocog": ("negrefcocog", "negrefcocog"),
}

Published = dict[tuple[str, str, str, str, str], tuple[float, str]]


def read_published(path: str | Path) -> Published:
    """Read published numbers.

    Parameters
    ----------
    path : str or Path
        Tab-separated, header ``table model backbone dataset metric value provenance``.

    Returns
    -------
    dict
        (table, model, backbone, dataset, metric) -> (value, provenance): the preferred source of each cell.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a column is missing, a value is not a number, a provenance is unknown, or a source repeats a cell.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file of published numbers")
    frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8")
    if list(frame.columns) != COLUMNS:
        raise ValueError(f"{path}: expected the columns {', '.join(COLUMNS)}, found {', '.join(frame.columns)}")
    best: Published = {}
    seen = set()
    for line, (*cell, value, provenance) in enumerate(frame.itertuples(index=False, name=None), start=2):
        cell = tuple(cell)
        if provenance not in (*PREFERENCE, NEVER_COMPARED):
            known = ", ".join((*PREFERENCE, NEVER_COMPARED))
            raise ValueError(f"{path}, line {line}: expected provenance to be one of {known}, found {provenance!r}")
        if (cell, provenance) in seen:
            raise ValueError(f"{path}, line {line}: {' '.join(cell)} ({provenance}) is already in the file")
        seen.add((cell, provenance))
        number = _number(value, f"{path}, line {line}")
        if provenance == NEVER_COMPARED:
            continue
        if cell not in best or PREFERENCE.index(provenance) < PREFERENCE.index(best[cell][1]):
            best[cell] = (number, provenance)
    return best


def _number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{where}: expected value to be a number, found {text!r}")
    return number


def find_published(published: Published, row: dict) -> tuple[float | None, str | None]:
    """Return the published number for one row of the tidy table.

    Parameters
    ----------
    published : dict
        From `read_published`.
    row : dict
        Columns table, family, backbone, loss, negatives, dataset, prompt, metric.

    Returns
    -------
    value : float or None
    provenance : str or None
        Both None where nothing comparable was published.
    """
    backbone = BACKBONES.get(row["backbone"])
    if backbone is None:
        return None, None
    for table, dataset, metric in _places(row):
        found = published.get((table, _model(row), backbone, dataset, metric))
        if found:
            return found
    return None, None


def _model(row: dict) -> str:
    """Return the name under which the model would have been published."""
    ablation = ABLATION_ROWS.get((row["loss"], row["negatives"]))
    if row["loss"] is None or (ablation == "L_conclip" and row["table"] != "ablation"):
        return row["family"]
    return ablation or ""


def _places(row: dict) -> list[tuple[str, str, str]]:
    """Return (table, dataset, metric) under which the cell would have been published, the closest first."""
    table, dataset, metric = row["table"], row["dataset"], row["metric"]
    if table == "zeroshot" and metric == "top1":
        # Our plain prompt is a photo prompt; the paper's own plot is of bare class names on most datasets.
        return [("zeroshot-photo", dataset, metric), ("zeroshot", dataset, metric)]
    if table == "zeroshot" and (dataset, metric) == ("mean", "gain"):
        return [("zeroshot-gain", "zero-shot", "mean gain")]
    if table == "sugarcrepe":
        return [("sugarcrepe", dataset.removeprefix("sugarcrepe/"), metric)]
    if table == "negation":
        return [(*NEGATION.get(dataset, (table, dataset)), metric)]
    return [(table, dataset, metric)]
