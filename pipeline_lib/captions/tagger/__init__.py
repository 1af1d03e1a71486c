"""A part-of-speech tagger for captions, made of word lists and rules in context.

Imports `jobs`; `captions` imports it.
"""
