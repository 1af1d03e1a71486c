"""Check the configuration and the sheet of experiments before anything runs; messages say what to change."""

from collections.abc import Collection
from contextlib import suppress
from functools import reduce

from pipeline_lib.config.errors import inner, mistakes, nearest, said, schema_of
from pipeline_lib.config.inputs import pool_paths
from pipeline_lib.config.models import Config, Experiment
from pipeline_lib.config.sheets import read_sheet
from pipeline_lib.evaluate.kinds import blind_benchmarks
from pipeline_lib.evaluate.prompts import NEEDED, class_problems, prompt_problems
from pipeline_lib.finetune.terms import needs_distractors, needs_facts
from pipeline_lib.jobs.extras import command, is_installed
from pipeline_lib.jobs.run_record import subtracted
from pipeline_lib.readers.reader import find_reader

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
            removable = inner(known, SCHEMA)
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
    mistakes = []

    def need(fits: bool, place: str, expected: str, found: object) -> None:
        if not fits:
            mistakes.append(f"{place}: expected {expected}, found {said(found)}")

    models, pools, zeroshot = config["backbones"]["models"], config["features"]["pools"], config["evaluate"]["zeroshot"]
    benchmarks, others = config["evaluate"]["benchmarks"], config["evaluate"]["transformers"]
    one, every = config["fetch"]["timeout_s"], config["fetch"]["deadline_s"]
    need(every >= one, "fetch/deadline_s", f"at least timeout_s, {one}, since it is for all attempts together", every)
    steps, warmup = (config["backbones"]["pretrain"][key] for key in ("steps", "warmup_steps"))
    need(warmup < steps, "backbones/pretrain/warmup_steps", f"less than steps, {steps}", warmup)
    if not config["miniature"]:
        files = "files of your own, since the run has no miniature, or null to remove the entry"
        for place in NAMED:
            for name, entry in _at(config, place).items():
                need("<run>/miniature/" not in str(entry), f"{place}/{name}", files, entry)
    if release := config["shards"]["released"]:
        rows, last = release["count"], release["eval_last"]
        need(last < rows, "shards/released/eval_last", f"less than count, {rows}", last)
        facts = config["finetune"]["facts"]
        need(facts == "captions", "finetune/facts", "captions, since the released CC-Neg has no labels", facts)
    elif config["distractors"]["released"]:
        where = "the released CC-Neg, whose rows the mapping counts, under shards/released"
        need(False, "distractors/released", where, None)
    with_curves = f"none, or the extra that draws them: {command(config['curves'])}"
    need(config["curves"] == "none" or is_installed(config["curves"]), "curves", with_curves, config["curves"])
    for name in NEEDED:
        need(name in zeroshot["prompts"], f"evaluate/zeroshot/prompts/{name}", "a list of texts", None)
    need("distractors" in pools, "features/pools", "the pool distractors", [*pools])
    for name in zeroshot["datasets"]:
        need(name in pools, f"evaluate/zeroshot/datasets/{name}", "a pool of this name in features/pools", [*pools])
    both = "the name sugarcrepe and the kind sugarcrepe together, since they have a table of their own"
    for name, entry in benchmarks.items():
        place, pool, kind = f"evaluate/benchmarks/{name}", entry["pool"], entry["kind"]
        need(pool in pools, f"{place}/pool", f"one of features/pools, {', '.join(pools)}", pool)
        need((kind == "sugarcrepe") == (name == "sugarcrepe"), place, both, kind)
    clips, scored = clip_backbones(config), ["ccneg", "zeroshot", *benchmarks]
    chooser = config["distractors"]["backbone"]
    need(chooser in models, "distractors/backbone", f"one of {', '.join(models)}", chooser)
    for name, entry in models.items():
        beside, place = entry.get("backbone"), f"backbones/models/{name}"
        need(beside is None or beside in clips, f"{place}/backbone", f"a CLIP among {', '.join(clips)}", beside)
        for benchmark in entry.get("benchmarks", ()):
            need(benchmark in scored, f"{place}/benchmarks", f"some of {', '.join(scored)}", benchmark)
        need(name not in others, "evaluate/transformers", "a name that no backbone has", name)
    labels = {name: find_reader(pool.get("reader", "tar")).classes for name, pool in pools.items()}
    images = {name: pool_paths(pool) for name, pool in pools.items()}
    return mistakes + prompt_problems(zeroshot) + class_problems(zeroshot, labels, images)


def _at(config: dict, place: str) -> object:
    return reduce(lambda part, key: part.get(key) if isinstance(part, dict) else None, place.split("/"), config)


def clip_backbones(config: dict) -> list[str]:
    """Return the models that are a CLIP: tables list others beside one, and fine-tuning may start from one."""
    return [name for name, model in config["backbones"]["models"].items() if "backbone" not in model]


def read_experiments(config: dict) -> list[dict]:
    """Read and check the sheet of models to fine-tune that a checked configuration names.

    Returns a dictionary per row, with ``seeds`` a list of int, ``benchmarks`` a list of str, or None for all, and
    numbers or None for the columns that a sheet may lack. An illegal cell is a `ValueError` that names file, line and
    column.
    """
    path, models, fields = config["finetune"]["experiments"], config["backbones"]["models"], Experiment.model_fields
    optional = [name for name, field in fields.items() if not field.is_required()]
    rows = read_sheet(path, [name for name in fields if name not in optional], optional)
    if not rows:
        raise ValueError(f"{path}: expected at least one experiment, found none")
    problems, seen, experiments = [], {}, []
    for where, row in rows.items():
        numbers = {name: _number(row.pop(name, "")) for name in optional}
        experiments.append(row | numbers)
        row |= {name: value for name, value in numbers.items() if value is not None}
        problems += [f"{where}, {mistake}" for mistake in mistakes(row, Experiment)]
        if row["backbone"] not in models:
            near = nearest(row["backbone"], models)
            problems.append(f"{where}, backbone: expected one of {', '.join(models)}, found {row['backbone']!r}{near}")
        if (first := seen.setdefault(row["experiment"], where)) != where:
            line = first.rpartition(", ")[2]
            problems.append(f"{where}: experiment {row['experiment']!r} is in {line} already")
    _raise(path, problems)
    for row in experiments:
        row["seeds"] = [int(seed) for seed in row["seeds"].split(",")]
        row["benchmarks"] = None if row["benchmarks"] == "all" else row["benchmarks"].split(",")
    check_experiments(experiments, config)
    _check_subtracted(experiments, config)
    return experiments


def _number(cell: str) -> int | float | str | None:
    """Return the number in a cell, None for an empty cell, or the cell where it holds no number."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(cell)
    return cell or None


def check_experiments(experiments: list[dict], config: dict) -> None:
    """Check that rows, as `read_experiments` returns them, can be trained and told apart.

    Raises `ValueError` with one line per problem.
    """
    problems = [f"{row['experiment']}: {problem}" for row in experiments for problem in _row_problems(row, config)]
    _raise(config["finetune"]["experiments"], problems)


def _check_subtracted(experiments: list[dict], config: dict) -> None:
    """Check that config ``evaluate.subtract`` names models of the run, and that theirs are names of their own."""
    known = [*config["backbones"]["models"], *(row["experiment"] for row in experiments)]
    for name in config["evaluate"]["subtract"]["models"]:
        if name not in known:
            place = "evaluate/subtract/models: expected backbones of the configuration and experiments of"
            sheet = f"{config['finetune']['experiments']}: {', '.join(known)}"
            raise ValueError(f"{place} {sheet}; found {name!r}{nearest(name, known)}")
    for name, base in subtracted_models(config, experiments).items():
        if name in (*known, *finetuned_models(experiments), *config["evaluate"]["transformers"]):
            raise ValueError(f"evaluate/subtract/models: {base} by subtraction is {name}, the name of another model")


def _row_problems(row: dict, config: dict) -> list[str]:
    models, clips, pools = evaluated_models(config, []), clip_backbones(config), config["features"]["pools"]
    backbone, seeds, loss, crepe = row["backbone"], row["seeds"], row["loss"], row["negatives"] == "crepe"
    distractors, facts = needs_distractors(loss), needs_facts(loss)
    legal, named = models[backbone], row["benchmarks"] or []
    unknown = [name for name in named if name not in legal]
    taken = [name for name in (row["experiment"], *finetuned_models([row])) if name in models]
    paper, processes = config["finetune"]["order"] == "paper", config["finetune"]["processes"]
    batch, poolless = row["batch_size"] or config["finetune"]["batch_size"], "crepe" not in pools
    wrong = {
        f"benchmarks: expected all, or some of those of {backbone}, {', '.join(legal)}; found {unknown}": unknown,
        f"benchmarks: expected each once, found {', '.join(named)}": len({*named}) < len(named),
        f"backbone: expected a CLIP, {', '.join(clips)}, found {backbone!r}": backbone not in clips,
        f"loss {loss} needs distractors, which negatives crepe does not have; use l1": crepe and distractors,
        f"loss {loss} needs facts, which negatives crepe does not have; use ccneg": crepe and facts,
        f"negatives crepe needs the pool 'crepe' in features/pools; found {', '.join(pools)}": crepe and poolless,
        "the family CLIP is for models that are not fine-tuned; name another": row["family"] == "CLIP",
        f"expected different seeds, found {seeds}": len({*seeds}) < len(seeds),
        f"with finetune/order paper nothing depends on the seed; expected one, found {seeds}": paper and len(seeds) > 1,
        f"{', '.join(taken)} is the name of another model; name the experiment differently": taken,
        f"batch_size: expected a multiple of finetune/processes, {processes}, found {batch}": batch % processes,
        f"batch_size: loss {loss} has statements in pairs; expected an even number, found {batch}": facts and batch % 2,
    }
    return [problem for problem, is_so in wrong.items() if is_so]


def _raise(path: str, problems: list[str]) -> None:
    if problems:
        raise ValueError(f"the sheet of experiments {path} has mistakes:\n" + "\n".join(problems))


def finetuned_models(experiments: list[dict]) -> dict[str, dict]:
    """Return name -> row with its ``seed`` for the models of a sheet, one per row (of `read_experiments`) and seed."""
    return {f"{row['experiment']}-s{seed}": {**row, "seed": seed} for row in experiments for seed in row["seeds"]}


def evaluated_models(config: dict, experiments: list[dict]) -> dict[str, list[str]]:
    """Return the benchmarks of each model: those that its entry or row names, or all of its backbone.

    Backbones come first, then a model per experiment (as `read_experiments` returns them) and seed, those of
    `subtracted_models`, with the benchmarks of the model whose captions they score otherwise, models of other kinds,
    and those that see no image.
    """
    evaluate = config["evaluate"]
    everything = ["ccneg", "zeroshot", *evaluate["benchmarks"]]
    models = {name: model.get("benchmarks", everything) for name, model in config["backbones"]["models"].items()}
    finetuned = finetuned_models(experiments)
    models |= {name: row["benchmarks"] or models[row["backbone"]] for name, row in finetuned.items()}
    models |= {name: models[base] for name, base in subtracted_models(config, experiments).items()}
    models |= {name: ["ccneg"] for name in evaluate["transformers"]}
    return models | blind_benchmarks(evaluate["benchmarks"])


def subtracted_models(config: dict, experiments: list[dict]) -> dict[str, str]:
    """Return name -> model for the models of config ``evaluate.subtract``, of an experiment one per seed."""
    named = config["evaluate"]["subtract"]["models"]
    seeds = {name: None for name in config["backbones"]["models"] if name in named}
    seeds |= {name: row["seed"] for name, row in finetuned_models(experiments).items() if row["experiment"] in named}
    return {subtracted(model, seed=seed)["model"]: model for model, seed in seeds.items()}
