# show: the results of the active run, where they are easy to find
#   in:  <run>/tables.parquet, <run>/tables/, <run>/figures/, <run>/report.html
#   out: the same in results/, and results/active-run.txt, the name of the run
# These are copies: the run that is asked for becomes the active one, and the others keep theirs.
from pipeline_lib.paper.outputs import FIGURE_FILES, TABLE_FILES


rule show_tables:
    """Copy the tables of this run to results/."""
    input:
        parquet="<run>/tables.parquet",
        tables=expand("<run>/tables/{name}", name=TABLE_FILES),
    output:
        parquet="results/tables.parquet",
        active="results/active-run.txt",
        tables=expand("results/tables/{name}", name=TABLE_FILES),
    log:
        "<logs>/show_tables.log",
    benchmark:
        "<benchmarks>/show_tables.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        run=lookup("run", within=config),
    shell:
        r"""
        exec &> >(tee {log:q})
        cp {input.parquet:q} {output.parquet:q}
        cp {input.tables:q} results/tables
        echo {params.run} >{output.active:q}
        """


rule show_figures:
    """Copy the figures of this run to results/."""
    input:
        active="results/active-run.txt",
        figures=expand("<run>/figures/{name}", name=FIGURE_FILES),
    output:
        expand("results/figures/{name}", name=FIGURE_FILES),
    log:
        "<logs>/show_figures.log",
    benchmark:
        "<benchmarks>/show_figures.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        r"""
        exec &> >(tee {log:q})
        cp {input.figures:q} results/figures
        """


rule show_report:
    """Copy the report of this run to results/."""
    input:
        active="results/active-run.txt",
        page="<run>/report.html",
    output:
        "results/report.html",
    log:
        "<logs>/show_report.log",
    benchmark:
        "<benchmarks>/show_report.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        r"""
        exec &> >(tee {log:q})
        cp {input.page:q} {output:q}
        """
