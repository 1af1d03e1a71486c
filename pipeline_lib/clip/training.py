"""What pretraining and fine-tuning share: threads and device, precision, and a step of AdamW with its learning rate."""

import math
from collections.abc import Iterable

import torch
from torch.nn import Parameter

from pipeline_lib.jobs.cores import usable_cores

PRECISIONS = ("fp32", "bf16", "fp16")


def use_threads(threads: int) -> None:
    """Let torch use `threads` threads, but no more than the machine has cores: more make it many times slower."""
    torch.set_num_threads(max(1, min(threads, usable_cores())))


def pick_device() -> torch.device:
    """Return the GPU where there is one, else the CPU; convolutions on it stay in full fp32."""
    torch.backends.cudnn.allow_tf32 = False
    # On an H100, cuDNN's attention plans each new shape for tens of milliseconds, and under a mask of some shapes its
    # gradients are not numbers (torch 2.11).
    torch.backends.cuda.enable_cudnn_sdp(False)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context in which matrix products are computed in one of `PRECISIONS`; weights and sums stay in fp32.

    fp16 on a CPU is a `ValueError`: it is some 400 times slower than fp32.
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
    """Return the learning rate of step 0 .. `steps` - 1 as a share of its peak: linear warm-up, then cosine to 0.

    ``(step + 1) / warmup_steps`` up to and with step `warmup_steps`, then ``(1 + cos(pi * progress)) / 2``. So one step
    exceeds the peak, by 1 in `warmup_steps`, as in the paper's code.
    """
    if warmup_steps and step <= warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


def update(
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    loss: torch.Tensor,
    logit_scale: Parameter,
    lr: float | torch.Tensor,
) -> None:
    """Do one optimiser step on a batch's loss, then clamp the logit scale's logarithm to [0, ln 100] as CLIP does.

    `scaler` is the loss's, for fp16; a disabled one otherwise. `lr` of a recorded step
    (`pipeline_lib.finetune.recorded`) is a scalar on the GPU.
    """
    recording = loss.is_cuda and torch.cuda.is_current_stream_capturing()
    for group in optimiser.param_groups:
        group["lr"] = lr
        group["capturable"] = recording  # as torch asks for; a fused step is one anyway
    optimiser.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimiser)
    scaler.update()
    with torch.no_grad():
        logit_scale.clamp_(0.0, math.log(100.0))
