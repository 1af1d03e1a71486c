"""CLIP as we use it: loading it, its tokenizer and text tower, files of weights, steps of training.

Imports `jobs`; every stage may import it. What reads a file raises `FileNotFoundError` or `ValueError` that names it.
"""
