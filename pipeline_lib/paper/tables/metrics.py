"""Read the metrics and the items that the `evaluate` stage wrote, and refuse whatever would make a table quietly wrong.

``MODEL/BENCHMARK.json`` and the items beside it -> one row per (model, dataset, prompt, metric). After `read_metrics`

- every number is what its items say by the declaration of its kind (`pipeline_lib.evaluate.kinds`); none is missing;
- all models of a benchmark have the same items;
- every fine-tuned model has its CLIP, measured on the same benchmarks.
"""

from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_lib.evaluate.declaration import Kind
from pipeline_lib.evaluate.kinds import KINDS, OWN_COMMAND, kind_for
from pipeline_lib.evaluate.prompts import NEEDED
from pipeline_lib.evaluate.result import Selection, selections
from pipeline_lib.finetune.terms import LOSSES
from pipeline_lib.jobs.files import read_json
from pipeline_lib.jobs.rule_of_file import made_by

BASELINE = "CLIP"
CONFIGURATION = ["family", "backbone", "loss", "negatives", "seed"]  # of a model
CELL = ["dataset", "prompt", "metric"]
TOLERANCE = 1e-9  # in percent: what a metric may differ from the mean of its items by

_TEXT = {"type": "string", "minLength": 1}


def _closed(properties: dict) -> dict:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_NUMBER = {"value": {"type": "number"}, "n": {"type": "integer", "minimum": 1}}
_NUMBER |= {"dataset": _TEXT, "prompt": {"type": ["string", "null"]}, "metric": _TEXT}
_FILE = dict.fromkeys(("model", "family", "backbone"), _TEXT) | {
    "loss": {"enum": [*LOSSES, None]},
    "negatives": {"enum": ["ccneg", "crepe", None]},
    "seed": {"type": ["integer", "null"]},
    "benchmark": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
    "metrics": {"type": "array", "minItems": 1, "items": _closed(_NUMBER)},
}
_VALIDATOR = jsonschema.Draft202012Validator(_closed(_FILE))


class Items:
    """The items of one benchmark and what each model makes of them, from a file per model.

    `cells` has for each number, by (dataset, prompt, metric), the items behind it.
    """

    def __init__(self, benchmark: str, kind: Kind, files: dict[str, Path]) -> None:
        self.benchmark, self.models = benchmark, list(files)
        self._outcomes: dict[str, dict[str, np.ndarray]] = {}
        described = None
        for model, path in files.items():
            table = _read_items(path, model, benchmark, kind_for(kind, model))
            own, places = _description(table, kind), slice(None)
            if described is None:
                described, first_path, frame = own, path, own.to_pandas(strings_to_categorical=True)
                _check_unique(frame, kind, path)
            elif not own.equals(described):
                places = _places(own, described, kind, path, first_path)
            self._outcomes[model] = {name: table[name].to_numpy()[places] for name in kind_for(kind, model).outcomes}
        self._keys = pd.factorize(frame["key"])[0]
        self._together = pd.factorize(frame[kind.together])[0] if kind.together else None
        found = selections(kind, benchmark, frame)
        self.cells = {(one.dataset, one.prompt, one.metric.name): one for one in found}

    def outcomes(self, model: str, cell: Selection) -> np.ndarray:
        """Return of each of a cell's items whether a model has it right, or its number."""
        return cell.outcomes(self._outcomes[model][cell.metric.outcome])

    def together(self, cell: Selection) -> np.ndarray | None:
        """Return of each of a cell's items the number of what it was drawn with; None where each was drawn alone."""
        numbers = None if self._together is None else self._together[cell.rows]
        return None if numbers is None or len(np.unique(numbers)) == len(numbers) else numbers

    def value(self, model: str, cell: Selection) -> float:
        """Return the number of a cell from its items."""
        return cell.value(self._outcomes[model][cell.metric.outcome])

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
        JSON files as `_FILE` describes them.
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
        if error := jsonschema.exceptions.best_match(_VALIDATOR.iter_errors(content)):
            raise ValueError(f"{path}: {error.json_path}: {error.message:.300}")
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
        files = dict(sorted(found.items()))
        kind = kind_of(benchmark, kinds)
        if kind.outcomes:
            beside = {model: path.with_suffix(".parquet") for model, (path, _) in files.items()}
            items[benchmark] = Items(benchmark, kind, beside)
        rows += _numbers(benchmark, kind, files, items.get(benchmark))
    values = pd.DataFrame(rows, dtype=object).astype({"value": float, "n": int})
    return frame.rename_axis("model"), values.sort_values("model", kind="stable", ignore_index=True), items


def kind_of(benchmark: str, kinds: dict[str, str]) -> Kind:
    """Return the kind of a benchmark, which `kinds` names where it is not called after it."""
    known, name = KINDS | OWN_COMMAND, kinds.get(benchmark, benchmark)
    if name not in known:
        given = f"--kinds {benchmark}=KIND with one of {', '.join(KINDS)}"
        raise ValueError(f"benchmark {benchmark}: of which kind is it? Expected {given}, found {name!r}")
    return known[name]


def _numbers(benchmark: str, kind: Kind, files: dict, items: Items | None) -> list[dict]:
    """Return the rows of a benchmark, each number checked against its items."""
    if items is None:
        cells = {(metric.dataset, None, metric.name): metric for metric in kind.metrics}
    else:
        cells = {cell: chosen.metric for cell, chosen in items.cells.items()}
    if kind.name == "zeroshot":
        _check_prompts(cells, next(iter(files.values()))[0])
    rows, counts = [], {}
    for model, (path, metrics) in files.items():
        declared = {cell: metric for cell, metric in cells.items() if metric in kind_for(kind, model).metrics}
        found = {tuple(number[field] for field in CELL): number for number in metrics}
        again = f"delete it and its items, and rule {_rule_of(model, benchmark)} makes them again"
        for cell in [*found, *declared]:
            if (cell in found) != (cell in declared) or len(found) != len(metrics):
                raise ValueError(
                    f"{path}: expected the {len(declared)} numbers of a benchmark of kind {kind.name} on these items, "
                    "each once; found {}, and {}, prompt {}, {} is {}one of them; {}".format(
                        len(metrics), *cell, "" if cell in declared else "not ", again
                    )
                )
        for cell, metric in declared.items():
            where, value, n = "{}: {}, prompt {}, {}".format(path, *cell), found[cell]["value"], found[cell]["n"]
            lowest, highest = metric.range
            if not lowest <= value <= highest:
                raise ValueError(f"{where}: expected a number from {lowest} to {highest}, found {value}")
            if items is None:
                other, file = counts.setdefault(cell, (n, path))
                if n != other:
                    raise ValueError(
                        f"{where}: expected the same texts for every model, found {n}, and {other} in {file}"
                    )
            else:
                expected, size = items.value(model, items.cells[cell]), len(items.cells[cell].rows)
                if n != size or not abs(value - expected) <= TOLERANCE:
                    raise ValueError(
                        f"{where} is {value} over {n} items, but {path.with_suffix('.parquet')} has {expected} over "
                        f"{size} such items; they are not of one run; {again}"
                    )
            rows.append({"model": model, "benchmark": benchmark, "table": metric.table or kind.table, **found[cell]})
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


def _rule_of(model: str, benchmark: str) -> str:
    """Return the name of the rule that scores a model on a benchmark."""
    return made_by(f"results/RUN/evaluate/{model}/{benchmark}.json")


def _read_items(path: Path, model: str, benchmark: str, kind: Kind) -> pa.Table:
    """Return a file of items, once every value in it has been seen to be one."""
    rule = f"rule {_rule_of(model, benchmark)} makes it"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of scores; {rule}")
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path}: expected a whole Parquet file ({error}); delete it, {rule} again") from error
    split = {name for metric in kind.metrics for name in (*metric.columns, *metric.where, metric.mean_over) if name}
    needed = split | {*kind.item, *kind.outcomes, "key", kind.together or "key"}
    for lacking in sorted(needed - set(table.column_names)):
        raise ValueError(f"{path}: expected the column {lacking}, found {', '.join(table.column_names)}; {rule}")
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
    if own.column_names != first.column_names:
        expected, found = (", ".join(table.column_names) for table in (first, own))
        raise ValueError(f"{path}: expected the columns {expected} as in {first_path}, found {found}")
    mine, other, names = own.to_pandas(), first.to_pandas(), list(kind.item)
    _check_unique(mine, kind, path)
    places = pd.MultiIndex.from_frame(mine[names]).get_indexer(pd.MultiIndex.from_frame(other[names]))
    if (places < 0).any() or len(mine) != len(other):
        only = pd.concat([mine, other]).drop_duplicates(names, keep=False)
        raise ValueError(
            f"{path}: expected the same items as in {first_path} ({len(other):,}), found {len(mine):,}, and "
            f"{_named(only, kind, 0)} is in one of them alone; evaluate both on the same data"
        )
    differs = (mine.iloc[places].reset_index(drop=True) != other).any(axis=1)
    if differs.any():
        row = int(differs.to_numpy().argmax())
        raise ValueError(
            f"{path}: the item {_named(other, kind, row)} is described otherwise in {first_path}; "
            "evaluate both on the same data"
        )
    return places


def _named(frame: pd.DataFrame, kind: Kind, row: int) -> str:
    return ", ".join(f"{name} {frame[name].iloc[row]}" for name in kind.item)
