"""What the stage writes, by name, and what a reader should see in it: ``outputs.toml``.

Imports nothing of ours, so that the workflow can list the files as outputs without loading pandas.
"""

import tomllib
from pathlib import Path
from typing import NamedTuple


class Exhibit(NamedTuple):
    """A table, a figure or a section of the report."""

    title: str
    caption: str = ""  # what the paper's counterpart shows and what to look for here, in a sentence or two


_content = tomllib.loads(Path(__file__).with_name("outputs.toml").read_text(encoding="utf-8"))


def _exhibits(section: str) -> dict[str, Exhibit]:
    return {name: Exhibit(one["title"], " ".join(one["caption"].split())) for name, one in _content[section].items()}


#: Everything in the tables folder and in the figures folder, in the order in which the report shows it.
TABLE_ITEMS, FIGURES = _exhibits("tables"), _exhibits("figures")
FETCH = _exhibits("report")["fetch"]  # a section of the report without a table in the folder

#: Tables of numbers, and those of them that the tidy table has under their name.
NUMBER_TABLES = [name for name in TABLE_ITEMS if name != "claims"]
TABLES = [name for name in NUMBER_TABLES if name not in ("headline", "learned")]

#: Beside the published number: within the row's interval, widened by the number's own rounding, or not.
VERDICTS = ("reproduced", "not reproduced", "not comparable")

#: Why a row is not comparable -> what that means.
REASONS = {
    "other backbone": "the paper does not have this backbone",
    "other data": "CC-Neg made here has other items than the authors' 40,000",
    "other loss": "the authors trained this row of the paper with L1+C2I, not with L1 alone",
    "other datasets": "the paper's mean is over its own eight datasets",
    "other prompt": "published under another prompt only",
    "backbone not named": "published without naming the backbone",
    "other precision": "published for a model in fp16 and computed here in fp32, or the reverse",
    "other activation": "published for QuickGELU weights that were loaded with GELU",
    "recalled only": "the only known number is unconfirmed",
    "nothing published": "no published number is known",
}

TABLE_FORMATS = ("csv", "md", "tex")
FIGURE_FORMATS = ("svg", "pdf", "png")
CAPTION_FORMAT = "rst"  # of an item's caption, which lies beside it

#: Files in the tables folder and in the figures folder.
TABLE_FILES = tuple(f"{name}.{suffix}" for name in TABLE_ITEMS for suffix in (*TABLE_FORMATS, CAPTION_FORMAT))
FIGURE_FILES = tuple(f"{name}.{suffix}" for name in FIGURES for suffix in (*FIGURE_FORMATS, CAPTION_FORMAT))
