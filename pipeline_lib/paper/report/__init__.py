"""The report: one HTML page with tables, figures, examples and provenance. Imports `paper.tables` and `paper.figures`.

Functions that read files raise FileNotFoundError or ValueError; the message names the file.
"""
