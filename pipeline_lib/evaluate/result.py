"""What every benchmark's evaluation shares: its command line, loading the model, and the two files that it writes.

Items: Parquet, one row per scored item. Metrics: JSON with the model's identity (from the ``run.json`` beside its
weights), the benchmark's name and a list of ``{"dataset", "prompt", "metric", "value", "n"}``, values in percent
but those of text embeddings (`pipeline_lib.evaluate.spread`).
"""

import argparse
from pathlib import Path

import pandas as pd

from pipeline_lib.clip.load import CLIP, load_clip
from pipeline_lib.clip.training import pick_device, use_threads
from pipeline_lib.features.store import Features, load_features, tower_id
from pipeline_lib.formats.annotations import parse_count
from pipeline_lib.jobs.files import read_json, write_json, write_parquet
from pipeline_lib.jobs.run_record import MODEL_FIELDS


def metric(dataset: str, value: float, n: int, name: str = "accuracy", prompt: str | None = None) -> dict:
    """Return one metric as the tables take it: `value` over `n` items, in percent if it is a share of them."""
    return {"dataset": dataset, "prompt": prompt, "metric": name, "value": value, "n": n}


def evaluation_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every evaluation of a model's weights has."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--record", type=Path, required=True, help="the run.json beside the weights")
    parser.add_argument("--threads", type=int, required=True)
    output_options(parser)
    return parser


def output_options(parser: argparse.ArgumentParser) -> None:
    """Add the two outputs to a parser."""
    parser.add_argument("--scores", type=Path, required=True, help="output: scores per item")
    parser.add_argument("--metrics", type=Path, required=True, help="output: metrics")


def benchmark_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark of config ``evaluate.benchmarks`` has."""
    parser = evaluation_parser(description)
    parser.add_argument("--benchmark", required=True, help="the benchmark's name, under which its metrics stand")
    parser.add_argument("--annotations", type=Path, required=True, help="file or folder, as published")
    parser.add_argument("--features", type=Path, nargs="+", required=True, help="of the pool that has its images")
    parser.add_argument("--count", type=parse_count, required=True, help="published items; none: unchecked")
    return parser


def load_model(args: argparse.Namespace) -> CLIP:
    """Return the model to evaluate, on the GPU where there is one."""
    use_threads(args.threads)
    return load_clip(args.weights).to(pick_device())


def load_pool(args: argparse.Namespace, model: CLIP) -> Features:
    """Return the features of the benchmark's images, which must come from the model's image tower."""
    return load_features(args.features, tower_id(model))


def read_model(record: Path) -> dict:
    """Return the `MODEL_FIELDS` of the model that a ``run.json`` describes.

    Raises
    ------
    ValueError
        If it lacks one.
    """
    content = read_json(record)
    missing = [field for field in MODEL_FIELDS if not isinstance(content, dict) or field not in content]
    if missing:
        raise ValueError(f"{record}: expected the fields {', '.join(MODEL_FIELDS)}; {', '.join(missing)} missing")
    return {field: content[field] for field in MODEL_FIELDS}


def write_result(args: argparse.Namespace, benchmark: str, items: pd.DataFrame, metrics: list[dict]) -> None:
    """Write the items and the metrics of the model that ``--record`` describes, and print the metrics."""
    write_files(args, read_model(args.record), benchmark, items, metrics)


def write_files(
    args: argparse.Namespace, model: dict, benchmark: str, items: pd.DataFrame, metrics: list[dict]
) -> None:
    """Write the items and the metrics of a model with the `MODEL_FIELDS` `model`, and print the metrics."""
    write_parquet(args.scores, items)
    write_metrics(args.metrics, model, benchmark, metrics)


def write_metrics(path: Path, model: dict, benchmark: str, metrics: list[dict]) -> None:
    """Write the metrics of a model with the `MODEL_FIELDS` `model`, and print them."""
    write_json(path, {**model, "benchmark": benchmark, "metrics": metrics})
    for entry in metrics:
        prompt = f" ({entry['prompt']})" if entry["prompt"] else ""
        print(f"{entry['dataset']}{prompt} {entry['metric']} {entry['value']:.2f} (n = {entry['n']:,})")
