# Functions of the rules in finetune.smk.
from pipeline_lib.finetune import launch_command
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


def distractor_options(wildcards):
    """The flags that say where distractors and their features are, for a loss that uses them."""
    files = finetune_inputs(wildcards)
    if "distractors" not in files:
        return ""
    return shlex.join(["--distractors", files["distractors"], "--pool-features", *files["pool_features"]])


def label_options(wildcards):
    """The flag that says where the labels are, for a loss whose facts come from them."""
    files = finetune_inputs(wildcards)
    return shlex.join(["--labels", files["labels"]]) if "labels" in files else ""


def experiment(wildcards):
    """The cells of a model's row that say what it is, as flags."""
    return flags(MODELS[wildcards.model], "family", "backbone", "loss", "negatives", "seed")


def recipe(wildcards):
    """The options of config `finetune` that a model's training depends on, as flags; a cell of its row goes before one."""
    names = ("epochs", "batch_size", "lr", "weight_decay", "warmup_steps", "order", "precision")
    return flags({name: MODELS[wildcards.model].get(name) or config["finetune"][name] for name in names})
