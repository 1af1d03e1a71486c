"""What the pipeline costs beside what others cost: time and memory of both sides in one run.

Start a benchmark from the root of the repository, such as ``python -m bench.speed``.
"""

import sys
from pathlib import Path

# Benchmarks and tests share the published loop, made-up scores and the server on the loopback interface.
sys.path.append(str(Path(__file__).parents[1] / "tests"))
