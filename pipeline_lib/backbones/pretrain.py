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

from pipeline_lib.clip.load import CLIP, CONTEXT_LENGTH, preprocess, save_checkpoint, tokenize
from pipeline_lib.clip.text_tower import encode_text
from pipeline_lib.clip.training import (
    History,
    RunRecord,
    adamw,
    baseline,
    update,
    use_threads,
    warmup_cosine,
    write_history,
)
from pipeline_lib.formats.images import read_images
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import write_json
from pipeline_lib.jobs.progress import progress

VOCABULARY = 49408


def build(architecture: dict) -> CLIP:
    """Return a CLIP with random weights.

    Parameters
    ----------
    architecture : dict
        ``embed_dim``, ``image_resolution`` (pixels), ``vision_layers`` (a number for a ViT, four for a ResNet),
        ``vision_width``, ``vision_patch_size`` (pixels; null for a ResNet), ``transformer_width``,
        ``transformer_layers``. Widths are multiples of 64 (a ResNet's of 2), since a head has 64 channels.
    """
    layers = architecture["vision_layers"]
    return CLIP(
        embed_dim=architecture["embed_dim"],
        image_resolution=architecture["image_resolution"],
        vision_layers=tuple(layers) if isinstance(layers, list) else layers,
        vision_width=architecture["vision_width"],
        vision_patch_size=architecture["vision_patch_size"],
        context_length=CONTEXT_LENGTH,
        vocab_size=VOCABULARY,
        transformer_width=architecture["transformer_width"],
        transformer_heads=architecture["transformer_width"] // 64,
        transformer_layers=architecture["transformer_layers"],
    )


def contrastive_loss(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    """Return CLIP's loss: the mean of the cross-entropies image → text and text → image.

    Parameters
    ----------
    image, text : Tensor of shape (b, d)
        Features; row i of one belongs to row i of the other. Normalised here.
    scale : Tensor, scalar
        The inverse temperature, ``exp(logit_scale)``.
    """
    logits = scale * functional.normalize(image, dim=-1) @ functional.normalize(text, dim=-1).T  # (b, b)
    targets = torch.arange(len(logits))
    return (functional.cross_entropy(logits, targets) + functional.cross_entropy(logits.T, targets)) / 2


def main() -> None:
    """Pretrain the backbone that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backbone", required=True, help="its name")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--architecture", type=json.loads, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--lr", type=float, required=True)
    parser.add_argument("--weight-decay", type=float, required=True)
    parser.add_argument("--warmup-steps", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--history", type=Path, required=True)
    parser.add_argument("--record", type=Path, required=True)
    args = parser.parse_args()
    settings = {name: value for name, value in vars(args).items() if not isinstance(value, Path)}
    record = RunRecord(baseline(settings.pop("backbone")), settings)
    use_threads(args.threads)
    torch.manual_seed(args.seed)
    model = build(args.architecture).train()
    model.visual.to(memory_format=torch.channels_last)  # convolutions on CPU run 1.5 times as fast

    transform = preprocess(args.architecture["image_resolution"])
    images, captions = [], []
    for key, image, said in read_images([args.images]):
        if not isinstance(said.get("caption"), str):
            raise ValueError(f"{args.images}: sample {key} has no caption in its .json member")
        images.append(transform(image).half())  # rounds to 11 bits, a pixel has 8; half the memory
        captions.append(said["caption"])
    images = torch.stack(images).to(memory_format=torch.channels_last)
    tokens = tokenize(captions)
    if len(images) < args.batch_size:
        raise ValueError(f"{args.images}: expected at least one batch of {args.batch_size} images, found {len(images)}")

    optimiser = adamw(model.parameters(), args.lr, args.weight_decay)
    scaler = torch.amp.GradScaler(enabled=False)  # fp32 throughout
    order, history = torch.empty(0, dtype=torch.long), History()
    for step in progress(range(args.steps), "pretrain", "steps"):
        if len(order) < args.batch_size:  # the last partial batch of an epoch is dropped
            order = torch.randperm(len(images))
        batch, order = order[: args.batch_size], order[args.batch_size :]
        scale = model.logit_scale.exp()
        loss = contrastive_loss(model.encode_image(images[batch].float()), encode_text(model, tokens[batch]), scale)
        lr = args.lr * warmup_cosine(step, args.steps, args.warmup_steps)
        history.add(step, loss, lr, model.logit_scale)
        update(optimiser, scaler, loss, model.logit_scale, lr)

    steps = history.read()
    write_history(args.history, steps)
    write_json(args.record, record.finish(images=len(images), final_loss=steps[-1]["loss"]))
    save_checkpoint(args.checkpoint, model)


if __name__ == "__main__":
    run(main)
