"""Reproduce CoN-CLIP and CC-Neg (arXiv 2403.20312): one package per stage of the pipeline.

Every stage is a command, ``python -m pipeline_lib.<stage>.<verb>``, that reads and writes files and knows nothing of
the workflow engine that calls it.
"""
