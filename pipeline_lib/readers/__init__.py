"""Readers: the images of a pool from a dataset's own files, as they are distributed, without a copy.

A reader is a module of this package named as in config ``features.pools`` (``-`` is ``_``) that holds a `Reader` called
``READER``, and a line in `pipeline_lib.readers.catalogue`.
"""
