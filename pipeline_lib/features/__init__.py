"""Image features: computed once per backbone and pool, since the image tower is frozen and nothing is augmented.

What reads a file raises `FileNotFoundError` or `ValueError` that names it.
"""
