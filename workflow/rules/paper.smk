# paper: metrics and scores -> what a reader sees
#   in:  <run>/evaluate/{model}/{benchmark}.{json,parquet}, <run>/finetune/{model}/{history.jsonl,run.json},
#        <run>/shards/{train,eval}.parquet, eval-00000.tar, index.json; <run>/fetch/summary.json and
#        <run>/captions/{part}.parquet where CC-Neg was made here
#   out: results/tables.parquet, results/active-run.txt (whose tables they are), results/tables/, results/figures/,
#        results/report.html
# These are the active configuration's: the same command shows the miniature's or the paper run's.
from pipeline_lib.paper.outputs import FIGURE_FILES, FIGURE_FORMATS, FIGURES, TABLE_FILES, TABLE_FORMATS, TABLE_ITEMS


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
        tables=reported("tables", TABLE_ITEMS, TABLE_FORMATS),
        captions=expand("results/tables/{name}.rst", name=TABLE_ITEMS),
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
        kinds=[f"{name}={entry['kind']}" for name, entry in BENCHMARKS.items()],
        folder=folder_of,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.paper.tables \
            --run {params.run} \
            --ccneg {params.ccneg} \
            --kinds {params.kinds} \
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
        scores=ccneg_scores,
        images=f"<run>/shards/eval-{PARTS[0]}.tar",
        train="<run>/shards/train.parquet",
        eval="<run>/shards/eval.parquet",
        index="<run>/shards/index.json",
        captions=made_by_fetching(*expand("<run>/captions/{part}.parquet", part=PARTS)),
        histories=expand("<run>/finetune/{model}/history.jsonl", model=MODELS),
        fetch=made_by_fetching("<run>/fetch/summary.json"),
        code=library("paper.figures"),
    output:
        figures=reported("figures", FIGURES, FIGURE_FORMATS),
        captions=expand("results/figures/{name}.rst", name=FIGURES),
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
            --scores {input.scores:q} \
            --images {input.images:q} \
            --train {input.train:q} \
            --eval {input.eval:q} \
            --index {input.index:q} \
            --captions {input.captions:q} \
            --histories {input.histories:q} \
            --fetch {input.fetch:q} \
            --folder {params.folder:q}
        """


rule report_page:
    """Put tables, figures, examples, data, times and provenance on one page."""
    input:
        parquet="results/tables.parquet",
        tables=expand("results/tables/{name}", name=TABLE_FILES),
        figures=expand("results/figures/{name}", name=FIGURE_FILES),
        fetch=made_by_fetching("<run>/fetch/summary.json"),
        index="<run>/shards/index.json",
        train="<run>/shards/train.parquet",
        eval="<run>/shards/eval.parquet",
        images=expand("<run>/shards/eval-{part}.tar", part=PARTS),
        captions=made_by_fetching(*expand("<run>/captions/{part}.parquet", part=PARTS)),
        scores=ccneg_scores,
        runs=[
            *expand("<run>/backbones/{backbone}/run.json", backbone=BACKBONES),
            *expand("<run>/finetune/{model}/run.json", model=MODELS),
            *expand("<run>/evaluate/{model}/run.json", model=OTHERS),
        ],
        weights=[
            *expand("<run>/backbones/{backbone}/model.pt", backbone=BACKBONES),
            *expand("<run>/finetune/{model}/model.pt", model=MODELS),
        ],
        code=library("paper.report"),
    output:
        report(
            "results/report.html",
            category="Report",
            caption="../report/page.rst",
            labels={"page": "everything", "format": "HTML"},
        ),
    log:
        "<logs>/report_page.log",
    benchmark:
        "<benchmarks>/report_page.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=grows(3000),
        runtime=grows(30),
    params:
        tables=input_folder("tables"),
        figures=input_folder("figures"),
        benchmarks=in_run("<run>/benchmarks"),
        config=json.dumps(config),
        gallery=options(config["paper"]["gallery"], "seed", "examples"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.paper.report \
            --tables {input.parquet:q} \
            --folder {params.tables:q} \
            --figures {params.figures:q} \
            --fetch {input.fetch:q} \
            --index {input.index:q} \
            --train {input.train:q} \
            --eval {input.eval:q} \
            --images {input.images:q} \
            --captions {input.captions:q} \
            --scores {input.scores:q} \
            --runs {input.runs:q} \
            --weights {input.weights:q} \
            --benchmarks {params.benchmarks:q} \
            --config {params.config:q} \
            {params.gallery} \
            --output {output:q}
        """
