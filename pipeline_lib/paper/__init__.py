"""Stage `paper`: from finished metrics to the paper's tables and figures and one report page.

Metrics of every model and benchmark (JSON) -> one tidy table (Parquet) -> tables (CSV, Markdown), figures (SVG, PDF,
PNG) and ``report.html``. Everything after the tidy table is a view of it: a number in a figure or in the report is a
row of ``results/tables.parquet``.

Modules: `metrics` and `published` read, `tidy` computes, `layout` arranges rows as a person reads them, `outputs` lists
what is written and explains it, `fetched` shows what the fetch stage counted; `tables`, `headline`, `figures` and
`report` are the commands, and `score`, which asks the models of a run about an image of your own.
"""
