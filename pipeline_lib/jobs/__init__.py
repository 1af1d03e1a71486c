"""What every job does: command line, progress, files, messages, code version, memory limit.

Imports nothing else of pipeline_lib; everything may import it.
"""
