# features: the image features of a pool, once per backbone
#   in:  <run>/backbones/{backbone}/model.pt, the pool's tars
#   out: <run>/features/{backbone}/{pool}.safetensors
def pool_tars(wildcards):
    """The tars of a pool: CC-Neg's shards of a split, or the file that config `features.pools` names."""
    if wildcards.pool in POOLS:
        return [POOLS[wildcards.pool]]
    return expand("<run>/shards/{split}-{part}.tar", split=wildcards.pool.removeprefix("ccneg-"), part=PARTS)


rule features:
    """Encode a pool's images with a backbone's image tower."""
    input:
        weights="<run>/backbones/{backbone}/model.pt",
        images=pool_tars,
        code=library("features.encode"),
    output:
        "<run>/features/{backbone}/{pool}.safetensors",
    log:
        "<logs>/features/{backbone}/{pool}.log",
    benchmark:
        "<benchmarks>/features/{backbone}/{pool}.tsv"
    threads: cores(1)
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        options=options(config["features"], "batch_size"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.features.encode \
            --weights {input.weights:q} \
            --images {input.images:q} \
            --threads 1 \
            --output {output:q} \
            {params.options}
        """
