"""Tables of texts that people edit: the sheet of experiments, the registry of data, the published numbers."""

import csv
from collections.abc import Collection
from pathlib import Path

from pipeline_lib.config.errors import nearest
from pipeline_lib.jobs.text import open_text


def read_sheet(path: str | Path, columns: Collection[str], optional: Collection[str] = ()) -> dict[str, dict[str, str]]:
    """Return the rows of a table with tabs between its columns, by their place: ``FILE, line N``.

    The header names each of `columns`, and what is wanted of `optional`, in any order. A mistake is a `ValueError` that
    names file and line.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such table; check the path")
    try:
        with open_text(path) as lines:
            reader = csv.reader(lines, delimiter="\t", strict=True)
            (_, header), *rows = [(reader.line_num, cells) for cells in reader if cells] or [(1, [])]
    except csv.Error as error:
        raise ValueError(f"{path}: expected a table with tabs between its columns ({error})") from error
    known = [*columns, *optional]
    if len({*header}) < len(header) or not {*columns} <= {*header} <= {*known}:
        hints = [f"; unknown: {name!r:.50}{nearest(name, known)}" for name in header if name not in known]
        wanted = f" and optionally {', '.join(optional)}" if optional else ""
        raise ValueError(
            f"{path}, line 1: expected the columns {', '.join(columns)}{wanted}, each once, with tabs between them; "
            f"found {', '.join(header) or 'none':.300}"
            f"{''.join(hints):.300}"
        )
    wrong = [
        f"{path}, line {line}: expected {len(header)} cells as in the header, found {len(cells)}"
        for line, cells in rows
        if len(cells) != len(header)
    ]
    if wrong:
        raise ValueError("\n".join(wrong))
    return {f"{path}, line {line}": dict(zip(header, cells, strict=True)) for line, cells in rows}
