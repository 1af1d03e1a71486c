"""What storing image features in half precision would change in a finished run's results.

    python -m bench.rounding --run results/miniature

Rounds the features of every benchmark to fp16 and to bf16, scores all models anew, and counts the items whose
correctness flips. Prints a Markdown table.
"""

import argparse
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from pipeline_lib.clip.load import load_clip
from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.evaluate import zeroshot
from pipeline_lib.evaluate.benchmark import score_choices
from pipeline_lib.evaluate.kinds import KINDS, ccneg_items, read_annotations
from pipeline_lib.features.store import Features, load_features
from pipeline_lib.jobs.files import read_json, read_parquet
from pipeline_lib.jobs.progress import progress

PROMPTS = {"plain": "this is a photo of a {}", "negated": "this is not a photo of a {}"}
ROUNDED = {"fp16": torch.float16, "bf16": torch.bfloat16}


def backbones(run: Path) -> dict[str, str]:
    """Return the backbone of each model of a run, by the model's name."""
    paths = [path for stage in ("backbones", "finetune") for path in sorted(run.glob(f"{stage}/*/run.json"))]
    records = map(read_json, paths)
    return {record["model"]: record["backbone"] for record in records}


def score_model(run: Path, model: str, backbone: str) -> dict[tuple[str, str, str], pd.DataFrame]:
    """Return a model's items by (precision, benchmark, dataset), for features as stored and rounded."""
    clip = load_clip(next(run.glob(f"*/{model}/model.pt")))

    def pool(name: str) -> Features:
        return load_features(sorted(run.glob(f"features/{backbone}/{name}/*.safetensors")))

    triplets = read_parquet(run / "shards/eval.parquet")
    pairs = read_annotations("sugarcrepe", run / "miniature/sugarcrepe")
    lists = {
        path.name.removesuffix(".classes.txt"): path for path in sorted(run.glob("miniature/zeroshot/*.classes.txt"))
    }
    classes = {name: zeroshot.read_classes(path) for name, path in lists.items()}
    wanted = [(name, prompt) for name in classes for prompt in PROMPTS]
    weights = zeroshot.classifiers(clip, [(classes[name], [PROMPTS[prompt]]) for name, prompt in wanted])
    caption, negated = encode_captions(clip, [*triplets["caption"], *triplets["negated_caption"]]).chunk(2)
    items = {}
    for precision, dtype in {"fp32": torch.float32, **ROUNDED}.items():

        def rows(name: str, keys: list[str], dtype: torch.dtype = dtype) -> torch.Tensor:
            return pool(name).rows(keys, name).to(dtype).float()

        photos = rows("ccneg-eval", triplets["key"].tolist())
        scores = ((photos * side).sum(dim=1).numpy() for side in (caption, negated))
        items[precision, "CC-Neg", ""] = ccneg_items(triplets, *scores)
        items[precision, "SugarCREPE", ""] = score_choices(
            KINDS["sugarcrepe"], pairs, partial(rows, "sugarcrepe"), partial(encode_captions, clip)
        )
        for (name, prompt), classifier in zip(wanted, weights, strict=True):
            found = pool(name)
            found.features = found.features.to(dtype).float()
            scored = zeroshot.score_items(name, prompt, found, classifier)
            items[precision, f"zero-shot, {prompt} prompt", name] = scored
    return items


def compare(stored: pd.DataFrame, rounded: pd.DataFrame) -> dict:
    """Return what rounding changed in the items of one model and dataset."""
    scores = [column for column in stored.columns if column.startswith("score")]
    return {
        "items": len(stored),
        "flipped": int((stored["correct"] != rounded["correct"]).sum()),
        "largest change of a score": max(float((stored[name] - rounded[name]).abs().max()) for name in scores),
        "largest change of an accuracy, points": 100 * abs(stored["correct"].mean() - rounded["correct"].mean()),
    }


def main() -> None:
    """Print the table of the run that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run on the miniature")
    run = parser.parse_args().run
    changes = []
    for model, backbone in progress(backbones(run).items(), "score", "models"):
        items = score_model(run, model, backbone)
        for (precision, benchmark, dataset), rounded in items.items():
            if precision in ROUNDED:
                change = compare(items["fp32", benchmark, dataset], rounded)
                changes.append({"stored as": precision, "benchmark": benchmark, **change})
    largest = {name: "max" for name in changes[0] if name.startswith("largest")}
    table = pd.DataFrame(changes).groupby(["benchmark", "stored as"], sort=False)
    table = table.agg({"items": "sum", "flipped": "sum", **largest}).reset_index()
    print(table.to_markdown(index=False, floatfmt=("", "", ",.0f", ",.0f", ".1e", ".2f")))


if __name__ == "__main__":
    main()
