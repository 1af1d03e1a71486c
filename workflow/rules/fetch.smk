# fetch: captions file -> the images that its URLs still give
#   in:  the file that config `fetch.captions` names
#   out: <run>/fetch/{part}.tar          KEY.jpg, KEY.json
#        <run>/fetch/{part}.parquet      one row per URL: what became of it
#        <run>/fetch/summary.json        counts by failure and host, duplicates, hash of the captions file
#        <run>/fetch/duplicates.parquet  the rows whose image other rows have too
# <run>/fetch/{part}.journal is what a killed job had fetched: its next run takes it over and deletes it in the end.
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
# Who asks, and how patiently, and how many rows there must be. Not under `params:`, so that a change reruns nothing: no
# image looks different for it, and a part under way goes on with it.
MANNERS = options(
    config["fetch"],
    "rows",
    "user_agent",
    "timeout_s",
    "deadline_s",
    "attempts",
    "backoff_s",
    "connections",
    "connections_per_host",
    "requests_per_second_per_host",
    "max_crawl_delay_s",
    "breaker_failures",
)
for suffix, address in config["fetch"]["connect_to"].items():
    MANNERS += f" --connect-to {shlex.quote(f'{suffix}={address}')}"


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
        mem_mb=grows(2000),
        runtime=1440,  # does not grow: a retry takes over what was fetched
        manners=MANNERS,
    params:
        serving=serving,
        options=decisive_options,
    shell:
        r"""
        exec &> >(tee {log:q})
        {params.serving} python -m pipeline_lib.fetch.fetch \
            --captions {input.captions:q} \
            --part {wildcards.part} \
            --images {output.images:q} \
            --outcomes {output.outcomes:q} \
            --threads 1 \
            {params.options} {resources.manners}
        """


rule fetch_retry:
    """Ask again for what failed transiently in one part, and put new outputs in the place of the earlier ones."""
    input:
        **MINIATURE_WEB,
        captions=config["fetch"]["captions"],
        images="<run>/fetch/{part}.tar",
        outcomes="<run>/fetch/{part}.parquet",
        code=library("fetch.fetch"),
    output:
        touch("<run>/fetch/{part}.retried"),
    log:
        "<logs>/fetch_retry/{part}.log",
    benchmark:
        "<benchmarks>/fetch_retry/{part}.tsv"
    retries: 2
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(2000),
        runtime=1440,  # does not grow: a retry takes over what was fetched
        manners=MANNERS,
    params:
        serving=serving,
        options=decisive_options,
    shell:
        r"""
        exec &> >(tee {log:q})
        {params.serving} python -m pipeline_lib.fetch.fetch \
            --captions {input.captions:q} \
            --part {wildcards.part} \
            --images {input.images:q} \
            --outcomes {input.outcomes:q} \
            --threads 1 \
            --retry-failed \
            {params.options} {resources.manners}
        """


rule fetch_summary:
    """Count what became of all rows, and find images that several rows share."""
    input:
        captions=config["fetch"]["captions"],
        outcomes=expand("<run>/fetch/{part}.parquet", part=PARTS),
        code=library("fetch.summary"),
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
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.fetch.summary \
            --captions {input.captions:q} \
            --outcomes {input.outcomes:q} \
            --summary {output.summary:q} \
            --duplicates {output.duplicates:q}
        """
