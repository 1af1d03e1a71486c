"""Evaluation: per-item scores and metrics of each model on CC-Neg, zero-shot classification and other benchmarks."""
