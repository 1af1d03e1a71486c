# Functions of the rules in finetune.smk.
from pipeline_lib.finetune import launch_command, training_code
from pipeline_lib.finetune.terms import needs_distractors, needs_facts

TRIPLETS = {"ccneg": ("<run>/shards/train.parquet", "ccneg-train"), "crepe": ("<run>/shards/crepe.parquet", "crepe")}


def finetune_inputs(wildcards):
    """What a model is trained on, by its row of the sheet."""
    row = MODELS[wildcards.model]
    triplets, pool = TRIPLETS[row["negatives"]]
    files = {
        "weights": f"{RUN}/backbones/{row['backbone']}/model.pt",
        "triplets": triplets,
        "features": feature_files(row["backbone"], pool),
    }
    if needs_distractors(row["loss"]):
        files["distractors"] = f"{RUN}/distractors/train.parquet"
        files["pool_features"] = feature_files(row["backbone"], "distractors")
    if needs_facts(row["loss"]) and config["finetune"]["facts"] == "labels":
        files["labels"] = config["fetch"]["captions"]
    return files


def training_version(wildcards):
    """The version of the code that trains a model: a new loss trains no other model again."""
    return training_code(MODELS[wildcards.model]["loss"])


def loss_options(wildcards):
    """The flags that say where the files are that only some losses use."""
    files = finetune_inputs(wildcards)
    named = {name: files[name] for name in ("distractors", "pool_features", "labels") if name in files}
    words = [
        [f"--{name.replace('_', '-')}", *([paths] if isinstance(paths, str) else paths)]
        for name, paths in named.items()
    ]
    return " ".join(map(shlex.join, words))


def experiment(wildcards):
    """The cells of a model's row that say what it is, as flags."""
    return flags(MODELS[wildcards.model], "family", "backbone", "loss", "negatives", "seed")


def recipe(wildcards):
    """The options of config `finetune` that a model's training depends on, as flags; a cell of its row goes before one."""
    names = ("epochs", "batch_size", "lr", "weight_decay", "warmup_steps", "order", "precision")
    return flags({name: MODELS[wildcards.model].get(name) or config["finetune"][name] for name in names})
