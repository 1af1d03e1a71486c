# shards: images + negated captions -> CC-Neg
#   in:  <run>/fetch/{part}.tar, <run>/captions/{part}.parquet
#   out: <run>/shards/{split}-{part}.tar  WebDataset: KEY.jpg, KEY.json
#        <run>/shards/{split}.parquet     the split's triplets without the images, which is what training reads
#        <run>/shards/index.json          counts, sizes and checksums
#        <run>/shards/crepe.parquet       the CREPE-Negate-like triplets of the ablation
rule shards:
    """Join images and captions of one part into a shard per split."""
    input:
        images="<run>/fetch/{part}.tar",
        captions="<run>/captions/{part}.parquet",
        code=library("shards.build"),
    output:
        train="<run>/shards/train-{part}.tar",
        eval="<run>/shards/eval-{part}.tar",
        triplets="<run>/shards/triplets-{part}.parquet",
        counts="<run>/shards/counts-{part}.json",
    log:
        "<logs>/shards/{part}.log",
    benchmark:
        "<benchmarks>/shards/{part}.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        options=options(config["shards"], "eval_share", "seed", "negated_commas"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.shards.build \
            --images {input.images:q} \
            --captions {input.captions:q} \
            --train {output.train:q} \
            --eval {output.eval:q} \
            --triplets {output.triplets:q} \
            --counts {output.counts:q} \
            {params.options}
        """


rule shards_index:
    """Gather the parts of CC-Neg."""
    input:
        triplets=expand("<run>/shards/triplets-{part}.parquet", part=PARTS),
        counts=expand("<run>/shards/counts-{part}.json", part=PARTS),
        shards=expand("<run>/shards/{split}-{part}.tar", split=["train", "eval"], part=PARTS),
        code=library("shards.index"),
    output:
        train="<run>/shards/train.parquet",
        eval="<run>/shards/eval.parquet",
        index="<run>/shards/index.json",
    log:
        "<logs>/shards_index.log",
    benchmark:
        "<benchmarks>/shards_index.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=1000,
        runtime=30,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.shards.index \
            --triplets {input.triplets:q} \
            --counts {input.counts:q} \
            --shards {input.shards:q} \
            --train {output.train:q} \
            --eval {output.eval:q} \
            --index {output.index:q}
        """


rule crepe_triplets:
    """Read the CREPE-Negate-like captions as triplets."""
    input:
        captions=config["finetune"]["crepe_captions"],
        code=library("shards.crepe"),
    output:
        "<run>/shards/crepe.parquet",
    log:
        "<logs>/crepe_triplets.log",
    benchmark:
        "<benchmarks>/crepe_triplets.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.shards.crepe \
            --captions {input.captions:q} \
            --output {output:q}
        """
