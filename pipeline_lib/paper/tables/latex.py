"""A table as LaTeX: what `pipeline_lib.paper.tables.layout` and `claims` have written as text, with booktabs."""

EMPTY = "This run has no model for this table."
#: What LaTeX would take for a command, and what is not ASCII in the tables.
_ESCAPES = str.maketrans({
    **{character: "\\" + character for character in "&%$#_{}"}, "\\": r"\textbackslash{}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$", "−": "$-$", "≥": r"$\ge$", "≤": r"$\le$",
    "–": "--", "…": r"\ldots{}", "×": r"$\times$", "“": "``", "”": "''",
})  # fmt: skip


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def latex_table(
    name: str, caption: str, headings: list[str], rows: list[list[str]], texts: int, bold: list[list[bool]]
) -> str:
    """Return a floating LaTeX table, labelled ``tab:NAME``, with space between its first column's groups.

    It is read in by ``\\input`` where the preamble has ``\\usepackage{booktabs}``. The first `texts` columns hold text,
    the others numbers; `bold` says for each row which of the numbers are set in bold.
    """
    lines = []
    for place, (row, strong) in enumerate(zip(rows, bold, strict=True)):
        if place and row[0] != rows[place - 1][0]:
            lines.append(r"\addlinespace")
        numbers = [_escaped(cell.replace("-", "−")) for cell in row[texts:]]
        numbers = [rf"\textbf{{{cell}}}" if mark else cell for cell, mark in zip(numbers, strong, strict=True)]
        lines.append(" & ".join([*map(_escaped, row[:texts]), *numbers]) + r" \\")
    body = "\n".join(lines) or rf"\multicolumn{{{len(headings)}}}{{l}}{{{EMPTY}}} \\"
    columns = "l" * texts + "r" * (len(headings) - texts)
    return rf"""\begin{{table}}
\centering
\caption{{{_escaped(caption)}}}
\label{{tab:{name}}}
\begin{{tabular}}{{{columns}}}
\toprule
{" & ".join(map(_escaped, headings))} \\
\midrule
{body}
\bottomrule
\end{{tabular}}
\end{{table}}
"""
