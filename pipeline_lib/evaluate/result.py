"""What every evaluation shares: its command line, loading the model, its metrics, and the two files that it writes.

Items: Parquet, one row per scored item. Metrics: JSON with the model's identity (from the ``run.json`` beside its
weights), the benchmark's name and a list of numbers, ``{"dataset", "prompt", "metric", "value", "n"}``.
"""

import argparse
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from pipeline_lib.evaluate.declaration import Choice, Kind, Metric
from pipeline_lib.formats.annotations import parse_count
from pipeline_lib.jobs.files import read_json, read_parquet, write_json, write_parquet
from pipeline_lib.jobs.run_record import MODEL_FIELDS, subtracted

if TYPE_CHECKING:  # torch is loaded with a model: the text-only baselines and the tables do without
    from pipeline_lib.clip.load import CLIP


class Selection(NamedTuple):
    """The n items behind a number: their rows, and (if it is a mean over groups) the number of each one's group."""

    metric: Metric
    dataset: str
    prompt: str | None
    rows: np.ndarray
    groups: np.ndarray | None

    def outcomes(self, column: np.ndarray) -> np.ndarray:
        """Return whether each selected item is right, or its number, from the column `metric.outcome` of all items."""
        chosen, at_most = column[self.rows], self.metric.at_most
        return chosen if at_most is None else chosen <= at_most

    def value(self, column: np.ndarray) -> float:
        """Return the number."""
        outcomes = self.outcomes(column)
        if self.groups is None:
            return self.metric.scale * float(np.mean(outcomes))
        means = np.bincount(self.groups, weights=outcomes) / np.bincount(self.groups)
        return float(np.mean(self.metric.scale * means))


def selections(kind: Kind, benchmark: str, items: pd.DataFrame) -> Iterator[Selection]:
    """Yield the items behind each number of a benchmark, as listed; metrics of the same groups group by group."""
    for _, declared in groupby(kind.metrics, key=lambda metric: (metric.dataset, metric.prompt, metric.where)):
        metrics = list(declared)
        for values, rows in _groups(metrics[0], items):
            for metric in metrics:
                dataset, prompt = metric.dataset.format(benchmark=benchmark, **values), metric.prompt
                groups = None
                if metric.mean_over:
                    groups = np.unique(items[metric.mean_over].to_numpy()[rows], return_inverse=True)[1]
                yield Selection(metric, dataset, prompt and prompt.format(**values), rows, groups)


def _groups(metric: Metric, items: pd.DataFrame) -> Iterator[tuple[dict, np.ndarray]]:
    """Yield the values of the columns by which a metric is split, and the rows that have them."""
    counted = np.ones(len(items), dtype=bool)
    for column, values in metric.where.items():
        counted &= items[column].isin(values).to_numpy()
    rows = np.flatnonzero(counted)
    if not metric.columns:
        yield {}, rows
        return
    split = items[metric.columns].iloc[rows].reset_index(drop=True)
    for column in split.select_dtypes("category"):  # which would be sorted by where they first occur
        split[column] = split[column].astype(object)
    for column, largest in metric.clip.items():
        split[column] = split[column].clip(upper=largest)
    for values, group in split.groupby(metric.columns, sort=not metric.in_order):
        yield dict(zip(metric.columns, values, strict=True)), rows[group.index]


def choice_items(kind: Kind, rows: list[Choice], scores: np.ndarray) -> pd.DataFrame:
    """Return the items of a benchmark with right candidates: the rows' columns, the scores, ``correct``.

    `scores` has, row after row, those of the candidates: every image with every caption.
    """
    ends = np.cumsum([len(row.images) * len(row.captions) for row in rows])
    found = np.split(scores, ends[:-1])
    right = np.array([own[list(row.right)].min() for own, row in zip(found, rows, strict=True)])
    other = np.array([np.delete(own, row.right).max() for own, row in zip(found, rows, strict=True)])
    if ties := int((right == other).sum()):  # as where a wrong caption reads like the right one
        print(f"{ties:,} of {len(rows):,} items tie, and so are {'right' if kind.tie_counts else 'wrong'}")
    items = pd.DataFrame([row.columns for row in rows])
    if kind.scores:
        items[list(kind.scores)] = np.stack(found)
    else:
        items = items.assign(score_right=right.astype(float), score_other=other.astype(float))
    return items.assign(correct=kind.prefers(right, other))


def measure(kind: Kind, items: pd.DataFrame, benchmark: str | None = None) -> list[dict]:
    """Return the metrics of a benchmark, by default of the kind's name; refuse a number without an item."""
    found = []
    for chosen in selections(kind, benchmark or kind.name, items):
        if len(chosen.rows) == 0:
            raise ValueError(f"{chosen.dataset}: expected at least one item to score, found none")
        value = chosen.value(items[chosen.metric.outcome].to_numpy())
        found.append(entry(chosen.metric, chosen.dataset, value, len(chosen.rows), chosen.prompt))
    return found


def entry(metric: Metric, dataset: str, value: float, n: int, prompt: str | None = None) -> dict:
    """Return a number over `n` items as the file of metrics has it."""
    return {"dataset": dataset, "prompt": prompt, "metric": metric.name, "value": value, "n": n}


def evaluation_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every evaluation of a model's weights has."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--weights", type=Path, required=True, help="the model, a model.pt")
    parser.add_argument("--record", type=Path, required=True, help="run.json beside the weights, which names the model")
    parser.add_argument("--threads", type=int, required=True, help="CPU threads of torch")
    help_ = "score captions by subtraction with this weight, such as 0.85 (default: no subtraction)"
    parser.add_argument("--subtract", type=float, metavar="WEIGHT", help=help_)
    output_options(parser)
    return parser


def benchmark_options(parser: argparse.ArgumentParser, kinds: Iterable[str]) -> None:
    """Add what names a benchmark of config ``evaluate.benchmarks``, of one of these kinds."""
    parser.add_argument(
        "--kind", choices=list(kinds), required=True, help="what its files are like and how it is scored"
    )
    parser.add_argument("--benchmark", required=True, help="name of the benchmark, under which the tables list it")
    parser.add_argument("--annotations", type=Path, required=True, help="its file or folder, as published")
    parser.add_argument("--count", type=parse_count, required=True, help="number of items that it must have; none: any")


def output_options(parser: argparse.ArgumentParser) -> None:
    """Add the two outputs to a parser."""
    parser.add_argument("--scores", type=Path, required=True, help="output: scores of each item, Parquet")
    parser.add_argument("--metrics", type=Path, required=True, help="output: metrics, JSON")


def precision_option(parser: argparse.ArgumentParser) -> None:
    """Add the precision to the parser of a benchmark whose published numbers are in fp16 (`Kind.clip_load`)."""
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16"),
        default="fp32",
        help="fp16: weights and features as clip.load has them on a GPU (default: fp32)",
    )


def load_model(args: argparse.Namespace, precision: str = "fp32") -> "CLIP":
    """Return the model to evaluate, on the GPU where there is one."""
    from pipeline_lib.clip.load import load_clip
    from pipeline_lib.clip.training import pick_device, use_threads
    from pipeline_lib.clip.variants import vary

    use_threads(args.threads)
    model = load_clip(args.weights)
    if precision == "fp16":
        vary(model, "fp16")
    return model.to(pick_device())


def read_model(record: Path, subtract: float | None = None) -> dict:
    """Return the `MODEL_FIELDS` of the model that a ``run.json`` describes; refuse one that lacks a field.

    With the weight `subtract`, those of the same model with captions scored by subtraction.
    """
    content = read_json(record)
    missing = [field for field in MODEL_FIELDS if not isinstance(content, dict) or field not in content]
    if missing:
        raise ValueError(f"{record}: expected the fields {', '.join(MODEL_FIELDS)}; {', '.join(missing)} missing")
    model = {field: content[field] for field in MODEL_FIELDS}
    return model if subtract is None else subtracted(**model)


def read_triplets(path: Path) -> pd.DataFrame:
    """Return CC-Neg's triplets; refuse a key that occurs twice, and a text or number that is missing."""
    triplets = read_parquet(path, ["key", "caption", "negated_caption", "negation_word", "n_pairs"])
    if (twice := triplets["key"].duplicated()).any():
        raise ValueError(f"{path}: expected each key once, found {triplets['key'][twice].iloc[0]!r} again")
    for column, values in triplets.items():
        if (lacking := values.isna() | (values.astype(str).str.strip() == "")).any():
            key = triplets["key"][lacking].iloc[0]
            raise ValueError(f"{path}: expected each triplet's {column}, found none of key {key!r}")
    return triplets


def write_result(args: argparse.Namespace, model: dict, benchmark: str, items: pd.DataFrame, metrics: list) -> None:
    """Write the items and the metrics of a model with the `MODEL_FIELDS` `model`, and print the metrics."""
    write_parquet(args.scores, items)
    write_metrics(args.metrics, model, benchmark, metrics)


def write_metrics(path: Path, model: dict, benchmark: str, metrics: list[dict]) -> None:
    """Write the metrics of a model with the `MODEL_FIELDS` `model`, and print them."""
    write_json(path, {**model, "benchmark": benchmark, "metrics": metrics})
    for found in metrics:
        prompt = f" ({found['prompt']})" if found["prompt"] else ""
        print(f"{found['dataset']}{prompt} {found['metric']} {found['value']:.2f} (n = {found['n']:,})")
