"""Ask the models of a run about an image and captions of your own.

Imports `clip` and what a run wrote; nothing imports it.
"""
