"""Shards: CC-Neg as WebDataset tars, images beside captions and negated captions."""
