# paper: metrics and scores -> what a reader sees
#   in:  <run>/evaluate/{model}/{benchmark}.{json,parquet}, <run>/finetune/{model}/{history.jsonl,run.json},
#        <run>/fetch/summary.json where images were fetched
#   out: results/tables.parquet, results/active-run.txt (whose tables they are), results/tables/, results/figures/,
#        results/report.html
# These are the active configuration's: the same command shows the miniature's or the paper run's.
from pipeline_lib.paper.outputs import FIGURE_FILES, TABLE_FILES


rule tables:
    """Build the table of all results, and one table per table of the paper."""
    input:
        metrics=metrics_files,
        scores=score_files,
        published=config["paper"]["published"],
        code=library("paper.tables"),
    output:
        parquet="results/tables.parquet",
        active="results/active-run.txt",
        tables=report(
            expand("results/tables/{name}", name=TABLE_FILES),
            category="Tables",
            caption="../report/tables.rst",
        ),
    log:
        "<logs>/tables.log",
    benchmark:
        "<benchmarks>/tables.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(30),
    params:
        run=lookup("run", within=config),
        ccneg=branch(lookup("shards/released", within=config), then="released", otherwise="generated"),
        folder=folder_of,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.paper.tables \
            --run {params.run} \
            --ccneg {params.ccneg} \
            --published {input.published:q} \
            --metrics {input.metrics:q} \
            --output {output.parquet:q} \
            --folder {params.folder:q}
        echo {params.run} >{output.active:q}
        """


rule figures:
    """Draw the paper's figures."""
    input:
        tables="results/tables.parquet",
        histories=expand("<run>/finetune/{model}/history.jsonl", model=MODELS),
        fetch=made_by_fetching("<run>/fetch/summary.json"),
        code=library("paper.figures"),
    output:
        report(
            expand("results/figures/{name}", name=FIGURE_FILES),
            category="Figures",
            caption="../report/figures.rst",
        ),
    log:
        "<logs>/figures.log",
    benchmark:
        "<benchmarks>/figures.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folder=folder_of,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.paper.figures \
            --tables {input.tables:q} \
            --histories {input.histories:q} \
            --fetch {input.fetch:q} \
            --folder {params.folder:q}
        """


rule report_page:
    """Put tables, figures and provenance on one page."""
    input:
        parquet="results/tables.parquet",
        tables=expand("results/tables/{name}", name=TABLE_FILES),
        figures=expand("results/figures/{name}", name=FIGURE_FILES),
        fetch=made_by_fetching("<run>/fetch/summary.json"),
        runs=[
            *expand("<run>/backbones/{backbone}/run.json", backbone=BACKBONES),
            *expand("<run>/finetune/{model}/run.json", model=MODELS),
            *expand("<run>/evaluate/{model}/run.json", model=OTHERS),
        ],
        code=library("paper.report"),
    output:
        report(
            "results/report.html",
            category="Report",
            caption="../report/page.rst",
        ),
    log:
        "<logs>/report_page.log",
    benchmark:
        "<benchmarks>/report_page.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        tables=input_folder("tables"),
        figures=input_folder("figures"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.paper.report \
            --tables {input.parquet:q} \
            --folder {params.tables:q} \
            --figures {params.figures:q} \
            --fetch {input.fetch:q} \
            --runs {input.runs:q} \
            --output {output:q}
        """
