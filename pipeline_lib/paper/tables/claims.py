"""What the paper claims and CoN-CLIP+ adds, as bounds that any run can keep: ``results/tables/claims.*``.

On other data and with other models no number of the paper can be expected again, but what the method does can. Each
claim is about one number of the tidy table and a bound on it; the test is whether the number's 95 % interval keeps the
bound. It holds if all of the interval does, does not hold if none of it does, and is undecided between.
"""

import math
from typing import NamedTuple

import pandas as pd

from pipeline_lib.paper.outputs import TABLE_ITEMS
from pipeline_lib.paper.tables.layout import displayed
from pipeline_lib.paper.tables.metrics import BASELINE
from pipeline_lib.paper.tables.overview import Place, cell_rows
from pipeline_lib.paper.tables.text import files_of
from pipeline_lib.paper.tables.tidy import CONTROL, MAIN, PLUS

HOLDS, FAILS, UNDECIDED = ("holds", "does not hold", "undecided")

#: Half way between chance (50) and the ceiling (100): below it a model is nearer to guessing.
HALF_WAY = 75.0
#: One error in ten: a fifth of what guessing makes.
CEILING = 90.0
#: The paper's CoN-CLIPs gain on every dataset; at the miniature's learning rate, 2,500 times theirs, a little may be
#: lost.
KEPT = -3.0
#: Twice what guessing among four captions has; of the miniature's questions, who sees no image has no more than that.
TWICE_CHANCE = 50.0
#: The paper's CLIP moves by 0.3 points when "not" is put into the prompt, its CoN-CLIP by 47.
UNMOVED, MOVED = 5.0, 20.0


class Number(NamedTuple):
    """A number of the tidy table."""

    words: str
    place: Place


class Claim(NamedTuple):
    """A claim about the number of one cell, for each backbone that has it."""

    words: str
    about: Number
    recipe: tuple[str, str] | None  # loss and negatives of the model; None for CLIP
    at_least: float = -math.inf
    at_most: float = math.inf


_CCNEG = Number("CC-Neg accuracy", ("ccneg", "cc-neg", None, "accuracy"))
_DELTA = Number("mean top-1, plain − negated", ("negated-prompt", "mean", None, "delta"))
_GAIN = Number("mean gain over CLIP", ("zeroshot", "mean", "plain", "gain"))
_MCQ = Number("accuracy on mcq", ("negation", "mcq", None, "accuracy"))
_CAPTIONS = Number("truth table, captions", ("truth-table", "truth-table/trained", None, "caption"))
_DENIED = Number("truth table, images for “no”", ("truth-table", "truth-table/trained/absent", None, "image"))

ALL = {
    "clip-near-chance": Claim("CLIP is nearer to chance than to 100 %", _CCNEG, None, at_most=HALF_WAY),
    "conclip-near-ceiling": Claim("CoN-CLIP solves CC-Neg", _CCNEG, MAIN, at_least=CEILING),
    "l1-learns-it": Claim("L1 alone solves CC-Neg", _CCNEG, ("l1", "ccneg"), at_least=CEILING),
    "l2-does-not": Claim("L2 alone does not solve CC-Neg", _CCNEG, ("l2", "ccneg"), at_most=HALF_WAY),
    "zeroshot-kept": Claim("CoN-CLIP keeps CLIP's zero-shot accuracy", _GAIN, MAIN, at_least=KEPT),
    "clip-ignores-not": Claim("CLIP ignores “not” in a prompt", _DELTA, None, -UNMOVED, UNMOVED),
    "conclip-heeds-not": Claim("CoN-CLIP reacts to “not” in a prompt", _DELTA, MAIN, at_least=MOVED),
    "plus-keeps-ccneg": Claim("CoN-CLIP+ solves CC-Neg", _CCNEG, PLUS, at_least=CEILING),
    "plus-keeps-zeroshot": Claim("CoN-CLIP+ keeps CLIP's zero-shot accuracy", _GAIN, PLUS, at_least=KEPT),
    "plus-answers": Claim("CoN-CLIP+ answers questions with “no”", _MCQ, PLUS, at_least=TWICE_CHANCE),
    "plus-reads-no": Claim("CoN-CLIP+ finds the true caption", _CAPTIONS, PLUS, at_least=HALF_WAY),
    "plus-finds-without": Claim("CoN-CLIP+ finds the image for “no”", _DENIED, PLUS, at_least=HALF_WAY),
    "control-does-not-answer": Claim("The control fails at questions with “no”", _MCQ, CONTROL, at_most=TWICE_CHANCE),
    "control-does-not-read": Claim("The control fails to find the true caption", _CAPTIONS, CONTROL, at_most=HALF_WAY),
}

#: Of `judge` and of the CSV file.
COLUMNS = ["claim", "backbone", "model", "statistic", "value", "low", "high", "at_least", "at_most", "verdict"]
HEADINGS = ["claim", "backbone", "model", "statistic", "value", "interval", "bound", "verdict"]


def judge(tables: pd.DataFrame) -> pd.DataFrame:
    """Return a row of `COLUMNS` per claim and backbone that has the number; several seeds by their mean."""
    shown, found = displayed(tables), []
    for name, claim in ALL.items():
        rows = cell_rows(shown, claim.about.place)
        if claim.recipe is None:
            rows = rows[rows.family == BASELINE]
        else:
            rows = rows[(rows.loss == claim.recipe[0]) & (rows.negatives == claim.recipe[1])]
        verdicts = [_verdict(claim, low, high) for low, high in zip(rows.low, rows.high, strict=True)]
        about = {"claim": name, "statistic": claim.about.words, "at_least": claim.at_least, "at_most": claim.at_most}
        found.append(rows.assign(**about, verdict=verdicts)[COLUMNS])
    return pd.concat(found, ignore_index=True).replace([-math.inf, math.inf], math.nan)


def _verdict(claim: Claim, low: float, high: float) -> str:
    if claim.at_least <= low and high <= claim.at_most:
        return HOLDS
    return FAILS if high < claim.at_least or low > claim.at_most else UNDECIDED


def text_rows(judged: pd.DataFrame) -> list[list[str]]:
    """Return the rows as text under `HEADINGS`, with one decimal."""
    rows = []
    for row in judged.itertuples(index=False):
        bounds = (("≥", row.at_least), ("≤", row.at_most))
        bound = " and ".join(f"{sign} {value:.0f}" for sign, value in bounds if pd.notna(value))
        words = (ALL[row.claim].words, row.backbone, row.model, row.statistic)
        numbers = f"{row.value:z.1f}", f"{row.low:z.1f} to {row.high:z.1f}", bound
        rows.append([*words, *(text.replace("-", "−") for text in numbers), row.verdict])
    return rows


def claims_files(judged: pd.DataFrame) -> dict[str, str]:
    """Return the claims in every format, and their caption, by suffix."""
    csv = judged.to_csv(index=False, float_format="%.2f", lineterminator="\n")
    rows, caption = text_rows(judged), TABLE_ITEMS["claims"].caption
    return files_of("claims", HEADINGS, rows, len(HEADINGS), csv, caption, [[]] * len(rows))
