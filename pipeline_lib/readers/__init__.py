"""Readers: the images of a pool from a dataset's own files, as they are distributed, without a copy.

Imports `jobs`, `formats` and `clip`. Errors are those of `formats`, and come before any image is read.

A reader of your own is a module here and an entry in `catalogue`. The module has a function from paths to samples that
lists the images without reading them, in an order that depends on the files alone (`list_images` of `containers` does
so for a folder, a zip or a tar), and a `Reader` with that function and what is known of the dataset. `read_pool` then
checks keys, labels and counts. A module imports nothing heavy: the workflow loads it to know which files a pool needs.
"""
