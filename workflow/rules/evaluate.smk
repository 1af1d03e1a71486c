# evaluate: scores per item and metrics, per model and benchmark; a model is a backbone or a fine-tuned one
#   in:  the model's weights and run.json, features of the benchmark's images by the model's backbone
#   out: <run>/evaluate/{model}/{benchmark}.parquet  one row per item
#        <run>/evaluate/{model}/{benchmark}.json     metrics
#        with benchmark one of ccneg, zeroshot, sugarcrepe
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
    conda:
        "../../environment.yml"
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
    """Classify every labelled set under every prompt."""
    input:
        weights=model_file("model.pt"),
        record=model_file("run.json"),
        classes=list(DATASETS.values()),
        templates=list(TEMPLATES.values()),
        features=features_of(*DATASETS),
        code=library("evaluate.zeroshot"),
    output:
        scores="<run>/evaluate/{model}/zeroshot.parquet",
        metrics="<run>/evaluate/{model}/zeroshot.json",
    log:
        "<logs>/evaluate_zeroshot/{model}.log",
    benchmark:
        "<benchmarks>/evaluate_zeroshot/{model}.tsv"
    conda:
        "../../environment.yml"
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
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        folder=input_folder("annotations"),
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
