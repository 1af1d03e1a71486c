"""Folders that are ready to be given to others: CC-Neg as a data set, fine-tuned models; each with its card.

They are made from the files of a finished run, and every number on a card stands in the run's tables. Nothing is
uploaded. Nothing imports this package.
"""
