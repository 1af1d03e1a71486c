# captions: captions file -> a negated caption, an exclusion caption and the negated object per row, or a refusal
#   in:  the file that config `fetch.captions` names
#   out: <run>/captions/{part}.parquet  one row per row of the part
rule negate:
    """Negate the captions of one part."""
    input:
        captions=config["fetch"]["captions"],
        code=library("captions.negate"),
    output:
        "<run>/captions/{part}.parquet",
    log:
        "<logs>/negate/{part}.log",
    benchmark:
        "<benchmarks>/negate/{part}.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        parts=lookup("fetch/parts", within=config),
        options=options(config["captions"], "spacy_model", "seed"),
        word_weights=word_weights,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.captions.negate \
            --captions {input.captions:q} \
            --part {wildcards.part} \
            --parts {params.parts} \
            --word-weights {params.word_weights:q} \
            --workers 1 \
            --output {output:q} \
            {params.options}
        """
