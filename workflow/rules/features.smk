# features: the image features of a pool, once per backbone, a job per part
#   in:  <run>/backbones/{backbone}/model.pt, the pool's files as its reader finds them
#   out: <run>/features/{backbone}{variant}/{pool}/{part}.safetensors
#        with pool one of ccneg-train, ccneg-eval (their parts are the shards') and config `features.pools`, and variant
#        empty, or where the tower computes in another way: _fp16, _other-activation (pipeline_lib/clip/variants.py)
include: "functions/features.smk"


rule features:
    """Encode the images of a part of a pool with a backbone's image tower."""
    input:
        weights="<run>/backbones/{backbone}/model.pt",
        images=pool_files,
    output:
        "<run>/features/{backbone}{variant}/{pool}/{part}.safetensors",
    log:
        "<logs>/features/{backbone}{variant}/{pool}/{part}.log",
    benchmark:
        "<benchmarks>/features/{backbone}{variant}/{pool}/{part}.tsv"
    conda:
        "../../environment.yml"
    threads: beside_a_gpu()
    resources:
        mem_mb=encoding_mb,
        runtime=grows(240),
        gpu=1,
        decoders=decoders,
        expected=expected_options,  # not under `params:`: to check what was encoded already would encode it again
    params:
        code=code_version("pipeline_lib.features.encode"),
        reader=reader_code,
        job=pool_job,
        precision=tower_precision,
        variant=variant_option,
        batch_size=lookup("features/batch_size", within=config),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.features.encode \
            --weights {input.weights:q} \
            --reader {params.job.reader} \
            --images {params.job.images:q} \
            --part {params.job.part} \
            --parts {params.job.parts} \
            {resources.expected} \
            --batch-size {params.batch_size} \
            --precision {params.precision} \
            {params.variant} \
            --threads {resources.decoders} \
            --output {output:q}
        """
