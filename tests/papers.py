"""What the tests of the paper stage share: made-up scores, their metrics, and calls of its commands."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from conftest import ROOT, call, flags_of, write_pool
from made_up_items import DATASETS, ITEMS, KIND_OF, ccneg_of, random_of
from matplotlib.text import Text

from pipeline_lib.evaluate.kinds import KINDS, OWN_COMMAND, blind_benchmarks, kind_for
from pipeline_lib.evaluate.result import entry, measure
from pipeline_lib.jobs.files import write_json, write_parquet
from pipeline_lib.paper.tables import __main__ as tables_command
from pipeline_lib.paper.tables.published import COLUMNS, ZEROSHOT_DATASETS

PUBLISHED = ROOT / "config" / "published.tsv"
PUBLISHED_HEADER = "\t".join(COLUMNS) + "\n"
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


LATER = [name for name in ITEMS if name not in OWN_COMMAND]
BLIND_ON = blind_benchmarks({name: {"kind": KIND_OF.get(name, name)} for name in LATER})


def metrics_of(benchmark: str, items: pd.DataFrame, model: str = "") -> list[dict]:
    """Return the metrics of a benchmark as the evaluation gives them."""
    return measure(kind_for((KINDS | OWN_COMMAND)[KIND_OF.get(benchmark, benchmark)], model), items, benchmark)


@cache
def measured(model: str, benchmark: str, **zeroshot) -> tuple[pd.DataFrame, list[dict]]:
    """Return the items of a model on a benchmark, and their metrics as the evaluation gives them."""
    items = ITEMS[benchmark](model, **(zeroshot if benchmark == "zeroshot" else {}))
    if model in BLIND_ON:
        items = items.drop(columns=[name for name in items if "text" in name])
    return items, metrics_of(benchmark, items, model)


def embeddings_of(model: str) -> list[dict]:
    """Return metrics of embeddings, which have no items."""
    rng = random_of(model, "embeddings")
    ranges = {"cosine": (-1, 1), "dimensions": (1, 64)}
    return [
        entry(metric, metric.dataset, rng.uniform(*ranges[metric.name]), 100)
        for metric in OWN_COMMAND["embeddings"].metrics
    ]


def value(model: str, dataset: str, prompt: str | None, metric: str) -> float:
    """Return a metric of a model, whose zero-shot datasets are `DATASETS`."""
    benchmark = "ccneg" if dataset.startswith("cc-neg") else dataset.split("/")[0]
    if metric in ("cosine", "dimensions"):
        found = embeddings_of(model)
    else:
        found = measured(model, benchmark if benchmark in ITEMS else "zeroshot")[1]
    (one,) = (
        entry["value"]
        for entry in found
        if (entry["dataset"], entry["prompt"], entry["metric"]) == (dataset, prompt, metric)
    )
    return one


def write_metrics(folder: Path, models=(*MODELS, *BLIND), **zeroshot) -> list[str]:
    """Write items and metrics of models; return the paths of the metrics. `zeroshot` may name datasets or prompts."""
    zeroshot = {name: tuple(names) for name, names in zeroshot.items()}
    paths = []
    for model, family, backbone, loss, negatives, seed in models:
        for benchmark in BLIND_ON.get(model, (*ITEMS, "embeddings")):
            items, metrics = None, embeddings_of(model)
            if benchmark != "embeddings":
                items, metrics = measured(model, benchmark, **zeroshot)
            content = {
                "model": model, "family": family, "backbone": backbone, "loss": loss, "negatives": negatives,
                "seed": seed, "benchmark": benchmark, "metrics": metrics,
            }  # fmt: skip
            path = folder / "evaluate" / model / f"{benchmark}.json"
            write_json(path, content)
            if items is not None:
                write_parquet(path.with_suffix(".parquet"), items)
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
            {"host": f"host-{n}.test", "rows": 90, "failed": 9, "failures": {"http 404": 9 - n, "timeout": n}}
            for n in range(6)
        ],
        "duplicates": {"images": 2, "rows": 7, "placeholder_images": 1, "placeholder_rows": 5, "top": []},
    }
    path.write_text(json.dumps(summary))
    return path


def write_times(folder: Path) -> Path:
    """Write what two rules' jobs took and return the folder."""
    head = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for name, seconds, memory in (("tables", 4.5, "300.0"), ("finetune/a", 100.0, "900.6"), ("finetune/b", 20.0, "NA")):
        path = folder / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{head}{seconds}\t0:00:04\t{memory}\t1\t1\t1\t0\t0\t50\t{seconds / 2}\n")
    return folder


def command(module: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", f"pipeline_lib.paper.{module}", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip


def make_tables(folder: Path, metrics: list[str], ccneg: str = "generated") -> str | None:
    """Build the tables in this process; return the message of the mistake that the command ends with, or None."""
    return call(
        tables_command.main, "--run", "test", "--ccneg", ccneg, "--precision", "fp32",
        "--published", PUBLISHED, "--kinds", *(f"{name}={kind}" for name, kind in KIND_OF.items()),
        "--metrics", *metrics, "--output", folder / "tables.parquet", "--folder", folder / "tables",
    )  # fmt: skip


def write_ccneg(folder: Path, n: int = 120, released: bool = False) -> dict[str, object]:
    """Write a made-up CC-Neg whose evaluation is `ccneg_of`'s; return the flags that name it to the figures."""
    words, pairs = ccneg_of("any", n).negation_word, ccneg_of("any", n).n_pairs
    keys = {"eval": [f"{row:09}" for row in range(n)], "train": [f"{row:09}" for row in range(n, 3 * n)]}
    for split, of in keys.items():
        captions = [f"a {'very ' * (row % 9)}small dog on a sofa" for row in range(len(of))]
        frame = pd.DataFrame({"key": of, "caption": captions, "negated_caption": [f"not {text}" for text in captions]})
        frame = frame.assign(negation_word=np.resize(words, len(of)), n_pairs=np.resize(pairs, len(of)))
        write_parquet(folder / f"{split}.parquet", frame)
    texts = {"caption": "a small dog on a sofa in a room with a window", "negated_caption": "no small dog on a sofa"}
    write_pool(folder / "eval-00000.tar", n, **texts)
    counts = {"rows": 4 * n, "samples": 3 * n, "without_image": n - 30}
    refused = {"no-pair": 20, "no-rule": 9, "unfaithful": 1}
    if released:
        counts |= {f"refused_{reason.replace('-', '_')}": rows for reason, rows in refused.items()}
    write_json(folder / "index.json", {"rows": counts, "shards": []})
    reasons = [reason for reason, rows in refused.items() for _ in range(rows)] + [None] * (n - 30)
    status = ["negated" if reason is None else "refused" for reason in reasons]
    write_parquet(folder / "captions.parquet", pd.DataFrame({"status": status, "reason": reasons}))
    flags = {"images": folder / "eval-00000.tar", "index": folder / "index.json"}
    flags |= {split: folder / f"{split}.parquet" for split in keys}
    return flags | {"captions": [] if released else [folder / "captions.parquet"]}


def scores_of(metrics: list[str]) -> dict[str, list[str]]:
    """Return the flag that names the files of CC-Neg's items beside the metrics."""
    return {"scores": [path.removesuffix("json") + "parquet" for path in metrics if path.endswith("/ccneg.json")]}


def write_histories(folder: Path) -> list[Path]:
    """Write a training history of every model of `MODELS` that was fine-tuned; return the files."""
    paths = [folder / "finetune" / model / "history.jsonl" for model, _, _, loss, *_ in MODELS if loss is not None]
    lines = [{"step": step, "loss": 4 / step, "lr": 1e-4, "logit_scale": 4.6} for step in range(1, 6)]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return paths


def make_figures(folder: Path, tables: Path, metrics: list[str], histories: list[Path] = ()) -> None:
    """Draw the figures of tables into ``folder/figures``, with a made-up CC-Neg and fetch summary."""
    flags = {**scores_of(metrics), **write_ccneg(folder), "histories": list(histories), "folder": folder / "figures"}
    summary = write_fetch_summary(folder / "summary.json")
    done = command("figures", *flags_of(tables=tables, fetch=summary, **flags))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def of_papers_size(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of the tables as if there were the paper's five backbones and eight datasets."""
    few, one = rows[~rows.dataset.isin(DATASETS)], rows[rows.dataset == "kinds"]
    many = pd.concat([*(one.assign(dataset=name) for name in sorted(ZEROSHOT_DATASETS)), few], ignore_index=True)
    parts = []
    for name in ("RN50", "RN101", "ViT-B/32", "ViT-B/16", "ViT-L/14"):
        part = many[many.backbone == ("mini-vit" if name == "ViT-B/32" else "mini-rn")]
        parts.append(part.assign(backbone=name, model=part.model + name))
    return pd.concat(parts, ignore_index=True)


def cut_off(figure) -> list[str]:
    """The texts that reach beyond the figure's edge."""
    unseen = set()  # of ticks beyond the ends of their axis
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        unseen |= {text for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high
                   for text in (tick.label1, tick.label2)}  # fmt: skip
    found = []
    for text in figure.findobj(Text):
        if text not in unseen and text.get_visible() and text.get_text().strip():
            box = text.get_window_extent()
            if min(box.x0, box.y0) < -1 or box.x1 > figure.bbox.width + 1 or box.y1 > figure.bbox.height + 1:
                found.append(text.get_text())
    return found
