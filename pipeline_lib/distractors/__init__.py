"""Distractors: for each sample, an image of which the negated caption is likely to be true."""
