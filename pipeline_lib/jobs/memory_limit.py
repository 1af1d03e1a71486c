"""Limit the memory that a library takes to read a file.

A few bytes of a file can ask for any amount: a matrix of any size, or zeros packed a thousandfold. Where a library has
no limit of its own, the operating system's makes it fail with a `MemoryError`, which the caller reports. Otherwise the
machine would run out of memory and the job would be killed.
"""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SPARE_BYTES = 1 << 30


@contextmanager
def spare_memory(spare_bytes: int = SPARE_BYTES) -> Iterator[None]:
    """Let this process, all threads together, take `spare_bytes` more memory than it has; no limit except on Linux."""
    if sys.platform != "linux":
        yield
        return
    before = soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    limit = pages * resource.getpagesize() + spare_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit if soft == resource.RLIM_INFINITY else min(limit, soft), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
