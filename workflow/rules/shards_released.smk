# shards of the released CC-Neg: the authors' annotations and images, in the place of shards_generated.smk
#   in:  what config `shards.released` names
#   out: <run>/shards/release.parquet           one row per row of the release, with its split
#        <run>/shards/{split}-{part}.tar         WebDataset: KEY.jpg, KEY.json
#        <run>/shards/triplets-{part}.parquet    one row per sample
#        <run>/shards/counts-{part}.json         what became of the part's rows
RELEASE = config["shards"]["released"]


rule release:
    """Read the release's annotations."""
    input:
        annotations=RELEASE["annotations"],
        code=library("shards.release"),
    output:
        "<run>/shards/release.parquet",
    log:
        "<logs>/release.log",
    benchmark:
        "<benchmarks>/release.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    params:
        split=options(RELEASE, "count", "eval_last"),
        commas=options(config["shards"], "negated_commas"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.shards.release read \
            --annotations {input.annotations:q} \
            --output {output:q} \
            {params.split} {params.commas}
        """


rule shards_released:
    """Join rows and images of one part of the release into a shard per split."""
    input:
        release="<run>/shards/release.parquet",
        images=released_images,
        code=library("shards.release"),
    output:
        train="<run>/shards/train-{part}.tar",
        eval="<run>/shards/eval-{part}.tar",
        triplets="<run>/shards/triplets-{part}.parquet",
        counts="<run>/shards/counts-{part}.json",
    log:
        "<logs>/shards_released/{part}.log",
    benchmark:
        "<benchmarks>/shards_released/{part}.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(1000),
        runtime=grows(60),
    params:
        parts=lookup("fetch/parts", within=config),
        missing=options(RELEASE, "most_missing"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.shards.release build \
            --release {input.release:q} \
            --images {input.images:q} \
            --part {wildcards.part} \
            --parts {params.parts} \
            --train {output.train:q} \
            --eval {output.eval:q} \
            --triplets {output.triplets:q} \
            --counts {output.counts:q} \
            {params.missing}
        """
