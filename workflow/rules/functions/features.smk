# Functions of the rules in features.smk.
from pipeline_lib.evaluate.prompts import read_classes
from pipeline_lib.preflight.estimate import features_mb, size_of
from pipeline_lib.readers.reader import find_reader, module_name


def pool_job(wildcards):
    """What a job encodes: reader, images, part and parts."""
    return pool_parts(wildcards.pool)[wildcards.part]


def beside_a_gpu():
    """The threads of a job: one; where `--resources gpu=N` says that there are GPUs, a GPU's share of the cores."""
    gpus = workflow.global_resources["gpu"].value if "gpu" in workflow.global_resources else 0
    return max(cores(1), (workflow.resource_settings.cores or 1) // gpus) if gpus else cores(1)


def decoders(wildcards, threads):
    """How many processes decode, which is how many cores the machine has for the job (see `cores`)."""
    return max(1, threads // cores(1))


def encoding_mb(wildcards, attempt, threads):
    """The memory of a job, by its backbone, batch and processes."""
    size = size_of(BACKBONES, wildcards.backbone)
    return grows(features_mb(size, config["features"]["batch_size"], decoders(wildcards, threads)))(wildcards, attempt)


def pool_files(wildcards):
    """The files and folders that a job reads."""
    job = pool_job(wildcards)
    return find_reader(job.reader).needs(*job.images)


def reader_code(wildcards):
    """The version of a pool's reader; editing another reader reruns nothing."""
    return code_version(f"pipeline_lib.readers.{module_name(pool_job(wildcards).reader)}")


def expected_options(wildcards):
    """The flags that say how many images a pool must have, and a labelled set classes, where that is known."""
    labelled = config["evaluate"]["zeroshot"]["datasets"].get(wildcards.pool)
    known = {"count": POOLS.get(wildcards.pool, {}).get("count")}
    if labelled and Path(labelled["classes"]).is_file():
        known["classes"] = len(read_classes(labelled["classes"]))
    return flags({name: number for name, number in known.items() if number is not None})


def tower_precision(wildcards):
    """The precision in which a pool is encoded: one for what is trained on, another for what is evaluated."""
    if wildcards.variant == "_fp16":
        return "fp32"  # the weights are in fp16 then, and nothing is cast
    trained_on = wildcards.pool in ("ccneg-train", "distractors", "crepe")
    return config["features"]["training_precision" if trained_on else "precision"]


def variant_option(wildcards):
    """The flag that names the way in which the tower computes, where it is another."""
    return f"--variant {wildcards.variant.removeprefix('_')}" if wildcards.variant else ""
