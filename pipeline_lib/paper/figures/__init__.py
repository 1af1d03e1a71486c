"""The figures, from the tidy table and from what the stages wrote. Imports `paper.tables`.

Each figure is a function from data to a `matplotlib` figure (`zeroshot`, `ccneg`, `losses`, `dataset`), `style` is the
look that they share. Functions that read files raise FileNotFoundError or ValueError; the message names the file.
"""
