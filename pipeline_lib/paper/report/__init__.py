"""The report: one HTML page with tables, figures, examples and provenance.

Imports `paper.tables` and `paper.figures`.
"""
