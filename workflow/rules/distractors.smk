# distractors: for each training sample the pool image that shows its exclusion caption but not its object
#   in:  <run>/shards/train.parquet, features of the pool `distractors`
#   out: <run>/distractors/train.parquet
ENCODER = config["distractors"]["backbone"]


rule distractors_choose:
    """Choose a distractor image for each training sample."""
    input:
        weights=f"<run>/backbones/{ENCODER}/model.pt",
        triplets="<run>/shards/train.parquet",
        features=feature_files(ENCODER, "distractors"),
    output:
        "<run>/distractors/train.parquet",
    log:
        "<logs>/distractors_choose.log",
    benchmark:
        "<benchmarks>/distractors_choose.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(8000),
        runtime=grows(60),
        gpu=1,
    params:
        code=code_version("pipeline_lib.distractors.choose"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.distractors.choose \
            --weights {input.weights:q} \
            --triplets {input.triplets:q} \
            --features {input.features:q} \
            --threads 1 \
            --output {output:q}
        """
