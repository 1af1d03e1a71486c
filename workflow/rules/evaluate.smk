# evaluate: scores per item and metrics, per model and benchmark; a model is a backbone or a fine-tuned one
#   in:  the model's weights and run.json, features of the benchmark's images by the model's backbone
#   out: <run>/evaluate/{model}/{benchmark}.parquet  one row per item
#        <run>/evaluate/{model}/{benchmark}.json     metrics
#        with benchmark one of ccneg, zeroshot, sugarcrepe
def backbone_of(wildcards):
    """The backbone whose image tower a model has."""
    return wildcards.model if wildcards.model in BACKBONES else MODELS[wildcards.model]["backbone"]


def model_file(name):
    """A function that finds a file beside a model's weights."""

    def path(wildcards):
        stage = "backbones" if wildcards.model in BACKBONES else "finetune"
        return f"<run>/{stage}/{wildcards.model}/{name}"

    return path


def features_of(*pools):
    """A function that finds the features of pools by a model's backbone."""

    def paths(wildcards):
        return [f"<run>/features/{backbone_of(wildcards)}/{pool}.safetensors" for pool in pools]

    return paths


def datasets(wildcards, input):
    """`--dataset NAME CLASSES FEATURES` for each labelled set."""
    return " ".join(
        f"--dataset {name} {classes} {features}"
        for name, classes, features in zip(DATASETS, input.classes, input.features)
    )


def annotations_folder(wildcards, input):
    """The folder of SugarCREPE's files."""
    return Path(input.annotations[0]).parent


def prompts(wildcards):
    """`--prompt NAME TEMPLATE ...` for each prompt."""
    return " ".join(
        f"--prompt {name} {' '.join(shlex.quote(template) for template in templates)}"
        for name, templates in config["evaluate"]["zeroshot"]["prompts"].items()
    )


rule evaluate_ccneg:
    """Score CC-Neg: true against negated caption."""
    input:
        weights=model_file("model.pt"),
        record=model_file("run.json"),
        triplets="<run>/shards/eval.parquet",
        features=features_of("ccneg-eval"),
        code=library("evaluate.ccneg"),
    output:
        scores="<run>/evaluate/{model}/ccneg.parquet",
        metrics="<run>/evaluate/{model}/ccneg.json",
    log:
        "<logs>/evaluate_ccneg/{model}.log",
    benchmark:
        "<benchmarks>/evaluate_ccneg/{model}.tsv"
    threads: cores(1)
    resources:
        mem_mb=3000,
        runtime=60,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.evaluate.ccneg \
            --weights {input.weights:q} \
            --record {input.record:q} \
            --triplets {input.triplets:q} \
            --features {input.features:q} \
            --threads 1 \
            --scores {output.scores:q} \
            --metrics {output.metrics:q}
        """


rule evaluate_zeroshot:
    """Classify every labelled set, with plain and negated prompts."""
    input:
        weights=model_file("model.pt"),
        record=model_file("run.json"),
        classes=list(DATASETS.values()),
        features=features_of(*DATASETS),
        code=library("evaluate.zeroshot"),
    output:
        scores="<run>/evaluate/{model}/zeroshot.parquet",
        metrics="<run>/evaluate/{model}/zeroshot.json",
    log:
        "<logs>/evaluate_zeroshot/{model}.log",
    benchmark:
        "<benchmarks>/evaluate_zeroshot/{model}.tsv"
    threads: cores(1)
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        datasets=datasets,
        prompts=prompts,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.evaluate.zeroshot \
            --weights {input.weights:q} \
            --record {input.record:q} \
            {params.datasets} \
            {params.prompts} \
            --threads 1 \
            --scores {output.scores:q} \
            --metrics {output.metrics:q}
        """


rule evaluate_sugarcrepe:
    """Score SugarCREPE: caption against hard negative."""
    input:
        weights=model_file("model.pt"),
        record=model_file("run.json"),
        annotations=expand(
            "{folder}/{part}.json",
            folder=config["evaluate"]["sugarcrepe"],
            part=SUGARCREPE,
        ),
        features=features_of("sugarcrepe"),
        code=library("evaluate.sugarcrepe"),
    output:
        scores="<run>/evaluate/{model}/sugarcrepe.parquet",
        metrics="<run>/evaluate/{model}/sugarcrepe.json",
    log:
        "<logs>/evaluate_sugarcrepe/{model}.log",
    benchmark:
        "<benchmarks>/evaluate_sugarcrepe/{model}.tsv"
    threads: cores(1)
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        folder=annotations_folder,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.evaluate.sugarcrepe \
            --weights {input.weights:q} \
            --record {input.record:q} \
            --annotations {params.folder:q} \
            --features {input.features:q} \
            --threads 1 \
            --scores {output.scores:q} \
            --metrics {output.metrics:q}
        """
