# shards: the parts of CC-Neg -> one table per split, an index; CREPE-Negate -> triplets
#   in:  <run>/shards/{split}-{part}.tar, triplets-{part}.parquet, counts-{part}.json: by shards_generated.smk, or by
#        shards_released.smk where config `shards.released` names the authors' release
#   out: <run>/shards/{split}.parquet     the split's triplets without the images, which is what training reads
#        <run>/shards/index.json          counts, sizes and checksums
#        <run>/shards/crepe.parquet       the CREPE-Negate triplets of the ablation
from pipeline_lib.formats.crepe import captions_files


rule shards_index:
    """Gather the parts of CC-Neg."""
    input:
        triplets=expand("<run>/shards/triplets-{part}.parquet", part=PARTS),
        counts=expand("<run>/shards/counts-{part}.json", part=PARTS),
        shards=expand("<run>/shards/{split}-{part}.tar", split=["train", "eval"], part=PARTS),
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
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code_version("pipeline_lib.shards.index"),
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


rule shards_crepe:
    """Read the CREPE-Negate captions as triplets."""
    input:
        captions=captions_files(config["finetune"]["crepe_captions"]),
    output:
        "<run>/shards/crepe.parquet",
    log:
        "<logs>/shards_crepe.log",
    benchmark:
        "<benchmarks>/shards_crepe.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_version("pipeline_lib.shards.crepe"),
        folder=input_folder,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.shards.crepe \
            --captions {params.folder:q} \
            --output {output:q}
        """
