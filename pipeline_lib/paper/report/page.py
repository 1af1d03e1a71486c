"""Tables of the report page, whose cells have interval, published number and verdict; and the page itself.

The page is one file: style, script, figures and tables are in it, and its content security policy lets it load nothing
and run no script but its own.
"""

import base64
import hashlib
from pathlib import Path
from typing import NamedTuple

import jinja2
import pandas as pd

from pipeline_lib.paper.tables.layout import Layout

PAGE, STYLE, SCRIPT = ("report.html.j2", "report.css.j2", "report.js.j2")
MINUS = "\N{MINUS SIGN}"


class Cell(NamedTuple):
    """A cell of a table.

    Attributes
    ----------
    text : str
    value : float or None
        What a number sorts by; None for text.
    heading : bool
        Whether it names its row.
    bold : bool
        Better than the others by more than its interval.
    interval, published : str
        Beside the text, empty where there is none.
    verdict : str
        ``reproduced``, ``holds`` and the like: what the page colours the cell by.
    """

    text: str
    value: float | None = None
    heading: bool = False
    bold: bool = False
    interval: str = ""
    published: str = ""
    verdict: str = ""


class Table(NamedTuple):
    """A table of the page: headings, how many columns from the left are text, and rows of cells."""

    headings: list[str]
    texts: int
    rows: list[list[Cell]]


def number(value: float, pattern: str = "{:,.0f}", **more: object) -> Cell:
    """Return the cell of a number; empty where it is NaN."""
    if pd.isna(value):
        return Cell("")
    return Cell(write(pattern, value), float(value), **more)


def plain(headings: list[str], texts: int, rows: list[list[object]]) -> Table:
    """Return a table of text and numbers: the first `texts` columns name their row, numbers may be None."""
    cells = [
        [
            Cell(str(value), heading=place < texts)
            if isinstance(value, str)
            else number(float("nan") if value is None else value)
            for place, value in enumerate(row)
        ]
        for row in rows
    ]
    return Table(headings, texts, cells)


def from_layout(arranged: Layout) -> Table:
    """Return a table of the paper with intervals, published numbers, verdicts and the best in bold."""
    rows = []
    for place, index in enumerate(arranged.values.index):
        index = index if isinstance(index, tuple) else (index,)
        pattern = arranged.pattern(index)
        cells = [Cell(str(text), heading=True) for text in index]
        for column in range(len(arranged.values.columns)):
            low, high, published, verdict, best = (
                frame.iat[place, column]
                for frame in (arranged.low, arranged.high, arranged.published, arranged.verdict, arranged.best)
            )
            cells.append(
                number(
                    arranged.values.iat[place, column],
                    pattern,
                    bold=bool(best),
                    interval=interval(low, high, pattern),
                    published="" if pd.isna(published) else write(pattern, published),
                    verdict="" if pd.isna(verdict) else verdict,
                )
            )
        rows.append(cells)
    return Table(arranged.headings(), arranged.values.index.nlevels, rows)


def interval(low: float, high: float, pattern: str) -> str:
    """Return an interval as text; empty where there is none."""
    return "" if pd.isna(low) or pd.isna(high) else f"{write(pattern, low)} to {write(pattern, high)}"


def write(pattern: str, value: float) -> str:
    """Return a number as text, with a minus sign that is one."""
    return pattern.format(value).replace("-", MINUS)


def render(**content: object) -> str:
    """Return the page; `content` is what its template shows."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["written"] = write
    style, script = (environment.get_template(name).render() for name in (STYLE, SCRIPT))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return environment.get_template(PAGE).render(style=style, script=script, script_hash=digest, **content)


def data_uri(content: bytes, media_type: str) -> str:
    """Return content as a URI that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
