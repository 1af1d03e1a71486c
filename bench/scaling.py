"""Time and memory of what grows with the data and does not run in parts: planning, gathering, loading to fine-tune.

::

    python -m bench.scaling

(`make bench-scaling`): dry-runs of the miniature, cut into more and more parts, in a copy of the repository without
results; the tables of CC-Neg's splits gathered from 64 parts; the training set of a ViT-B/32 (512 dimensions) loaded,
with COCO's number of distractors. Each in a process of its own; prints a line each.
"""

import argparse
import re
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from conftest import copy_repository

from bench.processes import cost_of_python
from pipeline_lib.features.store import Features, save_features
from pipeline_lib.formats.tars import write_samples
from pipeline_lib.jobs.files import write_json, write_parquet

PARTS = (5, 134, 1420)  # some 100, 1,000 and 10,000 jobs
ROWS = (100_000, 400_000)  # samples; what each more takes is the difference
SHARDS, DIMENSIONS, DISTRACTORS = 64, 512, 118_287
LOAD = """
from pathlib import Path
from pipeline_lib.finetune.samples import load_samples
from pipeline_lib.finetune.terms import needs
files = lambda name: sorted(Path(name).iterdir())
inputs = (Path("train.parquet"), files("images"), Path("distractors.parquet"), files("pool"))
samples = load_samples(needs("conclip"), "tower", *inputs)
print({name: rows.shape for name, rows in samples.items()})
"""


def write_triplets(folder: Path, rows: int) -> list[Path]:
    """Write the parts of CC-Neg's triplets, of captions as long as CC3M's (53 characters, 10 words)."""
    paths, rng = [], np.random.default_rng(0)
    words = np.array(["a", "man", "riding", "small", "red", "bicycle", "along", "street", "near", "old", "house"])
    for part, places in enumerate(np.array_split(np.arange(rows), SHARDS)):
        captions = [" ".join(row) for row in rng.choice(words, (len(places), 10))]
        frame = pd.DataFrame({"key": [f"{place:09}" for place in places], "caption": captions})
        frame = frame.assign(split=np.where(places % 6 == 0, "eval", "train"), object="house", negation_word="not")
        frame = frame.assign(negated_caption=frame.caption + " not", exclusion_caption="a man", n_pairs=2)
        paths.append(folder / f"triplets-{part:05}.parquet")
        write_parquet(paths[-1], frame)
    write_json(folder / "counts.json", {"rows": rows, "samples": rows, "without_image": 0})
    write_samples(folder / "a.tar", ((f"{place:09}", {"json": b"{}"}) for place in range(rows)))
    return paths


def write_features(folder: Path) -> None:
    """Write random features of the training split and of the distractors, and a distractor of each sample."""
    keys = pd.read_parquet(folder / "train.parquet", columns=["key"])["key"].tolist()
    pool = [f"{number:012}" for number in range(DISTRACTORS)]
    for name, of in (("images", keys), ("pool", pool)):
        for part, places in enumerate(np.array_split(np.arange(len(of)), 8)):
            random = torch.randn(len(places), DIMENSIONS, generator=torch.Generator().manual_seed(part))
            features = random / random.norm(dim=1, keepdim=True)
            shard = Features([of[place] for place in places], features, None, "tower", "clip", "fp32", str(part))
            save_features(folder / name / f"{part:05}.safetensors", shard)
    chosen = pd.DataFrame({"key": keys, "distractor": np.resize(pool, len(keys)), "score": 0.1})
    write_parquet(folder / "distractors.parquet", chosen)


def main() -> None:
    """Do each at each size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", type=int, nargs="*", default=PARTS, help="how many parts the captions file has")
    parser.add_argument("--rows", type=int, nargs="*", default=ROWS, help="samples to gather and to load")
    sizes = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log, copy = Path(folder) / "log", copy_repository(Path(folder) / "copy")
        for parts in sizes.parts:
            (copy / "parts.yaml").write_text(f"fetch: {{parts: {parts}}}\n")
            flags = ("--configfile", "parts.yaml", "--cores", "2", "--dry-run", "--quiet", "rules")
            cost = cost_of_python(["-m", "snakemake", *flags], log, copy)
            jobs = int(re.search(r"^total +(\d+)", log.read_text(), re.MULTILINE)[1])
            print(f"plan {jobs:,} jobs ({parts:,} parts): {cost}", flush=True)
        for rows in sizes.rows:
            data = Path(folder) / str(rows)
            files = ["--triplets", *write_triplets(data, rows), "--counts", "counts.json", "--shards", "a.tar"]
            files += ["--train", "train.parquet", "--eval", "eval.parquet", "--index", "index.json"]
            cost = cost_of_python(["-m", "pipeline_lib.shards.index", *files], log, data)
            print(f"gather {rows:,} samples: {cost}")
            write_features(data)
            print(f"load {rows:,} samples: {cost_of_python(['-c', LOAD], log, data)}", flush=True)


if __name__ == "__main__":
    main()
