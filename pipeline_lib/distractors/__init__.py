"""Distractors: for each sample, an image for which the negated caption is likely to be true."""
