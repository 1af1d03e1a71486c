# shards of our own CC-Neg: images that were fetched + captions that were negated
#   in:  <run>/fetch/{part}.tar, <run>/captions/{part}.parquet
#   out: <run>/shards/{split}-{part}.tar         WebDataset: KEY.jpg, KEY.json
#        <run>/shards/triplets-{part}.parquet    one row per sample
#        <run>/shards/counts-{part}.json         what became of the part's rows
rule shards_build:
    """Join images and captions of one part into a shard per split."""
    input:
        images="<run>/fetch/{part}.tar",
        captions="<run>/captions/{part}.parquet",
    output:
        train="<run>/shards/train-{part}.tar",
        eval="<run>/shards/eval-{part}.tar",
        triplets="<run>/shards/triplets-{part}.parquet",
        counts="<run>/shards/counts-{part}.json",
    log:
        "<logs>/shards_build/{part}.log",
    benchmark:
        "<benchmarks>/shards_build/{part}.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(1000),
        runtime=grows(60),
    params:
        code=code_version("pipeline_lib.shards.build"),
        shards=flags(config["shards"], "eval_share", "seed", "negated_commas"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.shards.build \
            --images {input.images:q} \
            --captions {input.captions:q} \
            {params.shards} \
            --train {output.train:q} \
            --eval {output.eval:q} \
            --triplets {output.triplets:q} \
            --counts {output.counts:q}
        """
