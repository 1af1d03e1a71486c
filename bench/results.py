"""Time the tables, figures and report page of a run of the paper's size, and their memory, from generated scores.

::

    python -m bench.results

(`make bench-results`): 20 models on CC-Neg's 40,000 items, and 12 of them (3 CLIPs, 3
CoN-CLIPs of 3 seeds) on the paper's eight zero-shot sets (121,786 images, 1,000 to 10 classes, five prompts),
SugarCREPE and NegBench's retrieval, and 40,000 images of noise. Generating takes three minutes and is not timed; what
is there is used again. Prints a line each.
"""

import argparse
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from conftest import ROOT, flags_of
from made_up_items import PARTS, WORDS, random_of, scored
from papers import PUBLISHED, metrics_of, write_ccneg, write_fetch_summary, write_times
from PIL import Image

from bench.processes import cost_of_python
from pipeline_lib.evaluate.prompts import PROMPTS
from pipeline_lib.formats.tars import encode_json, write_samples
from pipeline_lib.jobs.files import write_json, write_parquet

SIZES = {  # images, classes
    "imagenet-1k": (50_000, 1000), "cifar-100": (10_000, 100), "cifar-10": (10_000, 10), "stanford-cars": (8041, 196),
    "caltech-101": (8677, 101), "food-101": (25_250, 101), "flowers-102": (6149, 102), "oxford-pets": (3669, 37),
}  # fmt: skip
EQUAL = ("imagenet-1k", "cifar-100", "cifar-10", "food-101")  # sets whose classes have as many images each
SUGARCREPE = dict(zip(PARTS, (1652, 788, 1406, 2062, 692, 245, 666), strict=True))
BACKBONES = ("vit-b32", "vit-b16", "vit-l14")


def ccneg(model: str, n: int = 40_000) -> pd.DataFrame:
    """Return the items of CC-Neg as a model of 65 or 99 % has them."""
    frame = pd.DataFrame({"key": [f"{row:09}" for row in range(n)]})
    frame = frame.assign(negation_word=np.resize(WORDS, n), n_pairs=1 + np.arange(n) % 5)
    right = random_of(model, "ccneg").random(n) < (0.99 if "conclip" in model else 0.65)
    return scored(frame, right, "score_true", "score_negated")


def zeroshot(model: str) -> pd.DataFrame:
    """Return the items of the eight sets under five prompts; classes are of different ability."""
    parts = []
    for dataset, (n, classes) in SIZES.items():
        rng = random_of(dataset)
        labels = np.arange(n) % classes if dataset in EQUAL else np.sort(rng.geometric(3 / classes, n) % classes)
        keys = [f"{dataset}-{row:06}" for row in range(n)]
        ability = rng.beta(3, 1.5, classes)
        for prompt in PROMPTS:
            rng = random_of(model, dataset, prompt)
            right = rng.random(n) < ability[labels]
            predicted = np.where(right, labels, (labels + 1) % classes)
            score = rng.random(n, dtype=np.float32)
            items = {"dataset": dataset, "prompt": prompt, "key": keys, "label": labels, "predicted": predicted}
            items |= {"score": score, "score_label": np.where(right, score, score / 2), "correct": right}
            parts.append(pd.DataFrame(items))
    return pd.concat(parts, ignore_index=True)


def sugarcrepe(model: str) -> pd.DataFrame:
    """Return the items of SugarCREPE's seven parts."""
    numbers = [(part, str(row), f"{row:012}") for part, count in SUGARCREPE.items() for row in range(count)]
    frame = pd.DataFrame(numbers, columns=["part", "item", "key"])
    right = random_of(model, "sugarcrepe").random(len(frame)) < 0.75
    return scored(frame, right, "score_positive", "score_negative")


def retrieval(model: str, images: int = 5000) -> pd.DataFrame:
    """Return the ranks of 25,000 captions and 5,000 images."""
    keys = [f"{row:012}" for row in range(images)]
    to_image = pd.DataFrame({"key": np.repeat(keys, 5), "caption": np.tile(range(5), images)})
    to_text = pd.DataFrame({"key": keys, "caption": -1, "direction": "image-to-text"})
    frame = pd.concat([to_image.assign(direction="text-to-image"), to_text], ignore_index=True)
    rng = random_of(model, "retrieval")
    frame = frame.assign(score=rng.random(len(frame)), rank=rng.geometric(0.3, len(frame)))
    return frame.assign(correct=frame["rank"] == 1)


def models() -> list[tuple]:
    """Return model, family, backbone, loss, negatives, seed, and whether it classifies."""
    found = [(name, "CLIP", name, None, None, None, True) for name in BACKBONES]
    for name in BACKBONES:
        found += [(f"conclip-{name}-s{seed}", "CoN-CLIP", name, "conclip", "ccneg", seed, True) for seed in range(3)]
    return found + [(f"other-{number}", f"Other {number}", "vit-b32", None, None, None, False) for number in range(8)]


def generate(folder: Path) -> None:
    """Write items and metrics of every model that are not there yet."""
    for model, family, backbone, loss, negatives, seed, classifies in models():
        identity = {"model": model, "family": family, "backbone": backbone, "loss": loss, "negatives": negatives}
        makers = {"ccneg": ccneg}
        if classifies:
            makers |= {"zeroshot": zeroshot, "sugarcrepe": sugarcrepe, "negbench-retrieval": retrieval}
        for benchmark, make in makers.items():
            path = folder / "evaluate" / model / f"{benchmark}.json"
            if not path.is_file():
                items = make(model)
                write_parquet(path.with_suffix(".parquet"), items)
                content = {"seed": seed, "benchmark": benchmark, "metrics": metrics_of(benchmark, items)}
                write_json(path, identity | content)


def write_images(path: Path, n: int = 40_000) -> None:
    """Write a tar of 256-pixel images that compress badly, a hundred different ones."""
    rng, images = np.random.default_rng(0), [io.BytesIO() for _ in range(100)]
    for content in images:
        coarse = Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8))
        coarse.resize((256, 256), Image.Resampling.BICUBIC).save(content, "JPEG", quality=90)
    said = encode_json({"caption": "a dog on a sofa", "negated_caption": "a dog that is not on a sofa"})
    write_samples(path, ((f"{row:09}", {"jpg": images[row % 100].getvalue(), "json": said}) for row in range(n)))


def main() -> None:
    """Generate, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    default = Path(tempfile.gettempdir()) / "bench-results"
    parser.add_argument("--folder", type=Path, default=default, help="of the generated scores and the tables")
    folder = parser.parse_args().folder
    generate(folder)
    tables, figures, page = (folder / name for name in ("tables.parquet", "figures", "report.html"))
    data = flags_of(**write_ccneg(folder, 40_000))
    write_images(folder / "eval-00000.tar")
    fetched = ("--fetch", write_fetch_summary(folder / "summary.json"))
    scores = ("--scores", *sorted(folder.glob("evaluate/*/ccneg.parquet")))
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    provenance = ("--runs", "--weights", "--benchmarks", write_times(folder / "times"), "--config", json.dumps(config))
    for name, arguments in {
        "tables": ("--run", "bench", "--ccneg", "released", "--precision", "fp32", "--published", PUBLISHED,
                   "--output", tables,
                   "--kinds", "negbench-retrieval=retrieval",
                   "--folder", folder / "tables", "--metrics", *sorted(folder.glob("evaluate/*/*.json"))),
        "figures": ("--tables", tables, *scores, *data, "--histories", *fetched, "--folder", figures),
        "report": ("--tables", tables, "--figures", figures, *fetched, *scores, *data,
                   *provenance, "--seed", "0", "--examples", "6", "--output", page),
    }.items():  # fmt: skip
        cost = cost_of_python(["-m", f"pipeline_lib.paper.{name}", *arguments], folder / "log")
        print(f"{name}: {cost}", flush=True)
    print(f"The page has {page.stat().st_size / 1e6:.1f} MB.")


if __name__ == "__main__":
    main()
