"""Read the metrics that the `evaluate` stage wrote and refuse whatever would make a table quietly wrong.

One JSON per model and benchmark -> one row per (model, dataset, prompt, metric). After `read_metrics` all models of a
benchmark were measured on the same number of items, and every fine-tuned model has its CLIP, with the same benchmarks.
"""

import math
import re
from pathlib import Path
from typing import NamedTuple

import jsonschema
import pandas as pd

from pipeline_lib.evaluate.prompts import NEEDED, PROMPTS
from pipeline_lib.finetune.terms import LOSSES
from pipeline_lib.jobs.files import read_json

BASELINE = "CLIP"
MODEL_FIELDS = ["family", "backbone", "loss", "negatives", "seed"]
CELL = ["benchmark", "dataset", "prompt", "metric"]


class Benchmark(NamedTuple):
    """What a benchmark may report: a pattern of dataset names, the prompts, the metrics, the datasets it must have."""

    datasets: str
    prompts: tuple[str | None, ...]
    metrics: tuple[str, ...]
    required: tuple[str, ...]


BENCHMARKS = {
    "ccneg": Benchmark(r"cc-neg(/word=\S+|/pairs=\d+)?", (None,), ("accuracy",), ("cc-neg",)),
    "zeroshot": Benchmark(r"(?!mean$)[a-z0-9-]+", PROMPTS, ("top1", "mean_per_class"), ()),
    "sugarcrepe": Benchmark(
        r"sugarcrepe/(replace|add|swap)(_(obj|att|rel))?",
        (None,),
        ("accuracy",),
        ("sugarcrepe/replace", "sugarcrepe/add", "sugarcrepe/swap"),
    ),
    "embeddings": Benchmark(
        r"cc-neg/(captions|negated|own-negation)",
        (None,),
        ("cosine", "dimensions"),
        ("cc-neg/captions", "cc-neg/negated", "cc-neg/own-negation"),
    ),
}

#: Lowest and highest value of a metric; all others are percentages.
RANGES = {"cosine": (-1, 1), "dimensions": (0, math.inf)}
PERCENTAGE = (0, 100)


def benchmark_of(name: str) -> Benchmark:
    """Return what a benchmark may report; one without an entry of its own: datasets ``NAME`` and ``NAME/PART``."""
    pattern = rf"{re.escape(name)}(/[a-z0-9_-]+)*"
    return BENCHMARKS.get(name) or Benchmark(pattern, (None,), ("accuracy", "recall@1", "recall@5"), (name,))


_TEXT = {"type": "string", "minLength": 1}
_METRIC = {
    "dataset": _TEXT,
    "prompt": {"type": ["string", "null"]},
    "metric": _TEXT,
    "value": {"type": "number"},
    "n": {"type": "integer", "minimum": 1},
}
_FILE = {
    "model": _TEXT,
    "family": _TEXT,
    "backbone": _TEXT,
    "loss": {"enum": [*LOSSES, None]},
    "negatives": {"enum": ["ccneg", "crepe", None]},
    "seed": {"type": ["integer", "null"]},
    "benchmark": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
    "metrics": {"type": "array", "minItems": 1, "items": {}},
}


def _closed(properties: dict) -> dict:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_FILE["metrics"]["items"] = _closed(_METRIC)
_VALIDATOR = jsonschema.Draft202012Validator(_closed(_FILE))


def read_metrics(paths: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read and check metric files.

    Parameters
    ----------
    paths : list of str
        JSON files ``{"model", "family", "backbone", "loss", "negatives", "seed", "benchmark", "metrics": [{"dataset",
        "prompt", "metric", "value", "n"}]}``; values in percent, but for metrics in `RANGES`.

    Returns
    -------
    models : DataFrame
        One row per model, index `model`: family, backbone, loss, negatives, seed.
    values : DataFrame
        One row per number: model, benchmark, dataset, prompt, metric, value, n, file. Models in alphabetical order,
        the numbers of each by benchmark, as the files of the first model that has it list them.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If a file is malformed, holds a value out of range, repeats a cell, or if a model lacks a cell that
        another model has, its CLIP baseline, or a benchmark of that; the message names the file or the model.
    """
    models: dict[str, dict] = {}
    rows: list[dict] = []
    for path in paths:
        content = _read(path)
        described = {field: content[field] for field in MODEL_FIELDS}
        known = models.setdefault(content["model"], described)
        if known != described:
            raise ValueError(f"{path}: model {content['model']} is {described} here but {known} in another file")
        for metric in content["metrics"]:
            rows.append({"model": content["model"], "benchmark": content["benchmark"], **metric, "file": str(path)})
    if not rows:
        raise ValueError("expected at least one metrics file, found none")
    values = pd.DataFrame(rows, dtype=object).astype({"value": float, "n": int})
    frame = pd.DataFrame.from_dict(models, orient="index", dtype=object).sort_index().astype({"seed": "Int64"})
    _check_unique(values)
    _check_baselines(frame, values)
    return frame.rename_axis("model"), _aligned(frame, values)


def _read(path: str) -> dict:
    """Return the content of one file, checked on its own."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such metrics file; the evaluate stage makes it")
    content = read_json(path)
    error = jsonschema.exceptions.best_match(_VALIDATOR.iter_errors(content))
    if error:
        raise ValueError(f"{path}: {error.json_path}: {error.message:.300}")
    benchmark = benchmark_of(content["benchmark"])
    for metric in content["metrics"]:
        where = f"{path}: {metric['dataset']}, prompt {metric['prompt']}, {metric['metric']}"
        lowest, highest = RANGES.get(metric["metric"], PERCENTAGE)
        if not (math.isfinite(metric["value"]) and lowest <= metric["value"] <= highest):
            raise ValueError(f"{where}: expected a number from {lowest} to {highest}, found {metric['value']}")
        if not re.fullmatch(benchmark.datasets, metric["dataset"]):
            raise ValueError(f"{where}: not a dataset of benchmark {content['benchmark']} ({benchmark.datasets})")
        for field, allowed in (("prompt", benchmark.prompts), ("metric", benchmark.metrics)):
            if metric[field] not in allowed:
                raise ValueError(f"{where}: expected {field} to be one of {allowed}, found {metric[field]!r}")
    absent = set(benchmark.required) - {metric["dataset"] for metric in content["metrics"]}
    if absent:
        raise ValueError(f"{path}: expected the dataset {sorted(absent)[0]}, found it nowhere in the file")
    measured = {(metric["dataset"], metric["prompt"]) for metric in content["metrics"] if metric["metric"] == "top1"}
    prompts = dict.fromkeys([*NEEDED, *(prompt for _, prompt in measured)]) if benchmark.prompts == PROMPTS else ()
    for metric in content["metrics"]:
        for prompt in prompts:
            if (metric["dataset"], prompt) not in measured:
                raise ValueError(
                    f"{path}: expected top1 of {metric['dataset']} with the {prompt} prompt too, found none in the file"
                )
    return content


def _check_unique(values: pd.DataFrame) -> None:
    repeated = values[values.duplicated(["model", *CELL])]
    if len(repeated):
        row = repeated.iloc[0]
        raise ValueError(
            f"{row.file}: model {row.model} has {row.dataset}, prompt {row.prompt}, {row.metric} twice; "
            "give each (model, dataset, prompt, metric) once"
        )


def _check_baselines(models: pd.DataFrame, values: pd.DataFrame) -> None:
    """Require of each fine-tuned model one CLIP, with neither loss nor seed, measured on all its benchmarks."""
    baselines = models[models.family == BASELINE]
    trained = baselines[baselines[["loss", "negatives", "seed"]].notna().any(axis=1)]
    if len(trained):
        raise ValueError(
            f"{_file_of(values, trained.index[0])}: a model of family {BASELINE} is not fine-tuned: expected loss, "
            "negatives and seed to be null"
        )
    measured = values.groupby("model").benchmark.agg(set)
    for model, row in models.iterrows():
        own, finetuned = baselines.index[baselines.backbone == row.backbone], pd.notna(row.loss)
        if len(own) > 1 or (len(own) == 0 and finetuned):
            raise ValueError(
                f"{_file_of(values, model)}: expected one {BASELINE} baseline for backbone {row.backbone}, found "
                f"{len(own)}; evaluate the backbone itself and pass its metrics"
            )
        for benchmark in sorted(measured[model] - measured[own[0]]) if finetuned else ():
            raise ValueError(
                f"{_file_of(values, own[0])}: model {own[0]} has metrics but none of benchmark {benchmark}, which "
                f"{model} has; the evaluate stage makes evaluate/{own[0]}/{benchmark}.json"
            )


def _aligned(models: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Require the same cells and item counts of every model that has a benchmark; return the rows in one order."""
    present = set(values.benchmark)
    parts = []
    for name in [*(name for name in BENCHMARKS if name in present), *sorted(present - set(BENCHMARKS))]:
        rows = values[values.benchmark == name]
        expected = _common_cells(rows, [model for model in models.index if (rows.model == model).any()])
        rank = [expected.index(cell) for cell in rows[CELL].itertuples(index=False, name=None)]
        parts.append(rows.assign(part=len(parts), rank=rank))
    ordered = pd.concat(parts).sort_values(["model", "part", "rank"])
    return ordered.drop(columns=["part", "rank"]).reset_index(drop=True)


def _common_cells(rows: pd.DataFrame, models: list[str]) -> list[tuple]:
    """Return the cells that the first of `models` has in a benchmark, of which all must have as many items."""
    counts = {
        model: {tuple(cell): n for *cell, n in own[[*CELL, "n"]].itertuples(index=False)}
        for model, own in rows.groupby("model")
    }
    expected = counts[models[0]]
    for model in models[1:]:
        for cell in [*expected, *counts[model]]:
            if counts[model].get(cell) != expected.get(cell):
                places = " and ".join(
                    f"n={counts[name].get(cell)} in {_file_of(rows, name)}" for name in (model, models[0])
                )
                _, dataset, prompt, metric = cell
                raise ValueError(
                    f"{dataset}, prompt {prompt}, {metric}: expected the same items for every model, found {places}; "
                    "evaluate both on the same data"
                )
    return list(expected)


def _file_of(values: pd.DataFrame, model: str) -> str:
    return values[values.model == model].file.iloc[0]
