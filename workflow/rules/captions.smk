# captions: captions file -> a negated caption, an exclusion caption and the negated object per row, or a refusal
#   in:  the file that config `fetch.captions` names
#   out: <run>/captions/{part}.parquet  one row per row of the part
#        <run>/captions/quality.html    counts, and random samples to read
SECTION = config["captions"]
WEIGHTS = {"word_weights": ",".join(f"{word}={weight}" for word, weight in SECTION["word_weights"].items())}


rule captions_negate:
    """Negate the captions of one part."""
    input:
        captions=config["fetch"]["captions"],
    output:
        "<run>/captions/{part}.parquet",
    log:
        "<logs>/captions_negate/{part}.log",
    benchmark:
        "<benchmarks>/captions_negate/{part}.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        code=code_version("pipeline_lib.captions.negate"),
        parts=lookup("fetch/parts", within=config),
        captions=flags(SECTION, "backend", "spacy_model", "seed", "min_quality"),
        # Options of the other backend rerun nothing.
        backend=flags(SECTION["chat"] if SECTION["backend"] == "chat" else WEIGHTS),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.captions.negate \
            --captions {input.captions:q} \
            --part {wildcards.part} \
            --parts {params.parts} \
            --workers 1 \
            {params.captions} \
            {params.backend} \
            --output {output:q}
        """


rule captions_quality:
    """Show what was negated, what was refused and why, with samples to read."""
    input:
        captions=expand("<run>/captions/{part}.parquet", part=PARTS),
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
        code=code_version("pipeline_lib.captions.quality"),
        seed=lookup("captions/seed", within=config),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.captions.quality \
            --captions {input.captions:q} \
            --seed {params.seed} \
            --output {output:q}
        """
