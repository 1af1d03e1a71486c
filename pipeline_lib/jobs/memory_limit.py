"""Bound the memory that a foreign library takes for a foreign file.

A few bytes of a file can ask for any amount: a matrix of any size, or zeros that are packed a thousandfold. Where a
library has no bound of its own, the operating system has one: what would go beyond ends in a `MemoryError`, which the
caller reports, in the place of a machine without memory and a killed job.
"""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SPARE_BYTES = 1 << 30


@contextmanager
def spare_memory(spare_bytes: int = SPARE_BYTES) -> Iterator[None]:
    """Let this process take `spare_bytes` more memory than it has, all threads together; elsewhere than on Linux, any.

    Raises
    ------
    MemoryError
        From what asks for more.
    """
    if sys.platform != "linux":
        yield
        return
    before = soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    wanted = pages * resource.getpagesize() + spare_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if soft == resource.RLIM_INFINITY else min(wanted, soft), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
