"""A table as text: Markdown, which also reads well in a terminal, and LaTeX with booktabs."""

from tabulate import tabulate

from pipeline_lib.paper.outputs import TABLE_ITEMS

EMPTY = "This run has no model for this table."
BOLD = "In bold: the best model of a backbone, where no other model's number lies in its interval."
#: What LaTeX would take for a command, and what is not ASCII in the tables.
_ESCAPES = str.maketrans({
    **{character: "\\" + character for character in "&%$#_{}"}, "\\": r"\textbackslash{}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$", "−": "$-$", "≥": r"$\ge$", "≤": r"$\le$",
    "–": "--", "…": r"\ldots{}", "×": r"$\times$", "“": "``", "”": "''",
})  # fmt: skip


def files_of(
    name: str, headings: list[str], rows: list[list[str]], texts: int, csv: str, caption: str, bold: list[list[bool]]
) -> dict[str, str]:
    """Return the files of an entry of `TABLE_ITEMS`, by suffix; the arguments are as `latex_table` takes them."""
    title, note = TABLE_ITEMS[name].title, f" {BOLD}" if any(map(any, bold)) else ""
    return {
        "csv": csv,
        "md": f"## {title}\n\n{markdown_table(headings, rows, texts)}\n\n{caption}\n",
        "tex": latex_table(name, f"{title}. {caption}{note}", headings, rows, texts, bold),
        "rst": f"{caption}\n",
    }


def markdown_table(headings: list[str], rows: list[list[str]], texts: int) -> str:
    """Return a Markdown table; the first `texts` columns hold text, the others numbers."""
    align = ["left"] * texts + ["right"] * (len(headings) - texts)
    return tabulate(rows, headings, "github", colalign=align, disable_numparse=True) if rows else EMPTY


def latex_table(
    name: str, caption: str, headings: list[str], rows: list[list[str]], texts: int, bold: list[list[bool]]
) -> str:
    """Return a floating LaTeX table, labelled ``tab:NAME``, with space between its first column's groups.

    It is read in by ``\\input`` where the preamble has ``\\usepackage{booktabs}``. `bold` says for each row which of
    the numbers are set in bold.
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


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
