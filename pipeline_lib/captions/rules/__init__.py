"""Negation by rules: from a tagged caption to subject, predicate-object pairs and sentences.

Imports `captions.tagger`; `captions` imports it.
"""
