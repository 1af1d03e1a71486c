# fetch: captions file -> the images that its URLs still give
#   in:  the file that config `fetch.captions` names
#   out: <run>/fetch/{part}.tar      KEY.jpg, KEY.json
#        <run>/fetch/{part}.parquet  one row per URL: what became of it
# The miniature serves its images on loopback while the same command runs.
MINIATURE_WEB = (
    {
        "web": "<run>/miniature/web.tar",
        "answers": "<run>/miniature/answers.parquet",
        "server": library("miniature.serve"),
    }
    if config["miniature"] is not None
    else {}
)


rule fetch:
    """Fetch the images of one part of the captions file."""
    input:
        **MINIATURE_WEB,
        captions=config["fetch"]["captions"],
        code=library("fetch.fetch"),
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
        mem_mb=1000,
        runtime=1440,
    params:
        serving=serving,
        options=options(
            config["fetch"],
            "parts",
            "image_size",
            "user_agent",
            "timeout_s",
            "max_bytes",
            "max_pixels",
            "max_redirects",
            "attempts",
            "backoff_s",
            "connections",
            "connections_per_host",
        ),
    shell:
        r"""
        exec &> >(tee {log:q})
        {params.serving} python -m pipeline_lib.fetch.fetch \
            --captions {input.captions:q} \
            --part {wildcards.part} \
            --images {output.images:q} \
            --outcomes {output.outcomes:q} \
            --threads 1 \
            {params.options}
        """
