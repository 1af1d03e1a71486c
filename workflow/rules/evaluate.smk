# evaluate: scores per item and metrics, per model and benchmark; a model is a backbone, a fine-tuned one, or one of these
#           with captions scored by subtraction (config evaluate.subtract)
#   in:  the model's weights and run.json, features of the benchmark's images by the model's backbone
#   out: <run>/evaluate/{model}/{benchmark}.parquet  one row per item
#        <run>/evaluate/{model}/{benchmark}.json     metrics
#        with benchmark ccneg, zeroshot or a name of config evaluate.benchmarks; a model that sees no image has ccneg and
#        the benchmarks whose items offer captions of one image
#        <run>/evaluate/{model}/embeddings.json      how far apart a CLIP's embeddings of CC-Neg's texts lie
include: "functions/evaluate.smk"


rule evaluate_ccneg:
    """Score CC-Neg: true against negated caption."""
    input:
        weights=model_file("model.pt"),
        record=model_file("run.json"),
        triplets="<run>/shards/eval.parquet",
        features=lambda wildcards: features_in(wildcards.model, "ccneg-eval", "ccneg"),
    output:
        scores="<run>/evaluate/{model}/ccneg.parquet",
        metrics="<run>/evaluate/{model}/ccneg.json",
        embeddings="<run>/evaluate/{model}/embeddings.json",
    log:
        "<logs>/evaluate_ccneg/{model}.log",
    benchmark:
        "<benchmarks>/evaluate_ccneg/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(8000),
        runtime=grows(60),
        gpu=1,
    params:
        code=code_version("pipeline_lib.evaluate.ccneg"),
        precision=lambda wildcards: precision_of(wildcards.model, "ccneg"),
        scoring=scoring,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.evaluate.ccneg \
            --weights {input.weights:q} \
            --record {input.record:q} \
            {params.scoring} \
            --triplets {input.triplets:q} \
            --features {input.features:q} \
            --precision {params.precision} \
            --threads 1 \
            --scores {output.scores:q} \
            --metrics {output.metrics:q} \
            --embeddings {output.embeddings:q}
        """


rule evaluate_ccneg_transformers:
    """Score CC-Neg with FLAVA or BLIP."""
    input:
        path=lookup("{model}/path", within=OTHERS),
        triplets="<run>/shards/eval.parquet",
        images=expand("<run>/shards/eval-{part}.tar", part=PARTS),
    output:
        scores="<run>/evaluate/{model}/ccneg.parquet",
        metrics="<run>/evaluate/{model}/ccneg.json",
        record="<run>/evaluate/{model}/run.json",
    log:
        "<logs>/evaluate_ccneg_transformers/{model}.log",
    benchmark:
        "<benchmarks>/evaluate_ccneg_transformers/{model}.tsv"
    wildcard_constraints:
        model="|".join(OTHERS) or "(?!)",
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(8000),
        runtime=grows(240),
        gpu=1,
    params:
        code=code_version("pipeline_lib.evaluate.ccneg_transformers"),
        kind=lookup("{model}/kind", within=OTHERS),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.evaluate.ccneg_transformers \
            --model {wildcards.model} \
            --kind {params.kind} \
            --path {input.path:q} \
            --triplets {input.triplets:q} \
            --images {input.images:q} \
            --threads 1 \
            --record {output.record:q} \
            --scores {output.scores:q} \
            --metrics {output.metrics:q}
        """


rule evaluate_zeroshot:
    """Classify every labelled set under every prompt."""
    input:
        weights=model_file("model.pt"),
        record=model_file("run.json"),
        classes=[path for entry in DATASETS.values() for path in class_files(entry)],
        templates=list(TEMPLATES.values()),
        features=zeroshot_features,
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
        mem_mb=grows(8000),
        runtime=grows(120),
        gpu=1,
    params:
        code=code_version("pipeline_lib.evaluate.zeroshot"),
        scoring=scoring,
        datasets=datasets,
        prompts=PROMPTS,
        prompt_classes=PROMPT_CLASSES,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.evaluate.zeroshot \
            --weights {input.weights:q} \
            --record {input.record:q} \
            {params.scoring} \
            {params.datasets} \
            {params.prompts} \
            {params.prompt_classes} \
            --threads 1 \
            --scores {output.scores:q} \
            --metrics {output.metrics:q}
        """


rule evaluate_benchmark:
    """Score a benchmark of config evaluate.benchmarks, by its kind."""
    input:
        weights=model_file("model.pt"),
        record=model_file("run.json"),
        annotations=benchmark_annotations,
        features=benchmark_features,
    output:
        scores="<run>/evaluate/{model}/{benchmark}.parquet",
        metrics="<run>/evaluate/{model}/{benchmark}.json",
    log:
        "<logs>/evaluate_benchmark/{model}/{benchmark}.log",
    benchmark:
        "<benchmarks>/evaluate_benchmark/{model}/{benchmark}.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(8000),
        runtime=grows(60),
        gpu=1,
    params:
        code=code_version("pipeline_lib.evaluate.benchmark"),
        scoring=scoring,
        entry=lookup("{benchmark}", within=BENCHMARKS),
        published=lambda wildcards: count_of(wildcards.benchmark),
        precision=lambda wildcards: precision_of(wildcards.model, BENCHMARKS[wildcards.benchmark]["kind"]),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.evaluate.benchmark \
            --kind {params.entry[kind]} \
            --weights {input.weights:q} \
            --record {input.record:q} \
            {params.scoring} \
            --benchmark {wildcards.benchmark} \
            --annotations {params.entry[annotations]:q} \
            --features {input.features:q} \
            --count {params.published} \
            --precision {params.precision} \
            --threads 1 \
            --scores {output.scores:q} \
            --metrics {output.metrics:q}
        """


rule evaluate_blind:
    """Score CC-Neg by the words of the captions alone."""
    input:
        train="<run>/shards/train.parquet",
        triplets="<run>/shards/eval.parquet",
    output:
        scores="<run>/evaluate/{blind}/ccneg.parquet",
        metrics="<run>/evaluate/{blind}/ccneg.json",
    log:
        "<logs>/evaluate_blind/{blind}.log",
    benchmark:
        "<benchmarks>/evaluate_blind/{blind}.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(3000),
        runtime=grows(30),
    params:
        code=code_version("pipeline_lib.evaluate.blind"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.evaluate.blind \
            --model {wildcards.blind} \
            --train {input.train:q} \
            --triplets {input.triplets:q} \
            --scores {output.scores:q} \
            --metrics {output.metrics:q}
        """


rule evaluate_blind_benchmark:
    """Score a benchmark of config evaluate.benchmarks by the words of its captions alone."""
    input:
        annotations=benchmark_annotations,
    output:
        scores="<run>/evaluate/blind-words/{benchmark}.parquet",
        metrics="<run>/evaluate/blind-words/{benchmark}.json",
    log:
        "<logs>/evaluate_blind_benchmark/{benchmark}.log",
    benchmark:
        "<benchmarks>/evaluate_blind_benchmark/{benchmark}.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(3000),
        runtime=grows(30),
    params:
        code=code_version("pipeline_lib.evaluate.blind_benchmark"),
        entry=lookup("{benchmark}", within=BENCHMARKS),
        published=lambda wildcards: count_of(wildcards.benchmark),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.evaluate.blind_benchmark \
            --kind {params.entry[kind]} \
            --benchmark {wildcards.benchmark} \
            --annotations {params.entry[annotations]:q} \
            --count {params.published} \
            --scores {output.scores:q} \
            --metrics {output.metrics:q}
        """
