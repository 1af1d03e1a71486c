"""What the machine has: processors, GPUs, room on disk. Without torch, which takes seconds to load."""

import os
import shutil
import subprocess
from pathlib import Path

NVIDIA = Path("/proc/driver/nvidia/gpus")


def gpus() -> list[str]:
    """Return the names of the NVIDIA GPUs, with their memory where the driver's tool says it."""
    tool = shutil.which("nvidia-smi")
    if tool:
        command = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            done = None
        if done and done.returncode == 0:
            return [line.strip() for line in done.stdout.splitlines() if line.strip()]
    found = []
    for card in sorted(NVIDIA.iterdir()) if NVIDIA.is_dir() else []:
        about = (card / "information").read_text(errors="replace").splitlines()
        found.append(next((line.partition(":")[2].strip() for line in about if line.startswith("Model")), card.name))
    return found


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0))


def free_bytes(folder: str | Path) -> int:
    """Return the room on the disk that holds `folder`, or would hold it."""
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
