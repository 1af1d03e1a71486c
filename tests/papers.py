"""What the tests of the paper stage share: made-up metrics and calls of its commands."""

import json
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

PUBLISHED = ROOT / "config" / "published.tsv"
DATASETS = ("kinds", "colours", "counts")
PROMPTS = ("plain", "negated", "bare")
PARTS = ("replace_obj", "replace_att", "replace_rel", "add_obj", "add_att", "swap_obj", "swap_att")
MODELS = [
    # model, family, backbone, loss, negatives, seed
    ("mini-vit", "CLIP", "mini-vit", None, None, None),
    ("mini-rn", "CLIP", "mini-rn", None, None, None),
    ("conclip-vit-s0", "CoN-CLIP", "mini-vit", "conclip", "ccneg", 0),
    ("conclip-vit-s1", "CoN-CLIP", "mini-vit", "conclip", "ccneg", 1),
    ("conclip-rn-s0", "CoN-CLIP", "mini-rn", "conclip", "ccneg", 0),
    ("l1-vit-s0", "CoN-CLIP", "mini-vit", "l1", "ccneg", 0),
    ("l2-vit-s0", "CoN-CLIP", "mini-vit", "l2", "ccneg", 0),
    ("crepe-vit-s0", "CoN-CLIP", "mini-vit", "l1", "crepe", 0),
]
BLIND = [(model, "text only", "none", None, None, None) for model in ("blind-rule", "blind-words")]


def value(*words) -> float:
    """Return a number that depends on the words alone and repeats for no other cell: a cosine or a percentage."""
    return int.from_bytes(json.dumps(words).encode(), "big") % 9973 / (10_000 if "cosine" in words else 100)


def metrics_of(model: str, benchmark: str, datasets=DATASETS, prompts=PROMPTS) -> list[dict]:
    cells = {
        "ccneg": [("cc-neg", None, "accuracy", 100)]
        + [(f"cc-neg/word={word}", None, "accuracy", 50) for word in ("no", "not")]
        + [(f"cc-neg/pairs={pairs}", None, "accuracy", 10 * pairs) for pairs in (10, 2, 1)],
        "zeroshot": [
            (dataset, prompt, metric, 40 + number)
            for number, dataset in enumerate(datasets)
            for prompt in prompts
            for metric in ("top1", "mean_per_class")
        ],
        "sugarcrepe": [(f"sugarcrepe/{part}", None, "accuracy", 20) for part in (*PARTS, "replace", "add", "swap")],
        "valse-existence": [("valse-existence", None, "accuracy", 505)],
        "negbench-retrieval": [
            (f"negbench-retrieval{direction}", None, f"recall@{cutoff}", n)
            for direction, n in (("", 25), ("/image-to-text", 5))
            for cutoff in (1, 5)
        ],
        "embeddings": [
            *((f"cc-neg/{part}", None, "cosine", 100) for part in ("captions", "negated", "own-negation")),
            *((f"cc-neg/{part}", None, "dimensions", 100) for part in ("captions", "negated")),
        ],
    }[benchmark]
    return [
        {"dataset": dataset, "prompt": prompt, "metric": metric, "value": value(model, dataset, prompt, metric), "n": n}
        for dataset, prompt, metric, n in cells
    ]


def write_metrics(folder: Path, models=(*MODELS, *BLIND), **zeroshot) -> list[str]:
    """Write the metrics files of some models and return their paths; `zeroshot` may name other datasets or prompts."""
    paths = []
    for model, family, backbone, loss, negatives, seed in models:
        seeing = ("zeroshot", "sugarcrepe", "valse-existence", "negbench-retrieval", "embeddings")
        for benchmark in ("ccneg", *(seeing if backbone != "none" else ())):
            content = {
                "model": model, "family": family, "backbone": backbone, "loss": loss, "negatives": negatives,
                "seed": seed, "benchmark": benchmark, "metrics": metrics_of(model, benchmark, **zeroshot),
            }  # fmt: skip
            path = folder / "evaluate" / model / f"{benchmark}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))
            paths.append(str(path))
    return paths


def write_fetch_summary(path: Path) -> Path:
    """Write a made-up summary of the fetch stage and return its path."""
    failures = [("http 404", "http", True, 60), ("timeout", "timeout", False, 9), ("dns", "dns", True, 4)]
    failures += [("dns", "dns", False, 1)]
    summary = {
        "captions": {"file": "cc3m.tsv", "bytes": 12345, "sha256": "ab" * 32, "rows": 1000},
        "rows": 1000,
        "successes": 926,
        "bytes": 1,
        "failures": [
            {"label": label, "failure": failure, "http_code": None, "permanent": permanent, "rows": rows}
            for label, failure, permanent, rows in failures
        ],
        "hosts": [
            {
                "host": f"host-{number}.test",
                "rows": 90,
                "failed": 9,
                "failures": {"http 404": 9 - number, "timeout": number},
            }
            for number in range(6)
        ],
        "duplicates": {"images": 2, "rows": 7, "placeholder_images": 1, "placeholder_rows": 5, "top": []},
    }
    path.write_text(json.dumps(summary))
    return path


def command(module: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", f"pipeline_lib.paper.{module}", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip


def make_tables(folder: Path, metrics: list[str]) -> subprocess.CompletedProcess:
    return command(
        "tables", "--run", "test", "--published", PUBLISHED, "--metrics", *metrics,
        "--output", folder / "tables.parquet", "--folder", folder / "tables",
    )  # fmt: skip
