"""Read the metrics that the `evaluate` stage wrote and refuse whatever would make a table quietly wrong.

One JSON per model and benchmark -> one row per (model, dataset, prompt, metric). After `read_metrics` every model has
every benchmark, all models were measured on the same number of items, and every fine-tuned model has its CLIP.
"""

import math
import re
from pathlib import Path
from typing import NamedTuple

import jsonschema
import pandas as pd

from pipeline_lib.evaluate.prompts import NEEDED, PROMPTS
from pipeline_lib.files import read_json
from pipeline_lib.finetune.terms import LOSSES

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
}

_TEXT = {"type": "string", "minLength": 1}
_METRIC = {
    "dataset": _TEXT,
    "prompt": {"type": ["string", "null"]},
    "metric": _TEXT,
    "value": {"type": "number", "minimum": 0, "maximum": 100},
    "n": {"type": "integer", "minimum": 1},
}
_FILE = {
    "model": _TEXT,
    "family": _TEXT,
    "backbone": _TEXT,
    "loss": {"enum": [*LOSSES, None]},
    "negatives": {"enum": ["ccneg", "crepe", None]},
    "seed": {"type": ["integer", "null"]},
    "benchmark": {"enum": list(BENCHMARKS)},
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
        "prompt", "metric", "value", "n"}]}``; values in percent.

    Returns
    -------
    models : DataFrame
        One row per model, index `model`: family, backbone, loss, negatives, seed.
    values : DataFrame
        One row per number: model, benchmark, dataset, prompt, metric, value, n. Models in alphabetical order, the
        numbers of each in the order of the first model's files.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If a file is malformed, holds a value that is not a percentage, repeats a cell, or if a model lacks a benchmark,
        a cell that another model has, or its CLIP baseline; the message names the file or the model.
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
    benchmark = BENCHMARKS[content["benchmark"]]
    for metric in content["metrics"]:
        where = f"{path}: {metric['dataset']}, prompt {metric['prompt']}, {metric['metric']}"
        if not math.isfinite(metric["value"]):
            raise ValueError(f"{where}: expected a percentage, found {metric['value']}")
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
    """Require one CLIP per backbone, with neither loss nor seed, and a benchmark set for it."""
    baselines = models[models.family == BASELINE]
    trained = baselines[baselines[["loss", "negatives", "seed"]].notna().any(axis=1)]
    if len(trained):
        raise ValueError(
            f"{_file_of(values, trained.index[0])}: a model of family {BASELINE} is not fine-tuned: expected loss, "
            "negatives and seed to be null"
        )
    for model, row in models.iterrows():
        count = (baselines.backbone == row.backbone).sum()
        if count != 1:
            raise ValueError(
                f"{_file_of(values, model)}: expected one {BASELINE} baseline for backbone {row.backbone}, found "
                f"{count}; evaluate the backbone itself and pass its metrics"
            )


def _aligned(models: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Require the same cells and item counts of every model; return the rows in one order."""
    first = models.index[0]
    reference = values[values.model == first].sort_values(
        "benchmark", key=lambda names: names.map(list(BENCHMARKS).index), kind="stable"
    )
    expected = {tuple(cell): n for *cell, n in reference[[*CELL, "n"]].itertuples(index=False)}
    rank = {cell: position for position, cell in enumerate(expected)}
    cells = pd.Series(list(values[CELL].itertuples(index=False, name=None)), index=values.index)
    for model in models.index:
        mine = values.model == model
        found = dict(zip(cells[mine], values.n[mine], strict=True))
        for name in BENCHMARKS:
            if name not in set(values.benchmark[mine]):
                raise ValueError(
                    f"{_file_of(values, model)}: model {model} has metrics but none of benchmark {name}; "
                    f"the evaluate stage makes evaluate/{model}/{name}.json"
                )
        for cell in [*expected, *found]:
            if found.get(cell) != expected.get(cell):
                benchmark, dataset, prompt, metric = cell
                places = " and ".join(
                    f"n={counts.get(cell)} in {_file_of(values, name, benchmark)}"
                    for name, counts in ((model, found), (first, expected))
                )
                raise ValueError(
                    f"{dataset}, prompt {prompt}, {metric}: expected the same items for every model, found {places}; "
                    "evaluate both on the same data"
                )
    order = pd.DataFrame({"model": values.model, "rank": cells.map(rank)}).sort_values(["model", "rank"]).index
    return values.loc[order].drop(columns="file").reset_index(drop=True)


def _file_of(values: pd.DataFrame, model: str, benchmark: str | None = None) -> str:
    mine = values[values.model == model]
    return (mine if benchmark is None else mine[mine.benchmark == benchmark]).file.iloc[0]
