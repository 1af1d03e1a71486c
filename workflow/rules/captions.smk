# captions: captions file -> a negated caption, an exclusion caption and the negated object per row, or a refusal
#   in:  the file that config `fetch.captions` names
#   out: <run>/captions/{part}.parquet  one row per row of the part
#        <run>/captions/quality.html    counts, and random samples to read
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
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        parts=lookup("fetch/parts", within=config),
        backend=backend_options,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.captions.negate \
            --captions {input.captions:q} \
            --part {wildcards.part} \
            --parts {params.parts} \
            --workers 1 \
            --output {output:q} \
            {params.backend}
        """


rule captions_quality:
    """Show what was negated, what was refused and why, with samples to read."""
    input:
        captions=expand("<run>/captions/{part}.parquet", part=PARTS),
        code=library("captions.quality"),
    output:
        report(
            "<run>/captions/quality.html",
            category="Captions",
            caption="../report/captions.rst",
            labels={"page": "quality of the negated captions", "format": "HTML"},
        ),
    log:
        "<logs>/captions_quality.log",
    benchmark:
        "<benchmarks>/captions_quality.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        options=options(config["captions"], "seed"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.captions.quality \
            --captions {input.captions:q} \
            --output {output:q} \
            {params.options}
        """
