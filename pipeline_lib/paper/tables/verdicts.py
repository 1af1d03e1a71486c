"""Set each number of the tidy table beside the published one, and say whether it was reproduced.

Reproduced: the published number lies in the row's 95 % interval, widened by its own rounding (a printed 99.70 may have
been anything within 0.005), and by `RADAR` where it was read off a plot. Not comparable: with the reason, one of
`pipeline_lib.paper.outputs.REASONS`. The interval is over items: it does not hold what another seed would change.
"""

import pandas as pd

from pipeline_lib.paper.outputs import REASONS, VERDICTS
from pipeline_lib.paper.tables.published import (
    NEVER_COMPARED,
    ZEROSHOT_DATASETS,
    ZEROSHOT_MEANS,
    Cell,
    Number,
    Published,
    published_cell,
)

RADAR = 0.5  # points by which a number read off the paper's plot may be wrong
REPRODUCED, NOT_REPRODUCED, NOT_COMPARABLE = VERDICTS


def with_verdicts(rows: pd.DataFrame, published: Published, datasets: set[str], released: bool) -> pd.DataFrame:
    """Return the rows with the columns published, published_provenance, difference, verdict and reason.

    Parameters
    ----------
    rows : DataFrame
        From `pipeline_lib.paper.tables.intervals.with_intervals`.
    published : dict
        From `pipeline_lib.paper.tables.published.read_published`.
    datasets : set of str
        The zero-shot datasets of the run.
    released : bool
        Whether CC-Neg is the authors' own, and not made by this pipeline.
    """
    elsewhere = _Elsewhere(published)
    judged = pd.DataFrame(
        [_judge(row, published, elsewhere, datasets, released) for row in rows.to_dict("records")],
        columns=["published", "published_provenance", "verdict", "reason"],
        index=rows.index,
    )
    judged = judged.astype({"published": float}).astype(dict.fromkeys(judged.columns[1:], object))
    return rows.assign(**judged, difference=rows.value - judged.published)


class _Elsewhere:
    """The published cells without their prompt, and without their backbone."""

    def __init__(self, published: Published) -> None:
        known = [cell for cell, number in published.items() if number.provenance != NEVER_COMPARED]
        self.prompts = {(*cell[:4], cell[5]) for cell in known}
        self.backbones = {(*cell[:2], *cell[3:]) for cell in known if not cell[2]}


def _judge(row: dict, published: Published, elsewhere: _Elsewhere, datasets: set[str], released: bool) -> tuple:
    cell = published_cell(row)
    number = published.get(cell)
    reason = _reason(cell, number, elsewhere, datasets, released)
    assert reason is None or reason in REASONS
    if number is None or reason in ("recalled only", "other datasets"):
        return None, None, NOT_COMPARABLE, reason
    if reason:
        return number.value, number.provenance, NOT_COMPARABLE, reason
    slack = number.rounding + (RADAR if number.provenance == "radar" else 0) + 1e-9
    within = row["low"] - slack <= number.value <= row["high"] + slack
    return number.value, number.provenance, REPRODUCED if within else NOT_REPRODUCED, None


def _reason(
    cell: Cell | None, number: Number | None, elsewhere: _Elsewhere, datasets: set[str], released: bool
) -> str | None:
    """Return why a number cannot be compared, or None if it can."""
    if cell is None:
        return "other backbone"
    if number is None:
        if (*cell[:2], *cell[3:]) in elsewhere.backbones:
            return "backbone not named"
        return "other prompt" if (*cell[:4], cell[5]) in elsewhere.prompts else "nothing published"
    if number.provenance == NEVER_COMPARED:
        return "recalled only"
    dataset = cell[3]
    if dataset in ZEROSHOT_MEANS and datasets != ZEROSHOT_DATASETS:
        return "other datasets"
    if dataset.startswith("cc-neg") and not released:
        return "other data"
    return None
