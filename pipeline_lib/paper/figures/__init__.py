"""The figures, from the tidy table and from what the stages wrote. Imports `paper.tables`.

Each figure is a function from data to a `matplotlib` figure (`zeroshot`, `ccneg`, `truth_table`, `losses`, `dataset`),
`style` is the look that they share. Functions that read files raise FileNotFoundError or ValueError; the message names
the file.
"""

import os
from pathlib import Path

# Before matplotlib is loaded: what users set for their own figures, even what it cannot read, changes none of these.
os.environ["MPLBACKEND"] = "agg"
os.environ["MATPLOTLIBRC"] = str(Path(__file__).with_name("house.mplstyle"))
