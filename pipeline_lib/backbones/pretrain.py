"""Pretrain a small CLIP from scratch on affirmative captions, with CLIP's own symmetric contrastive loss.

::

    python -m pipeline_lib.backbones.pretrain --backbone mini-vit --images pretrain.tar \\
        --architecture '{"vision_width": 128, ...}' --steps 450 --batch-size 128 --lr 1.0e-3 \\
        --weight-decay 0.1 --warmup-steps 40 --seed 0 --threads 1 \\
        --checkpoint mini-vit.pt --history mini-vit.history.jsonl --record mini-vit.run.json

The images' tar holds ``KEY.jpg`` and ``KEY.json`` with ``caption``. The checkpoint is that of `save_checkpoint`. The
history has one JSON line per step, ``{"step", "loss", "lr", "logit_scale"}``.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.clip.load import CLIP, HEAD_WIDTH, preprocess, save_checkpoint
from pipeline_lib.clip.text_tower import encode_text
from pipeline_lib.clip.tokenizer import CONTEXT_LENGTH, END_TOKEN, tokenize
from pipeline_lib.clip.training import adamw, pick_device, update, use_threads, warmup_cosine
from pipeline_lib.formats.images import read_images
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.curves import draw, history_options
from pipeline_lib.jobs.files import write_json
from pipeline_lib.jobs.progress import progress
from pipeline_lib.jobs.run_record import History, RunRecord, baseline, write_history


def build(architecture: dict) -> CLIP:
    """Return a CLIP with random weights.

    `architecture` has ``embed_dim``, ``image_resolution`` (pixels), ``vision_layers`` (a number for a ViT, four for a
    ResNet), ``vision_width``, ``vision_patch_size`` (pixels; null for a ResNet), ``transformer_width``,
    ``transformer_layers``. Widths are multiples of 64, a head's channels; a ResNet's ``vision_width`` is even.
    """
    return CLIP(
        **architecture,
        context_length=CONTEXT_LENGTH,
        vocab_size=END_TOKEN + 1,
        transformer_heads=architecture["transformer_width"] // HEAD_WIDTH,
    )


def contrastive_loss(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    """Return CLIP's loss of a batch, the mean of the cross-entropies image → text and text → image.

    Row i of `image` (b, d) belongs to row i of `text` (b, d); they are normalised here. `scale` is exp(logit_scale).
    """
    logits = scale * functional.normalize(image, dim=-1) @ functional.normalize(text, dim=-1).T  # (b, b)
    targets = torch.arange(len(logits), device=logits.device)
    return (functional.cross_entropy(logits, targets) + functional.cross_entropy(logits.T, targets)) / 2


def read_pairs(path: Path, n_px: int, at_least: int) -> tuple[Tensor, Tensor]:
    """Return pixels (n, 3, n_px, n_px), half precision, and tokens (n, 77) of the images and captions in a tar."""
    transform = preprocess(n_px)
    images, captions = [], []
    for key, image, said in read_images([path]):
        if not isinstance(said.get("caption"), str):
            raise ValueError(f"{path}: sample {key} has no caption in its .json member")
        images.append(transform(image).half())  # rounds to 11 bits, a pixel has 8; half the memory
        captions.append(said["caption"])
    if len(images) < at_least:
        raise ValueError(f"{path}: expected at least one batch of {at_least} images, found {len(images)}")
    return torch.stack(images).to(memory_format=torch.channels_last), tokenize(captions)


def main() -> None:
    """Pretrain the backbone that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backbone", required=True, help="name of the model")
    parser.add_argument("--architecture", type=json.loads, required=True, help="arguments of clip.model.CLIP, JSON")
    for name, kind, what in (
        ("steps", int, "number of optimiser steps"),
        ("batch-size", int, "images per step"),
        ("warmup-steps", int, "steps in which the learning rate rises to its peak"),
        ("seed", int, "seed of the weights and of the order of the images"),
        ("threads", int, "CPU threads of torch"),
        ("lr", float, "peak learning rate"),
        ("weight-decay", float, "weight decay of AdamW"),
        ("images", Path, "tar of captioned images"),
        ("checkpoint", Path, "output: weights"),
        ("record", Path, "output: recipe, versions and times, JSON"),
    ):
        parser.add_argument(f"--{name}", type=kind, required=True, help=what)
    history_options(parser)
    args = parser.parse_args()
    settings = {name: value for name, value in vars(args).items() if not isinstance(value, Path) and name != "curves"}
    record = RunRecord(baseline(settings.pop("backbone")), settings)
    use_threads(args.threads)
    torch.manual_seed(args.seed)
    device = pick_device()
    model = build(args.architecture).train().to(device)
    model.visual.to(memory_format=torch.channels_last)  # convolutions on CPU run 1.5 times as fast
    images, tokens = read_pairs(args.images, args.architecture["image_resolution"], args.batch_size)
    images = images.to(device)

    optimiser = adamw(model.parameters(), args.lr, args.weight_decay)
    scaler = torch.amp.GradScaler(device.type, enabled=False)  # fp32 throughout
    order, history = torch.empty(0, dtype=torch.long), History()
    draw(history, args.curves, args.history.parent)
    for step in progress(range(args.steps), "pretrain", "steps"):
        if len(order) < args.batch_size:  # the last partial batch of an epoch is dropped
            order = torch.randperm(len(images))
        batch, order = order[: args.batch_size], order[args.batch_size :]
        scale = model.logit_scale.exp()
        loss = contrastive_loss(model.encode_image(images[batch].float()), encode_text(model, tokens[batch]), scale)
        lr = args.lr * warmup_cosine(step, args.steps, args.warmup_steps)
        history.add(step, loss, lr, scale)
        update(optimiser, scaler, loss, model.logit_scale, lr)

    steps = history.read()
    write_history(args.history, steps)
    write_json(args.record, record.finish(images=len(images), final_loss=steps[-1]["loss"]))
    save_checkpoint(args.checkpoint, model.cpu())


if __name__ == "__main__":
    run(main)
