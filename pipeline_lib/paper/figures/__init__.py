"""The figures, from the tidy table and from what the stages wrote.

Imports `paper.tables`.
"""
