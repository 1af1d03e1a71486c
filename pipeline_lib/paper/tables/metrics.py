"""Read the items that the `evaluate` stage wrote, and refuse whatever would make a table quietly wrong.

``MODEL/BENCHMARK.json`` and the items beside it -> one row per (model, dataset, prompt, metric). The JSON says what the
model is; its numbers are computed again, from the items by the declaration of their kind
(`pipeline_lib.evaluate.kinds`), and read only where a kind has no items. After `read_metrics`

- no number is missing;
- all models of a benchmark have the same items;
- every fine-tuned model has its CLIP, measured on the same benchmarks.
"""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline_lib.config.entries import Line, Name, section
from pipeline_lib.config.errors import mistakes
from pipeline_lib.evaluate.declaration import Kind
from pipeline_lib.evaluate.kinds import KINDS, OWN_COMMAND, kind_for
from pipeline_lib.evaluate.prompts import NEEDED
from pipeline_lib.evaluate.result import Selection, selections
from pipeline_lib.finetune.terms import LOSSES
from pipeline_lib.jobs.files import read_arrow, read_json
from pipeline_lib.jobs.options import Count

BASELINE = "CLIP"
CONFIGURATION = ["family", "backbone", "loss", "negatives", "seed"]  # of a model
CELL = ["dataset", "prompt", "metric"]

Number = section(dataset=Line, prompt=Line | None, metric=Line, value=float, n=Count)
MetricsFile = section(
    model=Line,
    family=Line,
    backbone=Line,
    loss=Literal[tuple(LOSSES)] | None,
    negatives=Literal["ccneg", "crepe"] | None,
    seed=int | None,
    benchmark=Name,
    metrics=Annotated[list[Number], Field(min_length=1)],
)


class Items:
    """The items of one benchmark and what each model makes of them, from a file per model.

    `cells` has for each number, by (dataset, prompt, metric), the items behind it.
    """

    def __init__(self, benchmark: str, kind: Kind, files: dict[str, Path]) -> None:
        self.benchmark, self.kind, self.models = benchmark, kind, list(files)
        self._outcomes: dict[str, dict[str, np.ndarray]] = {}
        described = None
        for model, path in files.items():
            own_kind = kind_for(kind, model)
            table = _read_items(path, own_kind)
            own, places = _description(table, kind), slice(None)
            if described is None:
                described, first_path, frame = own, path, own.to_pandas(strings_to_categorical=True)
                _check_unique(frame, kind, path)
            elif not own.equals(described):
                places = _places(own, described, kind, path, first_path)
            self._outcomes[model] = {name: table[name].to_numpy()[places] for name in own_kind.outcomes}
        self._keys = pd.factorize(frame["key"])[0]
        self._together = pd.factorize(frame[kind.together])[0] if kind.together else None
        found = selections(kind, benchmark, frame)
        self.cells = {(one.dataset, one.prompt, one.metric.name): one for one in found}
        if kind.name == "zeroshot":
            _check_prompts(self.cells, first_path)

    def numbers(self) -> list[dict]:
        """Return a row for each model and number."""
        return [
            {
                "model": model, "benchmark": self.benchmark, "table": one.metric.table or self.kind.table,
                "dataset": one.dataset, "prompt": one.prompt, "metric": one.metric.name,
                "value": one.value(self._outcomes[model][one.metric.outcome]), "n": len(one.rows),
            }
            for model in self.models
            for one in self.cells.values()
            if one.metric in kind_for(self.kind, model).metrics
        ]  # fmt: skip

    def outcomes(self, model: str, cell: Selection) -> np.ndarray:
        """Return of each of a cell's items whether a model has it right, or its number."""
        return cell.outcomes(self._outcomes[model][cell.metric.outcome])

    def together(self, cell: Selection) -> np.ndarray | None:
        """Return of each of a cell's items the number of what it was drawn with; None where each was drawn alone."""
        numbers = None if self._together is None else self._together[cell.rows]
        return None if numbers is None or len(np.unique(numbers)) == len(numbers) else numbers

    def check_pairs(self, one: Selection, other: Selection) -> None:
        """Refuse two cells whose items are not the same in the same order, by their keys."""
        if not np.array_equal(self._keys[one.rows], self._keys[other.rows]):
            expected = "expected the same items in one order under each prompt; evaluate again"
            raise ValueError(f"benchmark {self.benchmark}: {expected}")


def read_metrics(paths: list[str], kinds: dict[str, str]) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Items]]:
    """Read and check files of metrics and the items beside them.

    Parameters
    ----------
    paths : list of str
        JSON files as `MetricsFile` describes them.
    kinds : dict of str to str
        Benchmark -> its kind, where it is not called after it.

    Returns
    -------
    models : DataFrame
        One row per model, index `model`: family, backbone, loss, negatives, seed. In alphabetical order.
    values : DataFrame
        One row per number: model, benchmark, table, dataset, prompt, metric, value, n. Models and benchmarks in
        alphabetical order, the numbers of each as declared.
    items : dict of str to Items
        By benchmark, where it has any.
    """
    models: dict[str, dict] = {}
    contents: dict[str, dict[str, tuple[Path, list[dict]]]] = {}  # benchmark -> model -> file and numbers
    for path in map(Path, paths):
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such metrics file; the evaluate stage makes it")
        content = read_json(path)
        if wrong := mistakes(content, MetricsFile):
            raise ValueError(f"{path}, {wrong[0]}")
        model, benchmark = content["model"], content["benchmark"]
        described = {field: content[field] for field in CONFIGURATION}
        if models.setdefault(model, described) != described:
            raise ValueError(f"{path}: model {model} is {described} here but {models[model]} in another file")
        known = contents.setdefault(benchmark, {})
        if model in known:
            raise ValueError(f"{path}: model {model} has metrics of benchmark {benchmark} twice: {known[model][0]}")
        known[model] = path, content["metrics"]
    if not models:
        raise ValueError("expected at least one metrics file, found none")
    frame = pd.DataFrame.from_dict(models, orient="index", dtype=object).sort_index().astype({"seed": "Int64"})
    _check_baselines(frame, contents)
    rows, items = [], {}
    for benchmark, found in sorted(contents.items()):
        files, kind = dict(sorted(found.items())), kind_of(benchmark, kinds)
        if kind.outcomes:
            beside = {model: path.with_suffix(".parquet") for model, (path, _) in files.items()}
            items[benchmark] = Items(benchmark, kind, beside)
            rows += items[benchmark].numbers()
        else:
            rows += _numbers_of_texts(benchmark, kind, files)
    values = pd.DataFrame(rows, dtype=object).astype({"value": float, "n": int})
    return frame.rename_axis("model"), values.sort_values("model", kind="stable", ignore_index=True), items


def kind_of(benchmark: str, kinds: dict[str, str]) -> Kind:
    """Return the kind of a benchmark, which `kinds` names where it is not called after it."""
    known, name = KINDS | OWN_COMMAND, kinds.get(benchmark, benchmark)
    if name not in known:
        given = f"--kinds {benchmark}=KIND with one of {', '.join(KINDS)}"
        raise ValueError(f"benchmark {benchmark}: of which kind is it? Expected {given}, found {name!r}")
    return known[name]


def _numbers_of_texts(benchmark: str, kind: Kind, files: dict[str, tuple[Path, list[dict]]]) -> list[dict]:
    """Return the rows of a benchmark without items, of the same texts for every model."""
    expected = [(metric.dataset, None, metric.name) for metric in kind.metrics]
    rows, sizes = [], {}
    for model, (path, numbers) in files.items():
        found = [tuple(number[field] for field in CELL) for number in numbers]
        if found != expected:
            raise ValueError(f"{path}: expected the numbers {expected}, found {found}; delete it and evaluate again")
        for number in numbers:
            other, file = sizes.setdefault((number["dataset"], number["metric"]), (number["n"], path))
            if number["n"] != other:
                raise ValueError(
                    f"{path}: expected {number['metric']} of the same texts for every model, found {number['n']}, and "
                    f"{other} in {file}; evaluate both on the same data"
                )
            rows.append({"model": model, "benchmark": benchmark, "table": kind.table, **number})
    return rows


def _check_prompts(cells: dict, path: Path) -> None:
    """Require each zero-shot dataset under each prompt that the tables compare, and under all that another has."""
    prompts = dict.fromkeys([*NEEDED, *(prompt for _, prompt, _ in cells)])
    for dataset in dict.fromkeys(dataset for dataset, _, _ in cells):
        for prompt in prompts:
            if (dataset, prompt, "top1") not in cells:
                raise ValueError(f"{path}: expected top1 of {dataset} with the {prompt} prompt too, found none")


def _check_baselines(models: pd.DataFrame, contents: dict) -> None:
    """Require of each fine-tuned model one CLIP, with neither loss nor seed, measured on all its benchmarks."""
    baselines = models[models.family == BASELINE]
    measured = {model: {name for name in contents if model in contents[name]} for model in models.index}

    def file_of(model: str) -> Path:
        return contents[min(measured[model])][model][0]

    if len(trained := baselines[baselines[["loss", "negatives", "seed"]].notna().any(axis=1)]):
        raise ValueError(f"{file_of(trained.index[0])}: a {BASELINE} has no loss, negatives and seed; expected null")
    for model, row in models.iterrows():
        own, finetuned = baselines.index[baselines.backbone == row.backbone], pd.notna(row.loss)
        if len(own) > 1 or (len(own) == 0 and finetuned):
            expected = f"expected one {BASELINE} baseline for backbone {row.backbone}, found {len(own)}"
            raise ValueError(f"{file_of(model)}: {expected}; evaluate the backbone itself and pass its metrics")
        for benchmark in sorted(measured[model] - measured[own[0]]) if finetuned else ():
            raise ValueError(
                f"{file_of(own[0])}: model {own[0]} has metrics but none of benchmark {benchmark}, which {model} has; "
                f"the evaluate stage makes evaluate/{own[0]}/{benchmark}.json"
            )


def _read_items(path: Path, kind: Kind) -> pa.Table:
    """Return a file of items, once every value in it has been seen to be one."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of scores; the evaluate stage makes it")
    table = read_arrow(path)
    split = {name for metric in kind.metrics for name in (*metric.columns, *metric.where, metric.mean_over) if name}
    needed = split | {*kind.item, *kind.outcomes, "key", kind.together or "key"}
    for lacking in sorted(needed - set(table.column_names)):
        found = ", ".join(table.column_names)
        raise ValueError(f"{path}: expected the column {lacking}, found {found}; delete it and evaluate again")
    for name, column in zip(table.column_names, table.columns, strict=True):
        broken = pc.invert(pc.is_finite(column)) if pa.types.is_floating(column.type) else pc.is_null(column)
        if pc.any(pc.fill_null(broken, True)).as_py():
            row = pc.index(pc.fill_null(broken, True), True).as_py()
            raise ValueError(
                f"{path}, row {row}: expected a value in column {name}, found {column[row].as_py()} for the item with "
                f"key {table['key'][row].as_py()}; the model's features or weights are not numbers"
            )
    return table


def _description(table: pa.Table, kind: Kind) -> pa.Table:
    """Return the columns that name and describe the items, which are the same for all models."""
    own, fields = {*kind.outcomes, *kind.varies, "correct"}, table.schema
    return table.select(
        [field.name for field in fields if field.name not in own and not pa.types.is_floating(field.type)]
    )


def _check_unique(frame: pd.DataFrame, kind: Kind, path: Path) -> None:
    repeated = frame.duplicated(list(kind.item))
    if repeated.any():
        row = int(repeated.to_numpy().argmax())
        raise ValueError(f"{path}, row {row}: the item {_named(frame, kind, row)} is there twice")


def _places(own: pa.Table, first: pa.Table, kind: Kind, path: Path, first_path: Path) -> np.ndarray:
    """Return in which rows of a file the items of the first file are."""
    mine, other, names = own.to_pandas(), first.to_pandas(), list(kind.item)
    _check_unique(mine, kind, path)
    differing = pd.concat([mine, other]).drop_duplicates(keep=False)
    if len(differing):
        raise ValueError(
            f"{path}: expected the same items as in {first_path} ({len(other):,}), found {len(mine):,}, and "
            f"{_named(differing, kind, 0)} is in one of them alone, or described otherwise; "
            "evaluate both on the same data"
        )
    return pd.MultiIndex.from_frame(mine[names]).get_indexer(pd.MultiIndex.from_frame(other[names]))


def _named(frame: pd.DataFrame, kind: Kind, row: int) -> str:
    return ", ".join(f"{name} {frame[name].iloc[row]}" for name in kind.item)
