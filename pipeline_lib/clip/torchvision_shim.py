"""Import torchvision's own package beside any build of torch.

Its wheel is built for CUDA. Beside a torch without CUDA its import stops at ``operator torchvision::nms does not
exist``: the compiled half of torchvision does not load, and Python code that describes its operators finds none.
Declaring them is enough for all that is written in Python. (`pipeline_lib.clip.load` needs the transforms alone, and
does without.)
"""

import sys
from types import ModuleType

import torch

_OPERATORS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[torch.library.Library] = []  # operators live as long as their library object


def load_torchvision() -> ModuleType:
    """Return `torchvision` with its ``datasets``; its ``io`` and ``ops`` may lack their operators."""
    try:
        import torchvision
    except RuntimeError as error:
        if _declared or "torchvision::" not in str(error):
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")
        _declared.append(library)
        for name in _OPERATORS:
            library.define(f"{name}{_SIGNATURE}")
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # what the failed import left behind
        import torchvision
    return torchvision
