# Functions of the rules in evaluate.smk.
from pipeline_lib.config.checks import clip_backbones
from pipeline_lib.evaluate.kinds import KINDS, OWN_COMMAND, annotation_files
from pipeline_lib.evaluate.prompts import class_files, prompt_flags

DATASETS = config["evaluate"]["zeroshot"]["datasets"]
TEMPLATES = {name: entry["templates"] for name, entry in DATASETS.items() if "templates" in entry}


def model_file(name):
    """A function that finds a file beside a model's weights."""

    def path(wildcards):
        model = SUBTRACTED.get(wildcards.model, wildcards.model)
        return f"{RUN}/{'backbones' if model in BACKBONES else 'finetune'}/{model}/{name}"

    return path


def scoring(wildcards):
    """The flag that makes a model score captions by subtraction, of those that do."""
    return flags({"subtract": config["evaluate"]["subtract"]["weight"]}) if wildcards.model in SUBTRACTED else ""


def model_features(model, pool, variant=""):
    """The features of a pool for a model, which are its backbone's."""
    model = SUBTRACTED.get(model, model)
    return feature_files(model if model in BACKBONES else MODELS[model]["backbone"], pool, variant)


def precision_of(model, kind):
    """The precision of a model on a kind of benchmark: fp16 where published scripts have CLIP itself in it."""
    as_published = config["evaluate"]["precision"] == "paper" and (KINDS | OWN_COMMAND)[kind].clip_load
    return "fp16" if as_published and SUBTRACTED.get(model, model) in clip_backbones(config) else "fp32"


def features_in(model, pool, kind):
    """The features of a pool for a model on a kind of benchmark, in its precision."""
    return model_features(model, pool, "_fp16" if precision_of(model, kind) == "fp16" else "")


def zeroshot_features(wildcards):
    """The features of all labelled sets."""
    return [path for name in DATASETS for path in model_features(wildcards.model, name)]


def datasets(wildcards):
    """`--dataset NAME CLASSES FEATURES ...` for each labelled set."""
    words = [
        ["--dataset", name, entry["classes"], *model_features(wildcards.model, name)]
        for name, entry in DATASETS.items()
    ]
    return " ".join(map(shlex.join, words))


def benchmark_annotations(wildcards):
    """The files of a benchmark's annotations."""
    entry = BENCHMARKS[wildcards.benchmark]
    return annotation_files(entry["kind"], entry["annotations"])


def benchmark_features(wildcards):
    """The features of the pool that has a benchmark's images."""
    entry = BENCHMARKS[wildcards.benchmark]
    return features_in(wildcards.model, entry["pool"], entry["kind"])


def count_of(benchmark):
    """How many items a benchmark has, as commands take it."""
    count = BENCHMARKS[benchmark].get("count")
    if isinstance(count, dict):
        return ",".join(f"{part}={number}" for part, number in count.items())
    return "none" if count is None else count


#: `--prompt NAME TEMPLATE ...` for each prompt, and `--prompt DATASET:NAME ...` where a dataset has another.
PROMPTS = " ".join(shlex.join(["--prompt", *flag]) for flag in prompt_flags(config["evaluate"]["zeroshot"], TEMPLATES))
#: `--prompt-classes DATASET NAME FILE` where a dataset has other class names under a prompt.
PROMPT_CLASSES = " ".join(
    shlex.join(["--prompt-classes", name, prompt, path])
    for name, entry in DATASETS.items()
    for prompt, path in entry.get("prompt_classes", {}).items()
)
