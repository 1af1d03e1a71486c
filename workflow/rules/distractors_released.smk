# distractors as the authors released them: their mapping from samples to COCO images
#   in:  <run>/shards/train.parquet, what config `distractors.released` names
#   out: <run>/distractors/train.parquet
MAPPING = config["distractors"]["released"]


rule distractors_released:
    """Look up the released distractor of each training sample."""
    input:
        triplets="<run>/shards/train.parquet",
        mapping=MAPPING["mapping"],
        captions=MAPPING["captions"],
    output:
        "<run>/distractors/train.parquet",
    log:
        "<logs>/distractors_released.log",
    benchmark:
        "<benchmarks>/distractors_released.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(3000),
        runtime=grows(30),
    params:
        code=code_version("pipeline_lib.distractors.released"),
        release=flags(config["shards"]["released"], "count", "eval_last"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.distractors.released \
            --mapping {input.mapping:q} \
            --captions {input.captions:q} \
            --triplets {input.triplets:q} \
            {params.release} \
            --output {output:q}
        """
