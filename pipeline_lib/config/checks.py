"""Check the configuration before anything runs: a closed schema, and messages that say what to change.

A misspelt key is an error that names it, the nearest legal key and all legal ones.
"""

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from pipeline_lib.config.backbones import clip_backbones, entry_problems
from pipeline_lib.config.schema_errors import mistakes, nearest
from pipeline_lib.evaluate.kinds import KINDS
from pipeline_lib.evaluate.prompts import class_problems, prompt_problems
from pipeline_lib.jobs.quoted import quoted
from pipeline_lib.jobs.text import open_text
from pipeline_lib.readers.catalogue import READER_PLACES
from pipeline_lib.readers.reader import find_reader


@cache
def _load_schema(path: str | Path) -> dict:
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def check_config(config: dict, schema: str | Path) -> None:
    """Check a configuration.

    Parameters
    ----------
    config : dict
        As Snakemake has merged it from all files and flags.
    schema : str or Path
        A JSON schema in YAML.

    Raises
    ------
    ValueError
        If a key is unknown, missing or has an illegal value, or entries contradict each other; one line per problem.
    """
    problems = mistakes(config, _load_schema(schema)) or _contradictions(config)
    if problems:
        raise ValueError("the configuration has mistakes:\n" + "\n".join(problems))


def _contradictions(config: dict) -> list[str]:
    problems = []
    lists = {
        "backbones/models": [model["name"] for model in config["backbones"]["models"]],
        "features/pools": [pool["name"] for pool in config["features"]["pools"]],
        "evaluate/zeroshot/datasets": [entry["name"] for entry in config["evaluate"]["zeroshot"]["datasets"]],
        "evaluate/benchmarks": [entry["name"] for entry in config["evaluate"]["benchmarks"]],
        "evaluate/transformers": [entry["name"] for entry in config["evaluate"]["transformers"]],
    }
    for place, names in lists.items():
        problems += [f"{place}: {name!r} occurs twice" for name in sorted({n for n in names if names.count(n) > 1})]
    backbones, pools = lists["backbones/models"], lists["features/pools"]
    if config["distractors"]["backbone"] not in backbones:
        found = config["distractors"]["backbone"]
        problems.append(f"distractors/backbone: expected one of {', '.join(backbones)}, found {found!r}")
    images_of = [entry["pool"] for entry in config["evaluate"]["benchmarks"]]
    for name in dict.fromkeys(["distractors", *lists["evaluate/zeroshot/datasets"], *images_of]):
        if name not in pools:
            problems.append(f"features/pools: the pool {name!r} is missing; found {', '.join(pools)}")
    for pool in config["features"]["pools"]:
        problems += _pool_problems(f"features/pools/{pool['name']}", pool)
    problems += prompt_problems(config["evaluate"]["zeroshot"])
    given_pools = config["features"]["pools"]
    problems += class_problems(
        config["evaluate"]["zeroshot"],
        {
            pool["name"]: find_reader(name).classes
            for pool in given_pools
            if (name := pool.get("reader", "tar")) in READER_PLACES
        },
        {pool["name"]: pool_paths(pool) for pool in given_pools},
    )
    for entry in config["evaluate"]["benchmarks"]:
        problems += _benchmark_problems(entry)
    benchmarks = ["ccneg", "zeroshot", *lists["evaluate/benchmarks"]]
    for model in config["backbones"]["models"]:
        found = entry_problems(model, clip_backbones(config), benchmarks)
        problems += [f"backbones/models/{model['name']}{problem}" for problem in found]
    problems += [
        f"evaluate/transformers: {name!r} is the name of a backbone too"
        for name in lists["evaluate/transformers"]
        if name in backbones
    ]
    fetch = config["fetch"]
    if fetch["deadline_s"] < fetch["timeout_s"]:
        problems.append(
            f"fetch/deadline_s: expected at least timeout_s, {fetch['timeout_s']}, since it is for all attempts "
            f"together; found {fetch['deadline_s']}"
        )
    recipe = config["backbones"]["pretrain"]
    if recipe["warmup_steps"] >= recipe["steps"]:
        problems.append(
            f"backbones/pretrain/warmup_steps: expected less than steps, {recipe['steps']}, found "
            f"{recipe['warmup_steps']}"
        )
    if config["shards"]["eval_share"] in (0, 1):
        problems.append(
            "shards/eval_share: expected a share between 0 and 1, so that both splits have samples, found "
            f"{config['shards']['eval_share']}"
        )
    release = config["shards"]["released"]
    if release is not None and release["eval_last"] >= release["count"]:
        problems.append(
            f"shards/released/eval_last: expected less than count, {release['count']}, found {release['eval_last']}"
        )
    if release is None and config["distractors"]["released"] is not None:
        problems.append(
            "distractors/released: the mapping counts the rows of the released CC-Neg; expected it under "
            "shards/released, found null"
        )
    if config["miniature"] is not None and sum(config["miniature"]["answers"].values()) >= 1:
        problems.append(
            "miniature/answers: expected shares with a sum below 1, so that some images are served well, found "
            f"{sum(config['miniature']['answers'].values()):g}"
        )
    return problems


def _benchmark_problems(benchmark: dict) -> list[str]:
    """Return what is wrong with a benchmark's kind or published count, which is by part where the annotations are."""
    place, kind, count = f"evaluate/benchmarks/{benchmark['name']}", benchmark["kind"], benchmark["count"]
    if kind not in KINDS:
        return [f"{place}/kind: expected one of {', '.join(KINDS)}, found {kind!r}"]
    if (kind == "sugarcrepe") != (benchmark["name"] == "sugarcrepe"):
        return [
            f"{place}: the name sugarcrepe and the kind sugarcrepe belong together, since it has a table of its own"
        ]
    parts = KINDS[kind]
    fits = sorted(count) == sorted(parts) if isinstance(count, dict) else count is None or not parts
    wanted = f"a number for each of {', '.join(parts)}" if parts else "a number"
    if parts and isinstance(count, dict) and (unknown := [part for part in count if part not in parts]):
        near = nearest(unknown[0], list(parts))
        return [f"{place}/count: unknown key {unknown[0]!r}{near} Allowed: {', '.join(parts)}"]
    return [] if fits else [f"{place}/count: expected null or {wanted}, found {count!r}"]


def check_experiments(experiments: list[dict], config: dict, with_distractors: list[str]) -> None:
    """Check that the sheet's rows can be trained and told apart.

    Parameters
    ----------
    experiments : list of dict
        As `read_experiments` returns them.
    config : dict
        The checked configuration.
    with_distractors : list of str
        The losses that use distractor images; those are chosen for CC-Neg's samples only.

    Raises
    ------
    ValueError
        If they cannot; one line per problem.
    """
    problems = []
    pools = [pool["name"] for pool in config["features"]["pools"]]
    backbones = [model["name"] for model in config["backbones"]["models"]]
    others = [entry["name"] for entry in config["evaluate"]["transformers"]]
    clips = clip_backbones(config)
    measured = evaluated_models(config, [])
    for row in experiments:
        name = row["experiment"]
        if unknown := sorted(set(row["benchmarks"] or ()) - set(measured[row["backbone"]])):
            problems.append(
                f"{name}: benchmarks: expected all, or some of those of its backbone {row['backbone']}, "
                f"{', '.join(measured[row['backbone']])}; found {unknown[0]!r}"
            )
        if row["backbone"] not in clips:
            problems.append(
                f"{name}: expected a backbone that is a CLIP, {', '.join(clips)}, found {row['backbone']!r}, which is "
                "listed beside one"
            )
        if row["negatives"] == "crepe" and row["loss"] in with_distractors:
            problems.append(
                f"{name}: loss {row['loss']} needs distractors, which negatives crepe does not have; use l1"
            )
        if row["negatives"] == "crepe" and "crepe" not in pools:
            problems.append(
                f"{name}: negatives crepe needs the pool 'crepe' in features/pools; found {', '.join(pools)}"
            )
        if row["benchmarks"] and len(set(row["benchmarks"])) < len(row["benchmarks"]):
            problems.append(f"{name}: expected different benchmarks, found {', '.join(row['benchmarks'])}")
        if row["family"] == "CLIP":
            problems.append(f"{name}: the family CLIP is for models that are not fine-tuned; name another")
        if len(set(row["seeds"])) < len(row["seeds"]):
            problems.append(f"{name}: expected different seeds, found {row['seeds']}")
        if config["finetune"]["order"] == "paper" and len(row["seeds"]) > 1:
            problems.append(
                f"{name}: with finetune/order paper nothing depends on the seed; expected one, found {row['seeds']}"
            )
        problems += [
            f"{name}: {name}-s{seed} is the name of another model"
            for seed in row["seeds"]
            if f"{name}-s{seed}" in backbones + others
        ]
    if problems:
        raise ValueError("the sheet of experiments has mistakes:\n" + "\n".join(problems))


def read_experiments(path: str | Path, schema: str | Path, backbones: list[str], losses: list[str]) -> list[dict]:
    """Read the sheet of models to fine-tune.

    Parameters
    ----------
    path : str or Path
        Tab separated, with the columns ``experiment``, ``family``, ``backbone``, ``loss``, ``negatives``, ``seeds``
        (numbers with commas between them) and ``benchmarks`` (names with commas between them, or ``all``).
    schema : str or Path
        A JSON schema in YAML for one row.
    backbones, losses : list of str
        What the columns ``backbone`` and ``loss`` may hold.

    Returns
    -------
    list of dict
        One per row, `seeds` a list of int, `benchmarks` a list of str or None for all.

    Raises
    ------
    ValueError
        If a cell is illegal, or an experiment occurs twice; the message names file, line and column.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such sheet of experiments (config key finetune/experiments)")
    rules = _load_schema(schema)
    columns = rules["required"]
    try:
        with open_text(path) as lines:
            reader = csv.reader(lines, delimiter="\t", strict=True)
            header, *rows = [(reader.line_num, cells) for cells in reader if cells] or [(1, [])]
    except csv.Error as error:
        raise ValueError(f"{path}: expected a table with tabs between its columns ({error})") from error
    if sorted(header[1]) != sorted(columns):
        hints = [f"; {name!r:.50} is none{nearest(name, columns)}" for name in header[1] if name not in columns]
        raise ValueError(
            f"{path}, line 1: expected the columns {', '.join(columns)}, each once, found "
            f"{', '.join(header[1]):.300}{''.join(hints):.300}"
        )
    if not rows:
        raise ValueError(f"{path}: expected at least one experiment, found none")
    problems, seen, experiments = [], {}, []
    for line, cells in rows:
        where = f"{path}, line {line}"
        if len(cells) != len(columns):
            problems.append(f"{where}: expected {len(columns)} cells as in the header, found {len(cells)}")
            continue
        row = dict(zip(header[1], cells, strict=True))
        experiments.append(row)
        problems += [f"{where}, {mistake}" for mistake in mistakes(row, rules)]
        for column, legal in (("backbone", backbones), ("loss", losses)):
            if row[column] not in legal:
                near = nearest(row[column], legal)
                problems.append(f"{where}, {column}: expected one of {', '.join(legal)}, found {row[column]!r}{near}")
        if row["experiment"] in seen:
            problems.append(
                f"{where}: experiment {row['experiment']!r} stands in line {seen[row['experiment']]} already"
            )
        seen.setdefault(row["experiment"], line)
    if problems:
        raise ValueError("the sheet of experiments has mistakes:\n" + "\n".join(problems))
    return [
        {
            **row,
            "seeds": [int(seed) for seed in row["seeds"].split(",")],
            "benchmarks": None if row["benchmarks"] == "all" else row["benchmarks"].split(","),
        }
        for row in experiments
    ]


def evaluated_models(config: dict, experiments: list[dict]) -> dict[str, list[str]]:
    """Return which benchmarks each model is evaluated on: what its entry or row names, or all that its backbone is.

    Parameters
    ----------
    config : dict
        The checked configuration.
    experiments : list of dict
        As `read_experiments` returns them.

    Returns
    -------
    dict
        Model -> benchmarks; backbones first, then a model per experiment and seed.
    """
    everything = ["ccneg", "zeroshot", *(entry["name"] for entry in config["evaluate"]["benchmarks"])]
    models = {model["name"]: model.get("benchmarks", everything) for model in config["backbones"]["models"]}
    trained = {
        f"{row['experiment']}-s{seed}": row["benchmarks"] or models[row["backbone"]]
        for row in experiments
        for seed in row["seeds"]
    }
    return models | trained


def _pool_problems(place: str, pool: dict) -> list[str]:
    """Return why no reader can read a pool as its entry says."""
    name, paths = pool.get("reader", "tar"), pool_paths(pool)
    if name not in READER_PLACES:
        known = list(READER_PLACES)
        return [f"{place}/reader: expected one of {', '.join(known)}, found {name!r}{nearest(name, known)}"]
    if not find_reader(name).accepts(paths):
        return [
            f"{place}/images: the reader {name} does not take {len(paths)} paths; expected {find_reader(name).layout}, "
            f"found {quoted(paths)}"
        ]
    if name == "tar" and len(paths) > 1:
        given = {"parts": pool.get("parts", 1) > 1, "count": pool.get("count") is not None}
        return [
            f"{place}/{key}: several tars are encoded by a job each, none of which knows the whole pool; leave it out"
            for key, wanted in given.items()
            if wanted
        ]
    return []


class PoolJob(NamedTuple):
    """What one job encodes of a pool: part `part` of `parts` of what `reader` finds in `paths`."""

    reader: str
    paths: list[str]
    part: int = 0
    parts: int = 1


def pool_paths(pool: dict) -> list[str]:
    """Return the paths of an entry of ``features/pools``, which may name a single one."""
    return [pool["images"]] if isinstance(pool["images"], str) else pool["images"]


def pool_jobs(pool: dict) -> list[PoolJob]:
    """Return the jobs that encode an entry of ``features/pools``: one per part, or per tar where it names several."""
    reader, paths = pool.get("reader", "tar"), pool_paths(pool)
    if reader == "tar" and len(paths) > 1:
        return [PoolJob(reader, [path]) for path in paths]
    parts = pool.get("parts", 1)
    return [PoolJob(reader, paths, part, parts) for part in range(parts)]
