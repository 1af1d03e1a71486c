"""Published numbers (``config/published.tsv``), and what is said of ours beside them.

A number is comparable only where model, backbone, dataset, prompt and metric are the same. A row without a backbone is
of one that the paper does not name, and is compared with nothing. Where several sources print the same cell, the
paper's own print comes first, then its plot, then other papers' quotes, then replications; of two quotes the first in
the file. Numbers marked ``recalled`` are kept in the file and never compared. The column ``computed`` says where a
number was computed in another way than ours (`COMPUTED`), by the code that published it: then it is shown and not
compared, since the difference says nothing about the model.

Reproduced: the published number lies in the row's 95 % interval, widened by its own rounding (a printed 99.70 may have
been anything within 0.005), and by `RADAR` where it was read off a plot. Not comparable: with the reason, one of
`pipeline_lib.paper.outputs.REASONS`. The interval is over items: it does not hold what another seed would change.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

from pipeline_lib.config.entries import Line, section
from pipeline_lib.config.errors import mistakes
from pipeline_lib.config.sheets import read_sheet
from pipeline_lib.evaluate.prompts import PROMPTS
from pipeline_lib.jobs.options import text
from pipeline_lib.paper.outputs import REASONS, VERDICTS
from pipeline_lib.paper.tables.metrics import BASELINE
from pipeline_lib.paper.tables.tidy import BACKBONES, MAIN, ZEROSHOT_MEANS, loss_label

RECALLED = "recalled"  # never compared
PROVENANCES = ("paper", "radar", "quoted", "replication", RECALLED)  # the first that has a cell counts
RADAR = 0.5  # points by which a number read off the paper's plot may be wrong
#: How a number was computed, where not as here by default -> why it is not comparable then.
COMPUTED = {
    "fp16": "other precision",  # CLIP as `clip.load` gives it on a GPU: ours with config evaluate.precision: paper
    "gelu": "other activation",  # the weights were trained with QuickGELU and loaded with GELU
}
_Row = section(
    table=Line,
    model=Line,
    backbone=str,
    dataset=Line,
    prompt=Literal[("", *PROMPTS)],
    metric=Line,
    value=text(r"^[+-]?\d+(\.\d+)?$", "a number"),
    provenance=Literal[PROVENANCES],
    source=str,
    computed=Literal[("", *COMPUTED)],
)
COLUMNS = list(_Row.model_fields)
REPRODUCED, NOT_REPRODUCED, NOT_COMPARABLE = VERDICTS

RELEASED = " (released)"  # ends the family of a model by its authors' own checkpoint, beside which is one trained here

METHOD = "CoN-CLIP"  # the family of its full loss; the same loss by another recipe has another family
#: The loss by which the paper calls a row of its ablation, and that of the authors' files, under which it is listed.
OTHER_LOSS, PUBLISHED_LOSS = ("l1", "crepe"), ("l1+c2i", "crepe")

#: Over which datasets the paper's zero-shot means are.
ZEROSHOT_DATASETS = {
    "imagenet-1k", "cifar-100", "cifar-10", "stanford-cars", "caltech-101", "food-101", "flowers-102", "oxford-pets",
}  # fmt: skip


class Number(NamedTuple):
    """A published number, in percent or points."""

    value: float
    provenance: str  # one of `PROVENANCES`
    rounding: float  # half a unit of its last printed digit: as far as the number before rounding may be from it
    source: str = ""  # who published it
    computed: str = ""  # a key of `COMPUTED`, or empty


PublishedCell = tuple[str, str, str, str, str, str]  # table, model, backbone, dataset, prompt (may be empty), metric
Published = dict[PublishedCell, Number]


def read_published(path: str | Path) -> Published:
    """Read published numbers, a table with the columns of `_Row`.

    Of each cell the result has that of the preferred source, a recalled one where there is no other.
    """
    best: Published = {}
    seen = set()
    for where, row in read_sheet(path, COLUMNS).items():
        if wrong := mistakes(row, _Row):
            raise ValueError(f"{where}, {wrong[0]}")
        *cell, value, provenance, source, computed = (row[name] for name in COLUMNS)
        cell = tuple(cell)
        if (cell, provenance, source) in seen:
            raise ValueError(f"{where}: {' '.join(cell)} ({provenance}, {source}) is already in the file")
        seen.add((cell, provenance, source))
        number = Number(float(value), provenance, 0.5 * 10 ** -len(value.partition(".")[2]), source, computed)
        if cell not in best or PROVENANCES.index(provenance) < PROVENANCES.index(best[cell].provenance):
            best[cell] = number
    return best


def published_cell(row: dict) -> PublishedCell:
    """Return where the number of a row of the tidy table would be published.

    The paper's models have the name of their family; in its ablation, and where they are variants, that of their loss.
    """
    model, recipe = row["family"].removesuffix(RELEASED), (row["loss"], row["negatives"])
    in_ablation = row["table"] == "ablation" and model == METHOD
    if row["loss"] is not None and (recipe != MAIN or in_ablation):
        model = loss_label(*(PUBLISHED_LOSS if recipe == OTHER_LOSS else recipe))
    return row["table"], model, row["backbone"], row["dataset"], row["prompt"] or "", row["metric"]


def with_verdicts(
    rows: pd.DataFrame, published: Published, datasets: set[str], released: bool, in_fp16: Collection[str]
) -> pd.DataFrame:
    """Return the rows of `intervals.with_intervals` with the columns published and its source, difference and verdict.

    Parameters
    ----------
    datasets : set of str
        The zero-shot datasets of the run.
    released : bool
        Whether CC-Neg is the authors' own.
    in_fp16 : collection of str
        The benchmarks on which a CLIP that was not fine-tuned computed in fp16, as published.
    """
    known = [cell for cell, number in published.items() if number.provenance != RECALLED]
    without_prompt = {(*cell[:4], cell[5]) for cell in known}
    without_backbone = {(*cell[:2], *cell[3:]) for cell in known if not cell[2]}

    def reason_of(row: dict, cell: PublishedCell, number: Number | None) -> str | None:
        """Return why a number cannot be compared, or None if it can."""
        if row["backbone"] not in BACKBONES:
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
        if row["benchmark"] == "ccneg" and not released:
            return "other data"
        ours = "fp16" if row["benchmark"] in in_fp16 and row["family"] == BASELINE else ""
        return COMPUTED[number.computed or ours] if number.computed != ours else None

    judged = []
    for row in rows.to_dict("records"):
        cell = published_cell(row)
        number = published.get(cell)
        reason = reason_of(row, cell, number)
        assert reason is None or reason in REASONS
        if number is None or reason in ("recalled only", "other datasets"):
            judged.append((None, None, None, NOT_COMPARABLE, reason))
            continue
        slack = number.rounding + (RADAR if number.provenance == "radar" else 0) + 1e-9
        within = row["low"] - slack <= number.value <= row["high"] + slack
        verdict = NOT_COMPARABLE if reason else REPRODUCED if within else NOT_REPRODUCED
        judged.append((number.value, number.provenance, number.source, verdict, reason))
    columns = ["published", "published_provenance", "published_source", "verdict", "reason"]
    found = pd.DataFrame(judged, columns=columns, index=rows.index)
    found = found.astype({"published": float}).astype(dict.fromkeys(found.columns[1:], object))
    return rows.assign(**found, difference=rows.value - found.published)
