"""Fine-tune a backbone's text tower on triplets, with its image tower frozen and every image feature read from disk.

::

    python -m pipeline_lib.finetune.train --model conclip-b32-s0 --family CoN-CLIP --backbone vit-b32 \\
        --negatives ccneg --weights vit-b32.pt --triplets train.parquet --features ccneg-train.safetensors \\
        --distractors distractors.parquet --pool-features distractors.safetensors --loss conclip --epochs 5 \\
        --batch-size 200 --lr 1.0e-6 --weight-decay 0.2 --warmup-steps 50 --order shuffled --seed 0 --threads 1 \\
        --checkpoint model.pt --history history.jsonl --record run.json

Recipe (paper, section 4): `model.visual` is frozen; text transformer, embeddings, final norm, projection and logit
scale train with AdamW, weight decay on all of them, linear warm-up then cosine to 0, the last partial batch of an epoch
dropped, the logit scale clamped after each step.

Triplets: Parquet with ``key``, ``caption``, ``negated_caption``. Checkpoint: ``{"model": state_dict}``, loadable as
``clip.load(...)`` models are. History: one JSON line per step, ``{"step", "loss", "lr", "logit_scale"}``.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from pipeline_lib.clip_door import CLIP, load_clip, save_checkpoint, tokenize
from pipeline_lib.command import run
from pipeline_lib.features.store import load_features, tower_id
from pipeline_lib.files import read_parquet, write_json
from pipeline_lib.finetune.loss import loss_value
from pipeline_lib.finetune.terms import LOSSES, needs_distractors
from pipeline_lib.progress import progress
from pipeline_lib.text_tower import encode_text
from pipeline_lib.training import (
    MODEL_FIELDS,
    RunRecord,
    adamw,
    pick_device,
    update,
    use_threads,
    warmup_cosine,
    write_history,
)

ORDERS = ("shuffled", "paper")


def batches(n: int, batch_size: int, epochs: int, order: str, seed: int) -> list[Tensor]:
    """Return the rows of each batch of a run.

    Parameters
    ----------
    n : int
        Samples.
    batch_size : int
        Samples per batch; the last partial batch of each epoch is dropped.
    epochs : int
        Passes over the data.
    order : str
        ``shuffled``: anew in each epoch, from `seed`; ``paper``: as stored, as the published loop does.
    seed : int
        Of the shuffle.

    Returns
    -------
    list of Tensor of shape (batch_size,)
        ``epochs * (n // batch_size)`` batches.
    """
    if n < batch_size:
        raise ValueError(
            f"expected at least one batch of {batch_size} samples, found {n} samples; lower the batch size"
        )
    generator = torch.Generator().manual_seed(seed)
    epochs_rows = (
        torch.randperm(n, generator=generator) if order == "shuffled" else torch.arange(n) for _ in range(epochs)
    )
    return [batch for rows in epochs_rows for batch in rows[: n - n % batch_size].split(batch_size)]


def trained_parameters(model: CLIP) -> list[torch.nn.Parameter]:
    """Freeze the image tower and return every other parameter of the model."""
    model.visual.requires_grad_(False)
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def distractor_features(path: Path, pool_features: Path, triplets: pd.DataFrame, tower: str) -> Tensor:
    """Return the features of each sample's distractor image, as a Tensor of shape (n, d)."""
    chosen = read_parquet(path, ["key", "distractor"]).set_index("key")["distractor"]
    missing = set(triplets["key"]) - set(chosen.index)
    if missing:
        raise ValueError(f"{path}: {len(missing)} samples have no distractor, such as {min(missing)!r}")
    return load_features(pool_features, tower).rows(chosen.loc[triplets["key"]].tolist(), str(path))


def main() -> None:
    """Fine-tune the model that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, what in (
        ("model", "its name"),
        ("family", "under which the tables list it"),
        ("backbone", "that it starts from"),
        ("negatives", "where its negated captions come from"),
    ):
        parser.add_argument(f"--{name}", required=True, help=what)
    for name in ("weights", "triplets", "features", "checkpoint", "history", "record"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--distractors", type=Path, help="for losses with distractor images")
    parser.add_argument("--pool-features", type=Path, help="of the distractors' pool")
    parser.add_argument("--loss", choices=LOSSES, required=True)
    parser.add_argument("--order", choices=ORDERS, required=True)
    for name in ("epochs", "batch-size", "warmup-steps", "seed", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("lr", "weight-decay"):
        parser.add_argument(f"--{name}", type=float, required=True)
    args = parser.parse_args()
    if needs_distractors(args.loss) and not (args.distractors and args.pool_features):
        parser.error(f"--loss {args.loss} needs --distractors and --pool-features")

    settings = {name: value for name, value in vars(args).items() if not isinstance(value, Path | None)}
    record = RunRecord({name: settings.pop(name) for name in MODEL_FIELDS}, settings)
    use_threads(args.threads)
    torch.manual_seed(args.seed)
    model = load_clip(args.weights)
    tower = tower_id(model)
    device = pick_device()
    model.to(device)
    triplets = read_parquet(args.triplets, ["key", "caption", "negated_caption"])
    images = load_features(args.features, tower).rows(triplets["key"].tolist(), str(args.triplets))  # (n, d)
    distractors = None
    if needs_distractors(args.loss):
        distractors = distractor_features(args.distractors, args.pool_features, triplets, tower)
        distractors = distractors.to(device)
    images = images.to(device)
    captions = tokenize(triplets["caption"].tolist()).to(device)  # (n, 77)
    negated = tokenize(triplets["negated_caption"].tolist()).to(device)

    parameters = trained_parameters(model)
    optimiser = adamw(parameters, args.lr, args.weight_decay)
    plan = batches(len(triplets), args.batch_size, args.epochs, args.order, args.seed)
    history = []
    for step, batch in enumerate(progress(plan, f"fine-tune {args.model}", "steps")):
        texts = functional.normalize(encode_text(model, torch.cat([captions[batch], negated[batch]])), dim=-1)
        caption, negation = texts.chunk(2)  # (b, d) each
        distractor = None if distractors is None else distractors[batch]
        loss = loss_value(args.loss, images[batch], caption, negation, distractor, model.logit_scale.exp())
        lr = args.lr * warmup_cosine(step, len(plan), args.warmup_steps)
        history.append(update(optimiser, loss, model.logit_scale, lr, step))

    write_history(args.history, history)
    write_json(args.record, record.finish(samples=len(triplets), steps=len(plan), final_loss=history[-1]["loss"]))
    save_checkpoint(args.checkpoint, model.cpu())


if __name__ == "__main__":
    run(main)
