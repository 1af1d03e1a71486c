"""From metrics and items to the tidy table, and to the tables of the paper.

`metrics` reads and checks, `tidy` lays out, `intervals` adds intervals and tests, `published` sets the published
numbers beside ours, `claims` judges the paper's claims, `layout` arranges rows as a person reads them, `text` writes
them, `schema` is the tidy table. What a benchmark reports is declared in `pipeline_lib.evaluate.kinds`.

Readers raise `FileNotFoundError` for a missing file and `ValueError` for a broken one; the message names the file.
"""
