"""From metrics and items to the tidy table, and to the tables of the paper.

Imports `evaluate` for what a benchmark reports; the rest of `paper` imports it.
"""
