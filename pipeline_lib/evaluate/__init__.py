"""Evaluation: scores per item and metrics of each model on CC-Neg, zero-shot classification and other benchmarks.

`declaration` says how a benchmark is declared and `kinds` declares every kind (both without torch and pandas, since the
workflow reads them); `result` computes the metrics. Commands: `ccneg`, `ccneg_transformers` (FLAVA and BLIP), `blind`
(baselines that see no image), `zeroshot`, and `benchmark` for all kinds of config ``evaluate.benchmarks``.

Readers raise `FileNotFoundError` for a missing file and `ValueError` for one that does not fit; the message names the
file and the item or line.
"""
