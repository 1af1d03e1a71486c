"""What the tests of the paper stage share: made-up scores, their metrics, and calls of its commands."""

import contextlib
import io
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from conftest import ROOT, call, write_pool

from pipeline_lib.evaluate.kinds import KINDS, OWN_COMMAND, SUGARCREPE_PARTS, blind_benchmarks, kind_for
from pipeline_lib.evaluate.result import entry, measure
from pipeline_lib.formats.wordings import TRAINED, UNSEEN
from pipeline_lib.jobs.files import write_json, write_parquet
from pipeline_lib.paper.tables import __main__ as tables_command
from pipeline_lib.paper.tables.published import COLUMNS

PUBLISHED = ROOT / "config" / "published.tsv"
PUBLISHED_HEADER = "\t".join(COLUMNS) + "\n"
DATASETS = ("kinds", "colours", "counts")
PROMPTS = ("plain", "negated", "bare")
PARTS = tuple(SUGARCREPE_PARTS)
KIND_OF = {
    "negbench-mcq-coco": "mcq",
    "negbench-retrieval": "retrieval",
    "valse-existence": "valse",
}  # others: the name
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


WORDS = ("no", "not", "without")


def random_of(*words) -> np.random.Generator:
    """Return a generator that depends on the words alone."""
    return np.random.default_rng(list(json.dumps(words).encode()))


def scored(frame: pd.DataFrame, correct: np.ndarray, positive: str, negative: str) -> pd.DataFrame:
    """Add scores that say the same as `correct`; ties are left out."""
    rng = np.random.default_rng(len(frame))
    frame = frame.assign(**{positive: rng.random(len(frame))})
    return frame.assign(**{negative: frame[positive] - np.where(correct, 0.1, -0.1), "correct": correct})


def ccneg_of(model: str, n: int = 120) -> pd.DataFrame:
    """CC-Neg's items: 120 of three words and 1, 2, or 10 pairs (which count as 5)."""
    frame = pd.DataFrame({"key": [f"{number:09}" for number in range(n)]})
    frame = frame.assign(negation_word=np.resize(WORDS, n), n_pairs=np.resize(np.repeat([10, 2, 1], [1, 2, 3]), n))
    correct = random_of(model, "ccneg").random(n) < (0.99 if model.startswith(("conclip", "l1")) else 0.65)
    return scored(frame, correct, "score_true", "score_negated")


def zeroshot_of(model: str, datasets=DATASETS, prompts=PROMPTS, n: int = 40) -> pd.DataFrame:
    """Items of labelled sets with 40, 41, ... images of classes of different size."""
    parts = []
    for number, dataset in enumerate(datasets):
        for prompt in prompts:
            rng, count = random_of(model, dataset, prompt), n + number
            labels = np.minimum(np.arange(count) % 7, 4)
            right = rng.random(count) < (0.15 if prompt == "negated" and model.startswith("conclip") else 0.7)
            part = {"dataset": dataset, "prompt": prompt, "key": [f"{dataset}-{row}" for row in range(count)]}
            predicted = np.where(right, labels, (labels + 1) % 5)
            scores = rng.random((2, count))
            scores = {
                "score": scores.max(axis=0),
                "score_label": np.where(right, scores.max(axis=0), scores.min(axis=0)),
            }
            parts.append(pd.DataFrame({**part, "label": labels, "predicted": predicted, **scores, "correct": right}))
    return pd.concat(parts, ignore_index=True)


def sugarcrepe_of(model: str) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {"part": part, "item": [str(row) for row in range(count)], "key": [f"{row:012}" for row in range(count)]}
        )
        for count, part in enumerate(PARTS, 20)
    ]
    frame = pd.concat(parts, ignore_index=True)
    correct = random_of(model, "sugarcrepe").random(len(frame)) < 0.7
    return scored(frame, correct, "score_positive", "score_negative")


def sugarcrepe_plus_of(model: str) -> pd.DataFrame:
    frame = sugarcrepe_of(model)
    frame = frame[frame.part.isin(list(KINDS["sugarcrepe-plus"].parts))].reset_index(drop=True)
    return frame.assign(correct_text=random_of(model, "text").random(len(frame)) < 0.6)


def mcq_of(model: str, n: int = 60) -> pd.DataFrame:
    template = np.resize(["positive", "negative", "hybrid", "negative"], n)
    frame = pd.DataFrame({"item": range(n), "key": [f"{row // 2:06}" for row in range(n)], "template": template})
    return scored(frame, random_of(model, "mcq").random(n) < 0.4, "score_0", "score_1")


def valse_of(model: str, n: int = 534) -> pd.DataFrame:
    frame = pd.DataFrame({"item": [f"existence_{row}" for row in range(n)], "key": [f"v7w_{row}" for row in range(n)]})
    frame["votes"] = np.resize([3, 2, 3, 0, 3, 1], n)
    return scored(frame, random_of(model, "valse").random(n) < 0.7, "score_caption", "score_foil")


def retrieval_of(model: str) -> pd.DataFrame:
    """Five captions of each of five images, and the images."""
    keys = [f"{row // 5:06}" for row in range(25)] + [f"{row:06}" for row in range(5)]
    frame = pd.DataFrame({"key": keys, "caption": [*np.resize(range(5), 25), *[-1] * 5]})
    rng = random_of(model, "retrieval")
    frame = frame.assign(direction=np.repeat(["text-to-image", "image-to-text"], [25, 5]), score=rng.random(30))
    return frame.assign(rank=rng.integers(1, 9, 30)).assign(correct=lambda items: items["rank"] == 1)


def truth_table_of(model: str, n: int = 30) -> pd.DataFrame:
    """Pairs of images of two concepts in five wordings, twice each: by which of the two shows the concept."""
    forms = [*(("trained", form) for form in TRAINED), *(("unseen", form) for form in UNSEEN)]
    columns = {"concept": np.resize(["dog", "cat"], n), "item": range(n)}
    columns |= {
        name: [forms[row % len(forms)][place] for row in range(n)] for place, name in enumerate(("wording", "form"))
    }
    rng = random_of(model, "truth-table")
    pairs = pd.DataFrame(columns).assign(correct=rng.random(n) < 0.2)
    pairs = pairs.assign(**{name: rng.normal(size=n) for name in ("text_effect", "image_effect", "interaction")})
    frame = pd.concat(
        [pairs.assign(truth=truth, key=[f"{truth}{row}" for row in range(n)]) for truth in ("present", "absent")]
    )
    answers = {name: rng.random(2 * n) < 0.6 for name in ("caption", "image")}
    return frame.reset_index(drop=True).assign(**answers)


def negated_retrieval_of(model: str, n: int = 20) -> pd.DataFrame:
    frame = pd.DataFrame(
        {"item": range(n), "key": [f"{row:06}" for row in range(n)], "present": "dog", "absent": "cat"}
    )
    return frame.assign(average_precision=random_of(model, "negated-retrieval").random(n))


ITEMS = {
    "ccneg": ccneg_of,
    "zeroshot": zeroshot_of,
    "sugarcrepe": sugarcrepe_of,
    "sugarcrepe-plus": sugarcrepe_plus_of,
    "negbench-mcq-coco": mcq_of,
    "negbench-retrieval": retrieval_of,
    "valse-existence": valse_of,
    "truth-table": truth_table_of,
    "negated-retrieval": negated_retrieval_of,
}


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


def make_tables(
    folder: Path, metrics: list[str], ccneg: str = "generated", precision: str = "fp32"
) -> subprocess.CompletedProcess:
    """Build the tables in this process; the answer is that of a command."""
    said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said[0]), contextlib.redirect_stderr(said[1]):
        mistake = call(
            tables_command.main, "--run", "test", "--ccneg", ccneg, "--precision", precision,
            "--published", PUBLISHED, "--kinds", *(f"{name}={kind}" for name, kind in KIND_OF.items()),
            "--metrics", *metrics, "--output", folder / "tables.parquet", "--folder", folder / "tables",
        )  # fmt: skip
    out, err = (text.getvalue() for text in said)
    return subprocess.CompletedProcess("tables", int(bool(mistake)), out, f"{mistake}\n" if mistake else err)


def write_ccneg(folder: Path, n: int = 120, released: bool = False) -> list[object]:
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
    return [
        *("--images", folder / "eval-00000.tar", "--train", folder / "train.parquet", "--eval"),
        *(folder / "eval.parquet", "--index", folder / "index.json"),
        *("--captions", *([] if released else [folder / "captions.parquet"])),
    ]


def scores_of(metrics: list[str]) -> list[str]:
    """Return the files of CC-Neg's items beside the metrics."""
    return ["--scores", *(path.removesuffix("json") + "parquet" for path in metrics if path.endswith("/ccneg.json"))]


def write_histories(folder: Path) -> list[Path]:
    """Write a training history of every model of `MODELS` that was fine-tuned; return the files."""
    paths = [folder / "finetune" / model / "history.jsonl" for model, _, _, loss, *_ in MODELS if loss is not None]
    lines = [{"step": step, "loss": 4 / step, "lr": 1e-4, "logit_scale": 4.6} for step in range(1, 6)]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return paths


def make_figures(folder: Path, metrics: list[str], histories: list[Path] = ()) -> subprocess.CompletedProcess:
    """Draw the figures of the tables in a folder, with a made-up CC-Neg and fetch summary."""
    return command(
        "figures", "--tables", folder / "tables.parquet", *scores_of(metrics), *write_ccneg(folder), "--histories",
        *histories, "--fetch", write_fetch_summary(folder / "summary.json"), "--folder", folder / "figures",
    )  # fmt: skip
