"""The configuration without what is missing: an override, and the experiments that can still be trained.

An entry that is null in an override is taken out of the configuration.
"""

from collections.abc import Collection
from functools import reduce
from typing import NamedTuple

from pipeline_lib.preflight.needs import Needs

REQUIRED_POOLS = ("distractors",)  # named even where no experiment uses it
NEVER_EMPTY = ("backbones/models", "evaluate/zeroshot/datasets")


class Override(NamedTuple):
    """What a run leaves out so that it needs nothing that is missing.

    Attributes
    ----------
    config : dict
        What to lay over the configuration; empty where nothing is left out.
    experiments : list of dict
        The rows of the sheet that stay.
    left_out : list of str
        ``place: name, name`` for each list that loses entries.
    """

    config: dict
    experiments: list[dict]
    left_out: list[str]


def leave_out(config: dict, experiments: list[dict], unusable: Collection[str]) -> Override:
    """Return what to change so that a run needs nothing of what is missing.

    Parameters
    ----------
    config : dict
        The checked configuration.
    experiments : list of dict
        The sheet's rows, as `pipeline_lib.config.checks.read_experiments` returns them.
    unusable : collection of str
        The configuration's keys whose data are missing or wrong.

    Raises
    ------
    ValueError
        If nothing can run without a missing part; the message names it.
    """
    unusable = set(unusable)
    override: dict = {}
    left_out = []
    needs = Needs(config, experiments)
    if config["distractors"]["released"] and (needs.distractors() - needs.shards()) & unusable:
        override["distractors"] = {"released": None}
        left_out.append("distractors/released: they are chosen here")
        needs = Needs({**config, "distractors": {**config["distractors"], "released": None}}, experiments)
    if lacking := needs.shards() & unusable:
        raise ValueError(f"everything needs {', '.join(sorted(lacking))}")
    if lacking := needs.backbone(config["distractors"]["backbone"]) & unusable:
        raise ValueError(f"{', '.join(sorted(lacking))} is the backbone that chooses distractors")
    needed = {
        "backbones/models": needs.backbone,
        "features/pools": lambda name: set() if name in REQUIRED_POOLS else needs.pool(name),
        "evaluate/zeroshot/datasets": needs.labelled_set,
        "evaluate/benchmarks": needs.benchmark,
        "evaluate/transformers": needs.model,
    }
    for place, needs_of in needed.items():
        names = list(reduce(dict.__getitem__, place.split("/"), config))
        gone = [name for name in names if needs_of(name) & unusable]
        if not gone:
            continue
        if gone == names and place in NEVER_EMPTY:
            raise ValueError(f"nothing would be left of {place}")
        reduce(lambda section, key: section.setdefault(key, {}), place.split("/"), override).update(dict.fromkeys(gone))
        left_out.append(f"{place}: {', '.join(gone)}")
    trained = [row for row in experiments if not needs.experiment(row) & unusable]
    if not trained:
        raise ValueError("no experiment of the sheet can be trained")
    if len(trained) < len(experiments):
        untrained = [row["experiment"] for row in experiments if row not in trained]
        left_out.append(f"finetune/experiments: {', '.join(untrained)}")
    gone = override.get("evaluate", {}).get("benchmarks", {})
    for name, model in config["backbones"]["models"].items():
        named = model.get("benchmarks", [])
        if {*named} & {*gone} and override.get("backbones", {}).get("models", {}).get(name, model):
            models = override.setdefault("backbones", {}).setdefault("models", {})
            models[name] = {"benchmarks": [benchmark for benchmark in named if benchmark not in gone]}
    rows = [
        row | {"benchmarks": row["benchmarks"] and [name for name in row["benchmarks"] if name not in gone]}
        for row in trained
    ]
    return Override(override, rows, left_out)
