"""What the tests of fine-tuning share: a small training set, and the command."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
from conftest import ROOT, write_pool

from pipeline_lib.clip.load import CLIP
from pipeline_lib.features.encode import encode_pool
from pipeline_lib.features.store import save_features
from pipeline_lib.formats.images import read_tars
from pipeline_lib.jobs.files import write_parquet

SAMPLES = 12


def write_training_files(folder: Path, model: CLIP) -> None:
    """Write triplets, features and distractors of 12 samples."""
    keys = write_pool(folder / "train.tar", SAMPLES)
    save_features(folder / "train.safetensors", encode_pool(model, read_tars([folder / "train.tar"]), 5, 1))
    write_pool(folder / "pool.tar", 6, first=100)
    pool = encode_pool(model, read_tars([folder / "pool.tar"]), 5, 1)
    save_features(folder / "pool.safetensors", pool)
    frame = pd.DataFrame(
        {
            "key": keys,
            "caption": [f"a dog number {n}" for n in range(SAMPLES)],
            "negated_caption": [f"no dog number {n}" for n in range(SAMPLES)],
        }
    )
    write_parquet(folder / "train.parquet", frame)
    chosen = pd.DataFrame({"key": keys, "distractor": (pool.keys * 2), "score": 0.0})
    write_parquet(folder / "distractors.parquet", chosen)


def command(folder: Path, weights: Path, name: str = "m-s0", **changes: object) -> list[str]:
    """Return the arguments of a run on `write_training_files`' files; `changes` are flags with `_` for `-`."""
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
    pairs = [(f"--{flag.replace('_', '-')}", str(value)) for flag, value in flags.items()]
    return ["-m", "pipeline_lib.finetune.train", *(text for pair in pairs for text in pair)]


def train(folder: Path, weights: Path, name: str = "m-s0", **changes: object) -> subprocess.CompletedProcess:
    """Run the command; returns its result. Outputs are in ``folder/name``."""
    arguments = command(folder, weights, name, **changes)
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
