# shards of the released CC-Neg: the authors' annotations and images, in the place of shards_generated.smk
#   in:  what config `shards.released` names
#   out: <run>/shards/release.parquet           one row per row of the release, with its split
#        <run>/shards/{split}-{part}.tar         WebDataset: KEY.jpg, KEY.json
#        <run>/shards/triplets-{part}.parquet    one row per sample
#        <run>/shards/counts-{part}.json         what became of the part's rows
from pipeline_lib.shards import image_folder

RELEASE = config["shards"]["released"]


rule shards_release:
    """Read the release's annotations."""
    input:
        annotations=RELEASE["annotations"],
    output:
        "<run>/shards/release.parquet",
    log:
        "<logs>/shards_release.log",
    benchmark:
        "<benchmarks>/shards_release.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    params:
        code=code_version("pipeline_lib.shards.release"),
        release=flags(RELEASE, "count", "eval_last"),
        commas=lookup("shards/negated_commas", within=config),
        distractors=branch(lookup("distractors/released", within=config), then="released", otherwise="chosen"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.shards.release read \
            --annotations {input.annotations:q} \
            {params.release} \
            --negated-commas {params.commas} \
            --distractors {params.distractors} \
            --output {output:q}
        """


rule shards_build_released:
    """Join rows and images of one part of the release into a shard per split."""
    input:
        release="<run>/shards/release.parquet",
        images=str(image_folder(RELEASE["images"])),  # the folder: its time tells when images are added
    output:
        train="<run>/shards/train-{part}.tar",
        eval="<run>/shards/eval-{part}.tar",
        triplets="<run>/shards/triplets-{part}.parquet",
        counts="<run>/shards/counts-{part}.json",
    log:
        "<logs>/shards_build_released/{part}.log",
    benchmark:
        "<benchmarks>/shards_build_released/{part}.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(1000),
        runtime=grows(60),
    params:
        code=code_version("pipeline_lib.shards.release"),
        parts=lookup("fetch/parts", within=config),
        missing=RELEASE["most_missing"],
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.shards.release build \
            --release {input.release:q} \
            --images {input.images:q} \
            --part {wildcards.part} \
            --parts {params.parts} \
            --most-missing {params.missing} \
            --train {output.train:q} \
            --eval {output.eval:q} \
            --triplets {output.triplets:q} \
            --counts {output.counts:q}
        """
