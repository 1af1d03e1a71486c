"""What pretraining and fine-tuning share: threads, the optimiser, its learning-rate schedule, the record of a run."""

import json
import math
import os
import platform
import resource
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import torch
from torch.nn import Parameter

from pipeline_lib.jobs.code_version import checked_out
from pipeline_lib.jobs.files import write_text

PRECISIONS = ("fp32", "bf16", "fp16")
PACKAGES = ("numpy", "openai-clip", "pillow", "pyarrow", "safetensors")  # that a number may depend on besides torch
MODEL_FIELDS = ("model", "family", "backbone", "loss", "negatives", "seed")


def baseline(model: str, family: str = "CLIP", backbone: str | None = None) -> dict:
    """Return the `MODEL_FIELDS` of a model that is not fine-tuned here; a CLIP is its own `backbone`."""
    return {**dict.fromkeys(MODEL_FIELDS), "model": model, "family": family, "backbone": backbone or model}


def use_threads(threads: int) -> None:
    """Let torch use `threads` threads, but no more than the machine has cores: more make it many times slower."""
    torch.set_num_threads(max(1, min(threads, len(os.sched_getaffinity(0)))))


def pick_device() -> torch.device:
    """Return the GPU where there is one, else the CPU; convolutions on it stay in full fp32."""
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context in which matrix products are computed in `precision`; weights and sums stay in fp32.

    Parameters
    ----------
    precision : str
        One of `PRECISIONS`; ``fp32`` changes nothing.
    device : torch.device
        Where the model is.

    Raises
    ------
    ValueError
        If `precision` is ``fp16`` on a CPU, which computes in it some 400 times more slowly than in fp32.
    """
    if precision == "fp16" and device.type == "cpu":
        raise ValueError(
            "precision: expected fp32 or bf16 on a CPU, found fp16, in which a CPU is hundreds of times slower; change "
            "precision and training_precision of features, and precision of finetune, in the config, or use a GPU"
        )
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    return torch.autocast(device.type, dtype, enabled=precision != "fp32")


def adamw(parameters: Iterable[Parameter], lr: float, weight_decay: float) -> torch.optim.AdamW:
    """Return AdamW with default betas and eps and weight decay on every parameter (paper, section 4)."""
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=True)


def warmup_cosine(step: int, steps: int, warmup_steps: int) -> float:
    """Return the learning rate of a step as a share of its peak.

    Parameters
    ----------
    step : int
        From 0 to ``steps - 1``.
    steps : int
        The length of the run.
    warmup_steps : int
        Steps of linear warm-up; a cosine to 0 follows.

    Returns
    -------
    float
        ``(step + 1) / warmup_steps`` during warm-up, then ``(1 + cos(pi * progress)) / 2``.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


def clamp_logit_scale(logit_scale: Parameter) -> None:
    """Keep the logit scale's logarithm within [0, ln 100], as CLIP does after each step."""
    with torch.no_grad():
        logit_scale.clamp_(0.0, math.log(100.0))


def update(
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    loss: torch.Tensor,
    logit_scale: Parameter,
    lr: float,
) -> None:
    """Do one optimiser step.

    Parameters
    ----------
    optimiser : Optimizer
        Its learning rate is set to `lr`.
    scaler : GradScaler
        Of the loss, for fp16; a disabled one otherwise.
    loss : Tensor, scalar
        Of this step's batch.
    logit_scale : Parameter
        The model's; clamped afterwards.
    lr : float
        Learning rate of this step.
    """
    for group in optimiser.param_groups:
        group["lr"] = lr
    optimiser.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimiser)
    scaler.update()
    clamp_logit_scale(logit_scale)


class History:
    """What each step of a run was: ``step``, ``loss``, ``lr``, ``logit_scale`` (before the update, as a factor).

    Losses are read from the device every `READ_EVERY` steps only, since waiting for each would stall a GPU.

    Attributes
    ----------
    entries : list of dict
        The steps read so far.
    """

    READ_EVERY = 50

    def __init__(self, entries: list[dict] = ()) -> None:
        self.entries = list(entries)
        self.unread: list[tuple[int, torch.Tensor, float, torch.Tensor]] = []

    def add(self, step: int, loss: torch.Tensor, lr: float, logit_scale: Parameter) -> None:
        """Note a step; see `read` for the error that may be raised."""
        self.unread.append((step, loss.detach(), lr, logit_scale.detach().exp()))
        if len(self.unread) >= self.READ_EVERY:
            self.read()

    def read(self) -> list[dict]:
        """Read what is unread, and return all entries.

        Raises
        ------
        ValueError
            If a loss is not finite; the message names the step.
        """
        for step, loss, lr, scale in self.unread:
            entry = {"step": step, "loss": loss.item(), "lr": lr, "logit_scale": scale.item()}
            if not math.isfinite(entry["loss"]):
                raise ValueError(
                    f"the loss is {entry['loss']} at step {step}: lower the learning rate, or check the features "
                    "for NaN"
                )
            self.entries.append(entry)
        self.unread.clear()
        return self.entries


def write_history(path: str | Path, history: list[dict]) -> None:
    """Write the entries of a `History` as JSON, one per line."""
    write_text(path, "".join(json.dumps(entry) + "\n" for entry in history))


class RunRecord:
    """Gathers what a run was, for ``run.json`` beside its weights.

    Parameters
    ----------
    model : dict
        Who the model is, as the tables list it: `MODEL_FIELDS`.
    recipe : dict
        The resolved parameters of the run.
    """

    def __init__(self, model: dict, recipe: dict) -> None:
        assert tuple(model) == MODEL_FIELDS
        self.model, self.recipe = model, recipe
        self.start = time.monotonic()

    def finish(self, **results: object) -> dict:
        """Return the record: model, recipe, results, code, versions, device, time and memory."""
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
