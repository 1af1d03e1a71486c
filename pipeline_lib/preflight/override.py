"""The configuration without what is missing: an override, and the experiments that can still be trained.

Lists in an override replace whole lists, so those that lose an entry are repeated without it.
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
        "backbones/models": lambda entry: needs.backbone(entry["name"]),
        "features/pools": lambda entry: set() if entry["name"] in REQUIRED_POOLS else needs.pool(entry["name"]),
        "evaluate/zeroshot/datasets": needs.labelled_set,
        "evaluate/benchmarks": needs.benchmark,
        "evaluate/transformers": lambda entry: needs.model(entry["name"]),
    }
    for place, needs_of in needed.items():
        *sections, last = place.split("/")
        entries = reduce(dict.__getitem__, sections, config).get(last, [])
        kept = [entry for entry in entries if not needs_of(entry) & unusable]
        if len(kept) == len(entries):
            continue
        if not kept and place in NEVER_EMPTY:
            raise ValueError(f"nothing would be left of {place}")
        reduce(lambda section, key: section.setdefault(key, {}), sections, override)[last] = kept
        left_out.append(f"{place}: {', '.join(entry['name'] for entry in entries if entry not in kept)}")
    trained = [row for row in experiments if not needs.experiment(row) & unusable]
    if not trained:
        raise ValueError("no experiment of the sheet can be trained")
    if len(trained) < len(experiments):
        gone = [row["experiment"] for row in experiments if row not in trained]
        left_out.append(f"finetune/experiments: {', '.join(gone)}")
    kept = override.get("evaluate", {}).get("benchmarks", config["evaluate"]["benchmarks"])
    models = override.get("backbones", {}).get("models", config["backbones"]["models"])
    named = _of_those_left(models, kept)
    if named != models:
        override.setdefault("backbones", {})["models"] = named
    return Override(override, _of_those_left(trained, kept), left_out)


def _of_those_left(models: list[dict], kept: list[dict]) -> list[dict]:
    """Return entries of models, or rows of the sheet, that name no benchmark but CC-Neg, zero-shot and those `kept`."""
    left = {"ccneg", "zeroshot", *(entry["name"] for entry in kept)}
    return [
        {**model, "benchmarks": [name for name in model["benchmarks"] if name in left]}
        if model.get("benchmarks")
        else model
        for model in models
    ]
