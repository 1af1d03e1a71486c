"""Check the configuration and the sheet of experiments before anything runs; messages say what to change."""

import csv
from collections.abc import Collection
from functools import reduce
from pathlib import Path

from pipeline_lib.config.errors import inner, mistakes, nearest, schema_of
from pipeline_lib.config.inputs import pool_paths
from pipeline_lib.config.models import Config, Experiment
from pipeline_lib.evaluate.prompts import NEEDED, class_problems, prompt_problems
from pipeline_lib.finetune.terms import needs_distractors
from pipeline_lib.jobs.quoted import quoted
from pipeline_lib.readers.catalogue import READERS

SCHEMA = schema_of(Config)

#: Sections of named entries: a configuration given later adds entries or changes some; null removes one, or a key.
NAMED = (
    "backbones/models",
    "features/pools",
    "evaluate/zeroshot/datasets",
    "evaluate/benchmarks",
    "evaluate/transformers",
)


def check_config(config: dict) -> None:
    """Remove the named entries that are null from a configuration as Snakemake merged it, and check what is left.

    Raises `ValueError` if a key is unknown, missing or has an illegal value, or if options contradict each other; one
    line per problem.
    """
    for place in NAMED:
        entries = _at(config, place)
        if isinstance(entries, dict):
            known = reduce(lambda part, key: inner(part, SCHEMA)[key], [*place.split("/"), "NAME"], SCHEMA)
            removable = inner(known, SCHEMA).keys() - {"count"}  # which is null where it is not known
            kept = {name: _without_null(entry, removable) for name, entry in entries.items() if entry is not None}
            entries.clear()
            entries.update(kept)
    if problems := mistakes(config, Config) or _contradictions(config):
        raise ValueError("the configuration has mistakes:\n" + "\n".join(problems))


def _without_null(entry: object, removable: Collection[str]) -> object:
    """Return an entry without the keys in `removable` that are null."""
    if not isinstance(entry, dict):
        return entry
    return {key: value for key, value in entry.items() if value is not None or key not in removable}


def _contradictions(config: dict) -> list[str]:
    """Return which options, each legal alone, do not go together."""
    models, pools, zeroshot = config["backbones"]["models"], config["features"]["pools"], config["evaluate"]["zeroshot"]
    benchmarks, chooser = config["evaluate"]["benchmarks"], config["distractors"]["backbone"]
    fetch, recipe, release = config["fetch"], config["backbones"]["pretrain"], config["shards"]["released"]
    bad = sum(config["miniature"]["answers"].values()) if config["miniature"] else 0
    clips, scored = clip_backbones(config), ["ccneg", "zeroshot", *benchmarks]
    encoded = dict.fromkeys(["distractors", *zeroshot["datasets"], *(entry["pool"] for entry in benchmarks.values())])
    problems = [
        (
            fetch["deadline_s"] < fetch["timeout_s"],
            f"fetch/deadline_s: expected at least timeout_s, {fetch['timeout_s']}, since it is for all attempts "
            f"together; found {fetch['deadline_s']}",
        ),
        (
            recipe["warmup_steps"] >= recipe["steps"],
            f"backbones/pretrain/warmup_steps: expected less than steps, {recipe['steps']}, found "
            f"{recipe['warmup_steps']}",
        ),
        (
            release and release["eval_last"] >= release["count"],
            f"shards/released/eval_last: expected less than count, {release and release['count']}, found "
            f"{release and release['eval_last']}",
        ),
        (
            not release and config["distractors"]["released"],
            "distractors/released: the mapping counts the rows of the released CC-Neg; expected it under "
            "shards/released, found null",
        ),
        (bad >= 1, f"miniature/answers: expected shares with a sum below 1, so that some are good, found {bad:g}"),
        *(
            (
                not config["miniature"] and "<run>/miniature/" in str(entry),
                f"{place}/{name}: expected files of your own, since the run has no miniature, or null to remove the "
                f"entry; found {quoted(entry)}",
            )
            for place in NAMED
            for name, entry in _at(config, place).items()
        ),
        (chooser not in models, f"distractors/backbone: expected one of {', '.join(models)}, found {chooser!r}"),
        *(
            (name not in zeroshot["prompts"], f"evaluate/zeroshot/prompts: missing {name}; expected a list of texts")
            for name in NEEDED
        ),
        *(
            (name not in pools, f"features/pools: the pool {name!r} is missing; found {', '.join(pools)}")
            for name in encoded
        ),
        *(
            (
                (entry["kind"] == "sugarcrepe") != (name == "sugarcrepe"),
                f"evaluate/benchmarks/{name}: the name sugarcrepe and the kind sugarcrepe belong together, since they "
                "have a table of their own",
            )
            for name, entry in benchmarks.items()
        ),
        *(
            (
                "backbone" in entry and entry["backbone"] not in clips,
                f"backbones/models/{name}/backbone: expected a CLIP among {', '.join(clips)}, found "
                f"{entry.get('backbone')!r}",
            )
            for name, entry in models.items()
        ),
        *(
            (
                benchmark not in scored,
                f"backbones/models/{name}/benchmarks: expected some of {', '.join(scored)}, found {benchmark!r}",
            )
            for name, entry in models.items()
            for benchmark in entry.get("benchmarks", ())
        ),
        *(
            (name in models, f"evaluate/transformers: {name!r} is the name of a backbone too")
            for name in config["evaluate"]["transformers"]
        ),
    ]
    labels = {name: READERS[pool.get("reader", "tar")].classes for name, pool in pools.items()}
    images = {name: pool_paths(pool) for name, pool in pools.items()}
    found = [text for wrong, text in problems if wrong] + prompt_problems(zeroshot)
    return found + class_problems(zeroshot, labels, images)


def _at(config: dict, place: str) -> object:
    return reduce(lambda part, key: part.get(key) if isinstance(part, dict) else None, place.split("/"), config)


def clip_backbones(config: dict) -> list[str]:
    """Return the models that are a CLIP: tables list others beside one, and fine-tuning may start from one."""
    return [name for name, model in config["backbones"]["models"].items() if "backbone" not in model]


def read_experiments(config: dict) -> list[dict]:
    """Read and check the sheet of models to fine-tune that a checked configuration names.

    Returns a dictionary per row, with ``seeds`` a list of int and ``benchmarks`` a list of str, or None for all. An
    illegal cell is a `ValueError` that names file, line and column.
    """
    path, columns, models = (
        config["finetune"]["experiments"],
        list(Experiment.model_fields),
        config["backbones"]["models"],
    )
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such sheet of experiments (config key finetune/experiments)")
    try:
        with open(path, encoding="utf-8", newline="") as lines:
            reader = csv.reader(lines, delimiter="\t", strict=True)
            (_, header), *rows = [(reader.line_num, cells) for cells in reader if cells] or [(1, [])]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a table in UTF-8 with tabs between its columns ({error})") from error
    if sorted(header) != sorted(columns):
        hints = [f"; {name!r:.50} is none{nearest(name, columns)}" for name in header if name not in columns]
        raise ValueError(
            f"{path}, line 1: expected the columns {', '.join(columns)}, each once, found "
            f"{', '.join(header):.300}{''.join(hints):.300}"
        )
    if not rows:
        raise ValueError(f"{path}: expected at least one experiment, found none")
    problems, seen, experiments = [], {}, []
    for line, cells in rows:
        where = f"{path}, line {line}"
        if len(cells) != len(columns):
            problems.append(f"{where}: expected {len(columns)} cells as in the header, found {len(cells)}")
            continue
        row = dict(zip(header, cells, strict=True))
        experiments.append(row)
        problems += [f"{where}, {mistake}" for mistake in mistakes(row, Experiment)]
        if row["backbone"] not in models:
            near = nearest(row["backbone"], models)
            problems.append(f"{where}, backbone: expected one of {', '.join(models)}, found {row['backbone']!r}{near}")
        if row["experiment"] in seen:
            problems.append(f"{where}: experiment {row['experiment']!r} is in line {seen[row['experiment']]} already")
        seen.setdefault(row["experiment"], line)
    _raise(problems)
    for row in experiments:
        row["seeds"] = [int(seed) for seed in row["seeds"].split(",")]
        row["benchmarks"] = None if row["benchmarks"] == "all" else row["benchmarks"].split(",")
    check_experiments(experiments, config)
    return experiments


def check_experiments(experiments: list[dict], config: dict) -> None:
    """Check that rows, as `read_experiments` returns them, can be trained and told apart.

    Raises `ValueError` with one line per problem.
    """
    models, clips = evaluated_models(config, []), clip_backbones(config)
    taken = [*models, *config["evaluate"]["transformers"]]
    problems = []
    for row in experiments:
        backbone, seeds, names = row["backbone"], row["seeds"], row["benchmarks"] or []
        several = [f"{row['experiment']}-s{seed}" for seed in seeds]
        unknown = [name for name in names if name not in models[backbone]]
        crepe = row["negatives"] == "crepe"
        wrong = {
            f"benchmarks: expected all, or some of those of its backbone {backbone}, {', '.join(models[backbone])}; "
            f"found {', '.join(map(repr, unknown))}": unknown,
            f"benchmarks: expected each once, found {', '.join(names)}": len({*names}) < len(names),
            f"backbone: expected a CLIP, {', '.join(clips)}, found {backbone!r}, which is listed beside one": (
                backbone not in clips
            ),
            f"loss {row['loss']} needs distractors, which negatives crepe does not have; use l1": (
                crepe and needs_distractors(row["loss"])
            ),
            "negatives crepe needs the pool 'crepe' in features/pools": (
                crepe and "crepe" not in config["features"]["pools"]
            ),
            "the family CLIP is for models that are not fine-tuned; name another": row["family"] == "CLIP",
            f"expected different seeds, found {seeds}": len({*seeds}) < len(seeds),
            f"with finetune/order paper nothing depends on the seed; expected one, found {seeds}": (
                config["finetune"]["order"] == "paper" and len(seeds) > 1
            ),
            **{f"{name} is the name of another model": name in taken for name in several},
        }
        problems += [f"{row['experiment']}: {problem}" for problem, is_so in wrong.items() if is_so]
    _raise(problems)


def _raise(problems: list[str]) -> None:
    if problems:
        raise ValueError("the sheet of experiments has mistakes:\n" + "\n".join(problems))


def evaluated_models(config: dict, experiments: list[dict]) -> dict[str, list[str]]:
    """Return the benchmarks of each model: those that its entry or row names, or all of its backbone.

    Backbones come first, then a model per experiment (as `read_experiments` returns them) and seed.
    """
    everything = ["ccneg", "zeroshot", *config["evaluate"]["benchmarks"]]
    models = {name: model.get("benchmarks", everything) for name, model in config["backbones"]["models"].items()}
    return models | {
        f"{row['experiment']}-s{seed}": row["benchmarks"] or models[row["backbone"]]
        for row in experiments
        for seed in row["seeds"]
    }
