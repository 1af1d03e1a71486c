"""Fine-tuning: CoN-CLIP's losses on a frozen image tower (paper, section 4)."""

from pipeline_lib.finetune.terms import LOSSES
from pipeline_lib.jobs.code_version import code_version


def launch_command(processes: int) -> str:
    """Return what starts a module: Python, or torchrun where several processes of one machine share the work.

    They meet at an address of this machine and a free port: its name, and even ``localhost``, need not resolve. What a
    cluster's environment says of nodes is overruled.
    """
    if processes == 1:
        return "python"
    here = "--nnodes 1 --rdzv-backend c10d --rdzv-endpoint 127.0.0.1:0 --local-addr 127.0.0.1"
    return f"torchrun {here} --nproc-per-node {processes}"


def training_code(loss: str) -> str:
    """Return the hash of the code that a training with a loss of `LOSSES` runs; other losses are not part of it."""
    return code_version("pipeline_lib.finetune.train", LOSSES=(loss,), TERMS=LOSSES[loss].terms)
