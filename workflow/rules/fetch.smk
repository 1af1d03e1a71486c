# fetch: captions file -> the images that its URLs still give
#   in:  the file that config `fetch.captions` names
#   out: <run>/fetch/{part}.tar          KEY.jpg, KEY.json
#        <run>/fetch/{part}.parquet      one row per URL: what became of it
#        <run>/fetch/summary.json        counts by failure and host, duplicates, hash of the captions file
#        <run>/fetch/duplicates.parquet  the rows whose image other rows have too
# <run>/fetch/{part}.journal is what a killed job had fetched: its next run takes it over and deletes it in the end.
# The miniature serves its images on loopback while the same command runs.
#
# Images are fetched again if the captions file changes, or an option that they depend on (`params.images`). Nothing else
# counts: neither the code, since many images cannot be had a second time, nor who asks how patiently (`params.options`).
include: "functions/fetch.smk"


rule fetch:
    """Fetch the images of one part of the captions file."""
    input:
        **WEB,
        captions=config["fetch"]["captions"],
    output:
        images="<run>/fetch/{part}.tar",
        outcomes="<run>/fetch/{part}.parquet",
    log:
        "<logs>/fetch/{part}.log",
    benchmark:
        "<benchmarks>/fetch/{part}.tsv"
    retries: 2
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(2000),
        runtime=1440,  # does not grow: a retry takes over what was fetched
    params:
        images=IMAGES_DEPEND_ON,
        options=options,
        part=part_of_run,
        serving=serving,
        retry="",
    shell:
        r"""
        exec &> >(tee {log:q})
        {params.serving} python -m pipeline_lib.fetch.fetch {params.retry} \
            --captions {input.captions:q} \
            --part {wildcards.part} \
            {params.options} \
            --threads 1 \
            --images {params.part}.tar \
            --outcomes {params.part}.parquet
        """


use rule fetch as fetch_retry with:
    input:
        **WEB,
        captions=config["fetch"]["captions"],
        images="<run>/fetch/{part}.tar",
        outcomes="<run>/fetch/{part}.parquet",
    output:
        touch("<run>/fetch/{part}.retried"),
    log:
        "<logs>/fetch_retry/{part}.log",
    benchmark:
        "<benchmarks>/fetch_retry/{part}.tsv"
    params:
        images=IMAGES_DEPEND_ON,
        options=options,
        part=part_of_run,
        serving=serving,
        retry="--retry-failed",  # what failed temporarily; new outputs take the place of the earlier ones


rule fetch_summary:
    """Count what became of all rows, and find images that several rows share."""
    input:
        captions=config["fetch"]["captions"],
        outcomes=expand("<run>/fetch/{part}.parquet", part=PARTS),
    output:
        summary="<run>/fetch/summary.json",
        duplicates="<run>/fetch/duplicates.parquet",
    log:
        "<logs>/fetch_summary.log",
    benchmark:
        "<benchmarks>/fetch_summary.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(4000),
        runtime=grows(30),
    params:
        code=code_version("pipeline_lib.fetch.summary"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.fetch.summary \
            --captions {input.captions:q} \
            --outcomes {input.outcomes:q} \
            --summary {output.summary:q} \
            --duplicates {output.duplicates:q}
        """
