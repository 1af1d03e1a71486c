# features: the image features of a pool, once per backbone
#   in:  <run>/backbones/{backbone}/model.pt, the pool's tars
#   out: <run>/features/{backbone}/{pool}.safetensors
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
    conda:
        "../../environment.yml"
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
