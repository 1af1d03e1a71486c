"""Before a run: which data are here and right, what the run costs, and what can be computed with what there is."""
