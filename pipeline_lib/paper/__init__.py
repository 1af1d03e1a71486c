"""Stage `paper`: from finished scores to the paper's tables and figures and one report page.

Metrics (JSON) and items (Parquet) of every model and benchmark -> one tidy table (Parquet) -> tables (CSV, Markdown,
LaTeX), figures (SVG, PDF, PNG) and ``report.html``. Everything after the tidy table is a view of it: a number in a
figure or in the report is a row of ``results/tables.parquet``.

`tables`, `headline`, `figures` and `report` are the commands; `outputs` lists what is written and explains it.
"""
