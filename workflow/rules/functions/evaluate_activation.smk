# Functions of the rules in evaluate_activation.smk, beside those in evaluate.smk.
from pipeline_lib.config.checks import evaluated_models

MCQ = [name for name, entry in BENCHMARKS.items() if entry["kind"] == "mcq"]
ACTIVATION_POOLS = ["ccneg-eval", *dict.fromkeys(BENCHMARKS[name]["pool"] for name in MCQ)]


def activation_features(variant):
    """A function that gives the features of all pools of the check of activations."""

    def paths(wildcards):
        return [path for pool in ACTIVATION_POOLS for path in model_features(wildcards.model, pool, variant)]

    return paths


def activation_pools(flag, variant):
    """A function that gives `--FLAG POOL FEATURES ...` for each pool of the check of activations."""

    def options(wildcards):
        words = [[f"--{flag}", pool, *model_features(wildcards.model, pool, variant)] for pool in ACTIVATION_POOLS]
        return " ".join(map(shlex.join, words))

    return options


def activation_benchmarks(wildcards):
    """`--mcq NAME ANNOTATIONS POOL COUNT` for each benchmark of that kind."""
    entries = [["--mcq", name, *(BENCHMARKS[name][key] for key in ("annotations", "pool"))] for name in MCQ]
    return " ".join(shlex.join([*words, str(count_of(words[1]))]) for words in entries)


def activation_tables(wildcards):
    """The check of each model that is evaluated on CC-Neg and has an activation."""
    evaluated = evaluated_models(config, EXPERIMENTS)
    checked = [model for model, names in evaluated.items() if "ccneg" in names and model in (*BACKBONES, *MODELS)]
    return [f"{RUN}/evaluate/{model}/activation.tsv" for model in checked]
