"""CLIP as we use it: loading it, its tokenizer and text tower, files of weights, what training shares.

Imports `jobs`; every stage may import it.
"""
