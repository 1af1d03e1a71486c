"""What every job does: command line, progress, files written whole, code version, git state, memory limit.

Imports nothing else of pipeline_lib; everything may import it.
"""
