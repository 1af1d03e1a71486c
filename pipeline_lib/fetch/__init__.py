"""Fetch: the images that a captions file links to, politely, with an outcome for every row."""
