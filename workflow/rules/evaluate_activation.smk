# evaluate: the same weights under the other activation; it has to be asked for
#   in:  the model's weights and run.json, image features by its backbone's tower as it is and with the other activation
#   out: <run>/activation.tsv  CC-Neg and `mcq` benchmarks under both activations, of all models
include: "functions/evaluate_activation.smk"


rule evaluate_activation:
    """Score a model with the activation that it does not declare."""
    input:
        weights=model_file("model.pt"),
        record=model_file("run.json"),
        triplets="<run>/shards/eval.parquet",
        annotations=[BENCHMARKS[name]["annotations"] for name in MCQ],
        features=activation_features(""),
        other=activation_features("_other-activation"),
    output:
        "<run>/evaluate/{model}/activation.tsv",
    log:
        "<logs>/evaluate_activation/{model}.log",
    benchmark:
        "<benchmarks>/evaluate_activation/{model}.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(8000),
        runtime=grows(60),
        gpu=1,
    params:
        code=code_version("pipeline_lib.evaluate.activation"),
        features=activation_pools("features", ""),
        other=activation_pools("other", "_other-activation"),
        mcq=activation_benchmarks,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.evaluate.activation \
            --weights {input.weights:q} \
            --record {input.record:q} \
            --triplets {input.triplets:q} \
            {params.features} \
            {params.other} \
            {params.mcq} \
            --threads 1 \
            --output {output:q}
        """


rule evaluate_activations:
    """Put the activations of all models in one table; it has to be asked for."""
    input:
        activation_tables,
    output:
        "<run>/activation.tsv",
    log:
        "<logs>/evaluate_activations.log",
    benchmark:
        "<benchmarks>/evaluate_activations.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=100,
        runtime=5,
    shell:
        r"""
        exec &> >(tee {log:q})
        awk 'NR == 1 || FNR > 1' {input:q} >{output:q}
        """
