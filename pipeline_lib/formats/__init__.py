"""Files as the world has them: CC3M, COCO, CREPE, annotations of benchmarks, tars, images.

Imports `jobs`; every stage may import it.
"""
