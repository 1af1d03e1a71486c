"""Published numbers (``config/published.tsv``), and what is said of ours beside them.

A number is comparable only where model, backbone, dataset, prompt and metric are the same. A row without a backbone is
of one that the paper does not name, and is compared with nothing. Where several sources print the same cell, the
paper's own print comes first, then its plot, then other papers' quotes, then replications; numbers marked ``recalled``
are kept in the file and never compared.

Reproduced: the published number lies in the row's 95 % interval, widened by its own rounding (a printed 99.70 may have
been anything within 0.005), and by `RADAR` where it was read off a plot. Not comparable: with the reason, one of
`pipeline_lib.paper.outputs.REASONS`. The interval is over items: it does not hold what another seed would change.
"""

import io
import math
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline_lib.evaluate.kinds import KINDS
from pipeline_lib.evaluate.prompts import PROMPTS
from pipeline_lib.jobs.text import read_text
from pipeline_lib.paper.outputs import REASONS, VERDICTS

COLUMNS = ["table", "model", "backbone", "dataset", "prompt", "metric", "value", "provenance"]
RECALLED = "recalled"  # never compared
PROVENANCES = ("paper", "radar", "quoted", "replication", RECALLED)  # the first that has a cell counts
RADAR = 0.5  # points by which a number read off the paper's plot may be wrong
REPRODUCED, NOT_REPRODUCED, NOT_COMPARABLE = VERDICTS

#: Our backbone names -> the paper's. Any other backbone has no published number.
BACKBONES = {
    "rn50": "RN50", "rn101": "RN101", "vit-b32": "ViT-B/32", "vit-b16": "ViT-B/16", "vit-l14": "ViT-L/14",
    "flava-full": "flava-full", "blip-itm-base-coco": "blip-itm-base-coco",
}  # fmt: skip

RELEASED = " (released)"  # ends the family of a model by its authors' own checkpoint, beside which is one trained here

#: (loss, negatives) -> the name of the row in the paper's ablation.
ABLATION_ROWS = {
    ("l1", "ccneg"): "L1", ("l2", "ccneg"): "L2", ("l1+l2", "ccneg"): "L1+L2", ("conclip", "ccneg"): "L_conclip",
    ("l1+c2i", "crepe"): "CREPE-Negate L1", ("l1", "crepe"): "CREPE-Negate L1",
}  # fmt: skip
OTHER_LOSS = ("l1", "crepe")  # the loss by which the paper calls its row; by the authors' files it was L1+C2I

#: Over which datasets the paper's zero-shot means are.
ZEROSHOT_DATASETS = {
    "imagenet-1k", "cifar-100", "cifar-10", "stanford-cars", "caltech-101", "food-101", "flowers-102", "oxford-pets",
}  # fmt: skip
ZEROSHOT_MEANS = ("zero-shot", "zero-shot/mean")

#: Table and dataset of our numbers -> those of the published ones, where they differ.
PLACES = {
    ("negation", "negbench-mcq-coco"): ("negbench-mcq", "coco"),
    ("negation", "negbench-mcq-voc2007"): ("negbench-mcq", "voc2007"),
    ("negation", "valse-existence"): ("valse", "existence"),
    ("negation", "negrefcocog"): ("negrefcocog", "negrefcocog"),
} | {
    ("sugarcrepe", f"sugarcrepe/{part}"): ("sugarcrepe", part)
    for part in ("mean", *(metric.dataset.format(benchmark="")[1:] for metric in KINDS["sugarcrepe"].metrics))
}


class Number(NamedTuple):
    """A published number, in percent or points."""

    value: float
    provenance: str  # one of `PROVENANCES`
    rounding: float  # half a unit of its last printed digit: as far as the number before rounding may be from it


PublishedCell = tuple[str, str, str, str, str, str]  # table, model, backbone, dataset, prompt (may be empty), metric
Published = dict[PublishedCell, Number]


def read_published(path: str | Path) -> Published:
    """Read published numbers: of each cell that of the preferred source, a recalled one where there is no other.

    The file is tab-separated, with the header `COLUMNS`.
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
        cell, where = tuple(cell), f"{path}, line {line}"
        for name, found, known in (("provenance", provenance, PROVENANCES), ("prompt", cell[4], ("", *PROMPTS))):
            if found not in known:
                listed = ", ".join(filter(None, known))
                raise ValueError(f"{where}: expected {name} to be one of {listed}, found {found!r}")
        if (cell, provenance) in seen:
            raise ValueError(f"{where}: {' '.join(cell)} ({provenance}) is already in the file")
        seen.add((cell, provenance))
        number = Number(_finite(value, where), provenance, 0.5 * 10 ** -len(value.partition(".")[2]))
        if cell not in best or PROVENANCES.index(provenance) < PROVENANCES.index(best[cell].provenance):
            best[cell] = number
    return best


def _finite(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{where}: expected value to be a number, found {text!r}")
    return number


def published_cell(row: dict) -> PublishedCell | None:
    """Return where the number of a row of the tidy table would be published; None: the paper lacks the backbone."""
    backbone = BACKBONES.get(row["backbone"])
    if backbone is None:
        return None
    table, dataset, metric = row["table"], row["dataset"], row["metric"]
    model = ABLATION_ROWS.get((row["loss"], row["negatives"]), "")
    if row["loss"] is None or (model == "L_conclip" and table != "ablation"):
        model = row["family"].removesuffix(RELEASED)
    if (table, dataset, metric) == ("zeroshot", "mean", "gain"):
        table, dataset, metric = "zeroshot-gain", "zero-shot", "mean gain"
    table, dataset = PLACES.get((table, dataset), (table, dataset))
    return table, model, backbone, dataset, row["prompt"] or "", metric


def with_verdicts(rows: pd.DataFrame, published: Published, datasets: set[str], released: bool) -> pd.DataFrame:
    """Return the rows of `intervals.with_intervals` with published, published_provenance, difference, verdict, reason.

    `datasets` are the zero-shot datasets of the run; `released`: CC-Neg is the authors' own.
    """
    known = [cell for cell, number in published.items() if number.provenance != RECALLED]
    without_prompt = {(*cell[:4], cell[5]) for cell in known}
    without_backbone = {(*cell[:2], *cell[3:]) for cell in known if not cell[2]}

    def reason_of(row: dict, cell: PublishedCell | None, number: Number | None) -> str | None:
        """Return why a number cannot be compared, or None if it can."""
        if cell is None:
            return "other backbone"
        if number is None:
            if (*cell[:2], *cell[3:]) in without_backbone:
                return "backbone not named"
            return "other prompt" if (*cell[:4], cell[5]) in without_prompt else "nothing published"
        if number.provenance == RECALLED:
            return "recalled only"
        if cell[3] in ZEROSHOT_MEANS and datasets != ZEROSHOT_DATASETS:
            return "other datasets"
        if (row["loss"], row["negatives"]) == OTHER_LOSS:
            return "other loss"
        return "other data" if row["benchmark"] == "ccneg" and not released else None

    judged = []
    for row in rows.to_dict("records"):
        cell = published_cell(row)
        number = published.get(cell)
        reason = reason_of(row, cell, number)
        assert reason is None or reason in REASONS
        if number is None or reason in ("recalled only", "other datasets"):
            judged.append((None, None, NOT_COMPARABLE, reason))
            continue
        slack = number.rounding + (RADAR if number.provenance == "radar" else 0) + 1e-9
        within = row["low"] - slack <= number.value <= row["high"] + slack
        verdict = NOT_COMPARABLE if reason else REPRODUCED if within else NOT_REPRODUCED
        judged.append((number.value, number.provenance, verdict, reason))
    found = pd.DataFrame(judged, columns=["published", "published_provenance", "verdict", "reason"], index=rows.index)
    found = found.astype({"published": float}).astype(dict.fromkeys(found.columns[1:], object))
    return rows.assign(**found, difference=rows.value - found.published)
