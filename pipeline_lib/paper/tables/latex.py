"""A table as LaTeX, to be read in by ``\\input`` where the preamble has ``\\usepackage{booktabs}``."""

from collections.abc import Sequence

#: What LaTeX would take for a command, and what is not ASCII in the tables.
ESCAPES = {
    "\\": r"\textbackslash{}",
    **{character: "\\" + character for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "…": r"\ldots{}",
    "“": "``",
    "”": "''",
    "≥": r"$\ge$",
    "≤": r"$\le$",
}


def escaped(text: str) -> str:
    """Return text as LaTeX prints it."""
    return "".join(ESCAPES.get(character, character) for character in text)


def number(text: str) -> str:
    """Return a cell that holds numbers as LaTeX: with a minus, and not a hyphen, where they are negative."""
    return escaped(text.replace("-", "−"))


def table(
    name: str,
    title: str,
    note: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    texts: int,
    bold: Sequence[Sequence[bool]],
) -> str:
    """Return a floating table with rules between its first column's groups.

    Parameters
    ----------
    name : str
        It is labelled ``tab:NAME``.
    title, note : str
        Together the caption.
    headings, rows : sequence of str, of sequences of str
        Plain text, escaped here.
    texts : int
        How many columns at the left hold text; the others hold numbers.
    bold : sequence of sequences of bool
        For each row, which of the numbers are set in bold.
    """
    lines = []
    for place, (row, strong) in enumerate(zip(rows, bold, strict=True)):
        if place and row[0] != rows[place - 1][0]:
            lines.append(r"\addlinespace")
        numbers = [
            rf"\textbf{{{number(cell)}}}" if mark else number(cell)
            for cell, mark in zip(row[texts:], strong, strict=True)
        ]
        lines.append(" & ".join([*map(escaped, row[:texts]), *numbers]) + r" \\")
    body = "\n".join(lines) or rf"\multicolumn{{{len(headings)}}}{{l}}{{This run has no model for this table.}} \\"
    columns = "l" * texts + "r" * (len(headings) - texts)
    return rf"""\begin{{table}}
\centering
\caption{{{escaped(title)}. {escaped(note)}}}
\label{{tab:{name}}}
\begin{{tabular}}{{{columns}}}
\toprule
{" & ".join(map(escaped, headings))} \\
\midrule
{body}
\bottomrule
\end{{tabular}}
\end{{table}}
"""
