"""Stage `paper`: from finished scores to the paper's tables and figures and one report page.

Metrics (JSON) and items (Parquet) of every model and benchmark -> one tidy table (Parquet) -> tables (CSV, Markdown,
LaTeX), figures (SVG, PDF, PNG) and ``report.html``. Everything after the tidy table is a view of it: a number in a
figure or in the report is a row of ``results/tables.parquet``.

Modules: `metrics`, `items` and `published` read, `tidy` lays out, `intervals` says how sure each number is by
`statistics`, `verdicts` sets it beside the published one, `claims` judges what the paper claims, `layout` arranges rows
as a person reads them, `latex` for LaTeX, `outputs` lists what is written and explains it, `fetched` shows what the
fetch stage counted; `tables`, `headline`, `figures` and `report` are the commands, and `score`,
which asks the models of a run about an image of your own.
"""
