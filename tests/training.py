"""What the tests of training share: a small training set, and the commands."""

import json
from pathlib import Path

import pandas as pd
import torch
from conftest import TINY, call, write_pool

from pipeline_lib.backbones import pretrain
from pipeline_lib.clip.load import CLIP
from pipeline_lib.features.encode import encode_pool
from pipeline_lib.features.store import save_features
from pipeline_lib.finetune import train
from pipeline_lib.formats.images import read_tars
from pipeline_lib.jobs.files import write_parquet

SAMPLES = 12
ANIMALS = ["dog", "cat", "cow"] * (SAMPLES // 3)
TEXTS = {
    "caption": [f"a {animal} number {n}" for n, animal in enumerate(ANIMALS)],
    "negated_caption": [f"no {animal} number {n}" for n, animal in enumerate(ANIMALS)],
    "exclusion_caption": [f"number {n}" for n in range(SAMPLES)],
    "object": [f"a {animal}" for animal in ANIMALS],
}


def write_training_files(folder: Path, model: CLIP) -> None:
    """Write triplets, features and distractors of 12 samples."""
    keys, pool = write_pool(folder / "train.tar", SAMPLES), write_pool(folder / "pool.tar", 6, first=100)
    for name in ("train", "pool"):
        save_features(folder / f"{name}.safetensors", encode_pool(model, read_tars([folder / f"{name}.tar"]), 5, 1))
    write_parquet(folder / "train.parquet", pd.DataFrame({"key": keys, **TEXTS}))
    write_parquet(folder / "distractors.parquet", pd.DataFrame({"key": keys, "distractor": pool * 2, "score": 0.0}))


def command(folder: Path, weights: Path, name: str = "m-s0", **changes: object) -> list[str]:
    """Return the flags of a run on `write_training_files`' files; `changes` are flags with `_` for `-`."""
    flags = {
        **{"model": name, "family": "CoN-CLIP", "backbone": "tiny", "negatives": "ccneg", "weights": weights},
        **{"triplets": folder / "train.parquet", "features": folder / "train.safetensors"},
        **{"distractors": folder / "distractors.parquet", "pool_features": folder / "pool.safetensors"},
        **{"loss": "conclip", "epochs": 3, "batch_size": 4, "lr": 1e-3, "weight_decay": 0.2, "warmup_steps": 2},
        **{"order": "shuffled", "precision": "fp32", "seed": 0, "threads": 1, "checkpoint_every": 100},
        **changes,
    }
    outputs = {"checkpoint": "model.pt", "history": "history.jsonl", "record": "run.json"}
    flags |= {output: folder / name / file for output, file in outputs.items()}
    return [text for flag, value in flags.items() for text in (f"--{flag.replace('_', '-')}", str(value))]


def run_pretraining(folder: Path, name: str = "one", architecture: dict = TINY) -> str | None:
    """Pretrain on ``images.tar`` in this process; return the mistake that it ends with, or None."""
    flags = {
        **{"backbone": "tiny", "images": folder / "images.tar", "architecture": json.dumps(architecture)},
        **{"steps": 4, "batch-size": 3, "lr": 1e-3, "weight-decay": 0.1, "warmup-steps": 1, "seed": 0, "threads": 1},
        **{"checkpoint": folder / f"{name}.pt", "history": folder / f"{name}.jsonl", "record": folder / f"{name}.json"},
    }
    return call(pretrain.main, *(text for key, value in flags.items() for text in (f"--{key}", value)))


def fine_tune(folder: Path, weights: Path, name: str = "m-s0", **changes: object) -> str | None:
    """Run the command in this process, outputs in ``folder/name``; return the mistake that it ends with, or None."""
    return call(train.main, *command(folder, weights, name, **changes))


def history(folder: Path, name: str = "m-s0") -> list[dict]:
    """Return the steps of a run."""
    return [json.loads(line) for line in (folder / name / "history.jsonl").read_text().splitlines()]


def weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights in a checkpoint."""
    return torch.load(path, weights_only=True)["model"]
