"""The record of a run: ``run.json`` (model, recipe, code, versions, machine, time), ``history.jsonl`` (its steps).

Importing this loads no torch, so that evaluations without a model can say whose numbers theirs are.
"""

import json
import math
import platform
import resource
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_lib.jobs.code_version import checked_out

if TYPE_CHECKING:
    from torch import Tensor

SUBTRACTED = ", subtraction"  # ends the family of a model whose captions are scored by subtraction
MODEL_FIELDS = ("model", "family", "backbone", "loss", "negatives", "seed")  # how the tables list a model
PACKAGES = ("numpy", "openai-clip", "pillow", "pyarrow", "safetensors")  # that a number may depend on besides torch


def baseline(model: str, family: str = "CLIP", backbone: str | None = None) -> dict:
    """Return the `MODEL_FIELDS` of a model that is not fine-tuned here; a CLIP is its own `backbone`."""
    return {**dict.fromkeys(MODEL_FIELDS), "model": model, "family": family, "backbone": backbone or model}


def subtracted(model: str, family: str = "CLIP", backbone: str | None = None, seed: int | None = None, **_) -> dict:
    """Return the `MODEL_FIELDS` of a model whose captions are scored by subtraction (`pipeline_lib.evaluate.subtract`).

    It has no loss: it is neither the CLIP of its backbone nor what the method trained, and no claim about them is
    about it. The seed stays, so that tables can average over it: ``NAME-s0`` becomes ``NAME-subtract-s0``.
    """
    name = f"{model}-subtract" if seed is None else f"{model.removesuffix(f'-s{seed}')}-subtract-s{seed}"
    return {**baseline(name, f"{family}{SUBTRACTED}", backbone or model), "seed": seed}


class RunRecord:
    """Gathers what ``run.json`` says, from the start of a run: `MODEL_FIELDS` of the model, resolved parameters."""

    def __init__(self, model: dict, recipe: dict) -> None:
        assert tuple(model) == MODEL_FIELDS
        self.model, self.recipe = model, recipe
        self.start = time.monotonic()

    def finish(self, **results: object) -> dict:
        """Return the record: model, recipe, results, code, versions, device, time and memory."""
        import torch

        return {
            **self.model,
            "recipe": self.recipe,
            **results,
            **checked_out()._asdict(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "packages": {name: version(name) for name in PACKAGES},
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu ({platform.machine()})",
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),  # other kernels round otherwise
            "torch_threads": torch.get_num_threads(),
            "seconds": round(time.monotonic() - self.start, 1),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


class History:
    """The steps of a run: ``step``, ``loss``, ``lr``, ``logit_scale`` (before the update, as a factor).

    Losses are read from the device every `READ_EVERY` steps only, since waiting for each would stall a GPU. `show` is
    called with the entries that were read.
    """

    READ_EVERY = 50

    def __init__(self, entries: list[dict] = ()) -> None:
        self.entries = list(entries)
        self.show: Callable[[list[dict]], None] = lambda entries: None
        self._unread: list[tuple[int, Tensor, float, Tensor]] = []

    def add(self, step: int, loss: "Tensor", lr: float, scale: "Tensor") -> None:
        """Note a step, with exp(logit_scale); raises what `read` raises."""
        self._unread.append((step, loss.detach(), lr, scale.detach()))
        if len(self._unread) >= self.READ_EVERY:
            self.read()

    def read(self) -> list[dict]:
        """Return an entry for each step; raise a `ValueError` that names the step if a loss is not finite."""
        read = [
            {"step": step, "loss": loss.item(), "lr": lr, "logit_scale": scale.item()}
            for step, loss, lr, scale in self._unread
        ]
        self._unread.clear()
        self.entries += read
        self.show(read)
        for entry in read:
            if not math.isfinite(entry["loss"]):
                raise ValueError(
                    f"the loss is {entry['loss']} at step {entry['step']}: lower the learning rate, or check the "
                    "features for NaN"
                )
        return self.entries


def write_history(path: str | Path, history: list[dict]) -> None:
    """Write the entries of a `History` as JSON, one per line."""
    from pipeline_lib.jobs.files import write_text  # needs pandas, which the check of a configuration does not load

    write_text(path, "".join(json.dumps(entry) + "\n" for entry in history))
