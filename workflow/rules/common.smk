# What the rules share: the checked config, the sheet of experiments, and helper functions. No rules.
#
# A function for `params:` that takes `input` is no reason to rerun: Snakemake holds that what it gives follows from the
# input files. So those that tell what the config or the sheet says take `wildcards` alone.
import json
import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from pipeline_lib.evaluate.kinds import BLIND, KINDS, WITHOUT_ITEMS, annotation_files, kind_module
from pipeline_lib.evaluate.prompts import prompt_flags
from pipeline_lib.config.inputs import missing_data
from pipeline_lib.finetune.terms import LOSSES, needs_distractors
from pipeline_lib.paper.outputs import CAPTION_FORMAT
from pipeline_lib.readers.reader import find_reader, module_name
from pipeline_lib.config.checks import (
    PoolJob,
    check_config,
    check_experiments,
    evaluated_models,
    pool_jobs,
    read_experiments,
)
from pipeline_lib.shards import image_folder
from pipeline_lib.jobs.code_version import sources

try:
    check_config(config, "workflow/schemas/config.schema.yaml")
    EXPERIMENTS = read_experiments(
        config["finetune"]["experiments"],
        "workflow/schemas/experiments.schema.yaml",
        [model["name"] for model in config["backbones"]["models"]],
        list(LOSSES),
    )
    check_experiments(EXPERIMENTS, config, [loss for loss in LOSSES if needs_distractors(loss)])
except (ValueError, FileNotFoundError) as error:
    raise WorkflowError(str(error)) from None

if missing := missing_data(config):
    lacks = (
        "Data that this configuration names is not here; the target `preflight` says what each is, where it comes from "
        "and what can run without it.\n  " + "\n  ".join(missing)
    )
    # Snakemake takes an existing file for good where the rule that makes it lacks its input. So the tables of another
    # run would pass for this one's: they have to go first. The report on what is missing is asked for before.
    active = Path("results/active-run.txt")
    if "preflight" not in sys.argv and active.is_file() and active.read_text().strip() != config["run"]:
        raise WorkflowError(
            f"results/ shows the run {active.read_text().strip()!r}, and this run is {config['run']!r}. Remove "
            f"results/tables.parquet, results/report.html and {active} (results/<run>/ stays), then run again.\n{lacks}"
        )
    logger.warning(lacks)

BACKBONES = {model["name"]: model for model in config["backbones"]["models"]}
POOLS = {pool["name"]: pool for pool in config["features"]["pools"]}
OTHERS = {entry["name"]: entry for entry in config["evaluate"]["transformers"]}
DATASETS = {dataset["name"]: dataset["classes"] for dataset in config["evaluate"]["zeroshot"]["datasets"]}
TEMPLATES = {
    dataset["name"]: dataset["templates"]
    for dataset in config["evaluate"]["zeroshot"]["datasets"]
    if "templates" in dataset
}
MODELS = {f"{row['experiment']}-s{seed}": {**row, "seed": seed} for row in EXPERIMENTS for seed in row["seeds"]}
BENCHMARKS = {entry["name"]: entry for entry in config["evaluate"]["benchmarks"]}
PARTS = [f"{part:05d}" for part in range(config["fetch"]["parts"])]


wildcard_constraints:
    part=r"\d{5}",
    split="train|eval",
    backbone="|".join(BACKBONES),
    model="|".join([*BACKBONES, *MODELS]),
    pool="|".join(["ccneg-train", "ccneg-eval", *POOLS]),
    benchmark="|".join(BENCHMARKS) or "(?!)",
    blind="|".join(BLIND),


def library(module):
    """Every file of pipeline_lib that `python -m pipeline_lib.MODULE` loads: an input, so that editing one reruns."""
    return sources(f"pipeline_lib.{module}")


def cores(wanted):
    """What a job with `wanted` busy threads claims of --cores.

    Told to use more cores than the machine has, Snakemake would start too many jobs: 8 single-threaded ones on two
    cores with `--cores 8`. So a job claims its share of what Snakemake believes to have.
    """
    machine = len(os.sched_getaffinity(0))
    return wanted * max(1, (workflow.resource_settings.cores or 1) // machine)


def grows(amount):
    """A resource that doubles with each retry: what was killed for lack of memory or time would be killed again."""

    def of_attempt(wildcards, attempt):
        return amount * 2 ** (attempt - 1)

    return of_attempt


def options(section, *keys):
    """`--key value` for keys of a config section, for `params:`, where changes are tracked; null becomes `none`."""
    values = {key: "none" if section[key] is None else str(section[key]) for key in keys}
    return " ".join(f"--{key.replace('_', '-')} {shlex.quote(value)}" for key, value in values.items())


def in_run(path):
    """A path of the config where Snakemake does not do it itself: `<run>` is this run's folder."""
    return path.replace("<run>", f"results/{config['run']}")


# miniature
def miniature_options(wildcards):
    """Flags of pipeline_lib.miniature.make from the config; none where the run has no miniature."""
    world = config["miniature"]
    if world is None:
        return ""
    answers = ",".join(f"{name}={share}" for name, share in world["answers"].items())
    counts = ("seed", "captions", "pretrain", "pool", "zeroshot", "sugarcrepe", "crepe", "hosts")
    return f"{options(world, *counts)} --answers {answers}"


# fetch
def made_by_fetching(*paths):
    """The paths, where the run makes CC-Neg from links and captions; none where it takes the released one."""
    return list(paths) if config["shards"]["released"] is None else []


def serving(wildcards, input):
    """The command to put before the fetcher's: for the miniature one that serves its images meanwhile."""
    if config["miniature"] is None:
        return ""
    return shlex.join(
        ["python", "-m", "pipeline_lib.miniature.serve", "--web", input.web, "--answers", input.answers, "--"]
    )


def decisive_options(wildcards):
    """The options of the fetcher that its images depend on; pipeline_lib.fetch.fetch.DECISIVE says the same."""
    return options(config["fetch"], "parts", "image_size", "respect_robots", "max_bytes", "max_pixels", "max_redirects")


# captions
def backend_options(wildcards):
    """The options of the configured backend, and of that one alone: the other's settings rerun nothing."""
    section = config["captions"]
    shared = options(section, "backend", "spacy_model", "seed", "min_quality")
    if section["backend"] == "rules":
        weights = ",".join(f"{word}={weight}" for word, weight in section["word_weights"].items())
        return f"{shared} --word-weights {weights}"
    chat = section["chat"] | {"cache": in_run(section["chat"]["cache"])}
    return f"{shared} {options(chat, *chat)}"


# backbones
def from_source(source):
    """The names of the backbones with a source, as a wildcard's pattern; one that matches nothing where there is none."""
    return "|".join(name for name, model in BACKBONES.items() if model["source"] == source) or "(?!)"


def architecture(wildcards):
    """The backbone's architecture as JSON, for a flag."""
    return json.dumps(BACKBONES[wildcards.backbone]["architecture"])


def own_file(wildcards):
    """The file that the entry of a model names, or none."""
    return BACKBONES[wildcards.backbone].get("path", [])


def released_options(wildcards):
    """Flags of pipeline_lib.backbones.checkpoint: the backbone's name at OpenAI, and its file where you have it."""
    entry = BACKBONES[wildcards.backbone]
    flags = ["--openai", entry["released"]]
    return shlex.join([*flags, "--path", in_run(entry["path"])] if "path" in entry else flags)


def beside(wildcards):
    """The weights of the CLIP beside which tables list a model; none for a CLIP."""
    clip = BACKBONES[wildcards.backbone].get("backbone")
    return f"<run>/backbones/{clip}/model.pt" if clip else []


def checkpoint_options(wildcards):
    """Flags of pipeline_lib.backbones.checkpoint: what the config says of the model."""
    entry = BACKBONES[wildcards.backbone]
    flags = options(entry, *(key for key in ("activation", "family", "backbone", "image_tower") if key in entry))
    clip = beside(wildcards)
    return f"{flags} {shlex.join(['--backbone-weights', in_run(clip)])}" if clip else flags


# shards
def released_images(wildcards):
    """The folder in which the released images lie: its time tells when some are added."""
    return str(image_folder(config["shards"]["released"]["images"]))


# features
def pool_parts(pool):
    """The parts of a pool: those of CC-Neg's shards, or the jobs of an entry of config `features.pools`."""
    return [f"{part:05d}" for part in range(len(pool_jobs(POOLS[pool])))] if pool in POOLS else PARTS


def pool_job(wildcards):
    """What a job encodes, by pool and part."""
    if wildcards.pool in POOLS:
        return pool_jobs(POOLS[wildcards.pool])[int(wildcards.part)]
    return PoolJob("tar", [f"<run>/shards/{wildcards.pool.removeprefix('ccneg-')}-{wildcards.part}.tar"])


def pool_files(wildcards):
    """The files and folders that a job reads."""
    job = pool_job(wildcards)
    return find_reader(job.reader).needs(*map(in_run, job.paths))


def reader_code(wildcards):
    """The sources of the reader of a pool; editing another reader reruns nothing."""
    return library(f"readers.{module_name(pool_job(wildcards).reader)}")


def reader_options(wildcards):
    """The flags that say which images a job encodes."""
    job = pool_job(wildcards)
    paths = [in_run(path) for path in job.paths]
    return shlex.join(["--reader", job.reader, "--images", *paths, "--part", str(job.part), "--parts", str(job.parts)])


def count_option(wildcards):
    """The flag that says how many images a pool must have, where that is known."""
    count = POOLS.get(wildcards.pool, {}).get("count")
    return "" if count is None else f"--count {count}"


def tower_precision(wildcards):
    """The precision in which a pool is encoded: one for what is trained on, another for what is evaluated."""
    key = "training_precision" if wildcards.pool in ("ccneg-train", "distractors", "crepe") else "precision"
    return f"--precision {config['features'][key]}"


def feature_files(backbone, pool):
    """The features of a pool by a backbone's image tower, a file per part; a tower that two models have encodes once."""
    entry = BACKBONES[backbone]
    tower = entry["backbone"] if entry.get("image_tower") == "backbone" else backbone
    return [f"<run>/features/{tower}/{pool}/{part}.safetensors" for part in pool_parts(pool)]


# finetune
def finetune_inputs(wildcards):
    """What a model is trained on, by its row of the sheet."""
    row = MODELS[wildcards.model]
    data = TRIPLETS[row["negatives"]]
    files = {
        "weights": f"<run>/backbones/{row['backbone']}/model.pt",
        "triplets": data["triplets"],
        "features": feature_files(row["backbone"], data["pool"]),
    }
    if needs_distractors(row["loss"]):
        files |= {
            "distractors": "<run>/distractors/train.parquet",
            "pool_features": feature_files(row["backbone"], "distractors"),
        }
    return files


def launcher(wildcards):
    """What starts a module: Python, or torchrun where several processes share the work."""
    count = config["finetune"]["processes"]
    return "python" if count == 1 else f"torchrun --standalone --nproc-per-node {count}"


def experiment_options(wildcards):
    """Flags that say which row of the sheet a model is, and where its distractors are."""
    files = finetune_inputs(wildcards)
    flags = options(MODELS[wildcards.model], "family", "backbone", "loss", "negatives", "seed")
    if "distractors" in files:
        paths = map(in_run, files["pool_features"])
        flags += f" {shlex.join(['--distractors', in_run(files['distractors']), '--pool-features', *paths])}"
    return flags


# evaluate
def backbone_of(model):
    """The entry of `backbones.models` that a model is or was fine-tuned from."""
    return model if model in BACKBONES else MODELS[model]["backbone"]


def model_file(name):
    """A function that finds a file beside a model's weights."""

    def path(wildcards):
        stage = "backbones" if wildcards.model in BACKBONES else "finetune"
        return f"<run>/{stage}/{wildcards.model}/{name}"

    return path


def features_of(*pools):
    """A function that finds the features of pools by a model's backbone."""

    def paths(wildcards):
        return [path for pool in pools for path in feature_files(backbone_of(wildcards.model), pool)]

    return paths


def datasets(wildcards):
    """`--dataset NAME CLASSES FEATURES ...` for each labelled set."""
    flags = []
    for name, classes in DATASETS.items():
        files = map(in_run, feature_files(backbone_of(wildcards.model), name))
        flags.append(shlex.join(["--dataset", name, in_run(classes), *files]))
    return " ".join(flags)


def prompts(wildcards):
    """`--prompt NAME TEMPLATE ...` for each prompt, and `--prompt DATASET:NAME ...` where a dataset has another."""
    templates = {name: in_run(path) for name, path in TEMPLATES.items()}
    flags = prompt_flags(config["evaluate"]["zeroshot"], templates)
    return " ".join(shlex.join(["--prompt", *flag]) for flag in flags)


def benchmark_module(wildcards):
    """The module that scores a benchmark, below pipeline_lib."""
    return kind_module(BENCHMARKS[wildcards.benchmark]["kind"])


def benchmark_code(wildcards):
    """What `library` gives for a benchmark's module."""
    return library(benchmark_module(wildcards))


def benchmark_annotations(wildcards):
    """The files of a benchmark's annotations."""
    entry = BENCHMARKS[wildcards.benchmark]
    return annotation_files(entry["kind"], entry["annotations"])


def annotations_path(wildcards, input):
    """The file of a benchmark's annotations, or the folder of their parts."""
    first = Path(input.annotations[0])
    return first.parent if KINDS[BENCHMARKS[wildcards.benchmark]["kind"]] else first


def benchmark_features(wildcards):
    """The features of the pool that has a benchmark's images."""
    return feature_files(backbone_of(wildcards.model), BENCHMARKS[wildcards.benchmark]["pool"])


def published_count(wildcards):
    """How many items a benchmark has, as `--count` takes it."""
    count = BENCHMARKS[wildcards.benchmark]["count"]
    if isinstance(count, dict):
        return ",".join(f"{part}={number}" for part, number in count.items())
    return "none" if count is None else count


def other(key):
    """A function that finds what the config says of a model of another kind."""

    def value(wildcards):
        return OTHERS[wildcards.model][key]

    return value


# paper
def metrics_files(wildcards):
    """The metrics of every model on the benchmarks that it is evaluated on, and of the texts' embeddings with CC-Neg."""
    wanted = {
        model: [*names, *(["embeddings"] if "ccneg" in names else [])]
        for model, names in evaluated_models(config, EXPERIMENTS).items()
    }
    wanted |= dict.fromkeys([*OTHERS, *BLIND], ["ccneg"])
    return [f"<run>/evaluate/{model}/{benchmark}.json" for model, names in wanted.items() for benchmark in names]


def score_files(wildcards):
    """The scores per item, beside the metrics; embeddings have none."""
    metrics = [path for path in metrics_files(wildcards) if Path(path).stem not in WITHOUT_ITEMS]
    return [path.removesuffix("json") + "parquet" for path in metrics]


def ccneg_scores(wildcards):
    """The scores of CC-Neg's items."""
    return [path for path in score_files(wildcards) if Path(path).name == "ccneg.parquet"]


def reported(folder, items, formats):
    """The files of tables or figures as items of Snakemake's report, each with its own caption and labels.

    A caption is a file that the rule writes beside the item; one of the workflow's could not tell a rule's items apart.
    """
    files = []
    for name, item in items.items():
        stem = f"results/{folder}/{name}"
        texts = {
            "caption": f"../../{stem}.{CAPTION_FORMAT}",
            "category": folder.capitalize(),
            "subcategory": item.title,
        }
        for suffix in formats:
            labels = {folder.removesuffix("s"): name, "format": suffix.upper()}
            files.append(report(f"{stem}.{suffix}", labels=labels, **texts))
    return files


def folder_of(wildcards, output):
    """The folder of a rule's last output."""
    return Path(output[-1]).parent


def input_folder(name):
    """A function that gives the folder of a rule's named input."""

    def folder(wildcards, input):
        return Path(input[name][0]).parent

    return folder
