"""Negation by a language model behind a chat endpoint.

Imports `captions.rules` for the checks of its answers; `captions` imports it.
"""
