# paper: metrics and scores -> what a reader sees
#   in:  <run>/evaluate/{model}/{benchmark}.{json,parquet}, <run>/finetune/{model}/{history.jsonl,run.json},
#        <run>/shards/{train,eval}.parquet, eval-00000.tar, index.json; <run>/fetch/summary.json and
#        <run>/captions/{part}.parquet where CC-Neg was made here
#   out: <run>/tables.parquet, <run>/tables/, <run>/figures/, <run>/report.html
from pipeline_lib.paper.outputs import FIGURE_FILES, FIGURE_FORMATS, FIGURES, TABLE_FORMATS, TABLE_ITEMS


include: "functions/paper.smk"


rule paper_tables:
    """Build the table of all results, and one table per table of the paper."""
    input:
        metrics=METRICS,
        scores=SCORES,
        published=config["paper"]["published"],
    output:
        parquet="<run>/tables.parquet",
        tables=reported("tables", TABLE_ITEMS, TABLE_FORMATS),
        captions=expand("<run>/tables/{name}.rst", name=TABLE_ITEMS),
    log:
        "<logs>/paper_tables.log",
    benchmark:
        "<benchmarks>/paper_tables.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(30),
    params:
        code=code_version("pipeline_lib.paper.tables"),
        run=lookup("run", within=config),
        ccneg=branch(lookup("shards/released", within=config), then="released", otherwise="generated"),
        precision=lookup("evaluate/precision", within=config),
        kinds=[f"{name}={entry['kind']}" for name, entry in BENCHMARKS.items()],
        folder=subpath(output.parquet, parent=True),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.paper.tables \
            --run {params.run} \
            --ccneg {params.ccneg} \
            --kinds {params.kinds} \
            --precision {params.precision} \
            --published {input.published:q} \
            --metrics {input.metrics:q} \
            --output {output.parquet:q} \
            --folder {params.folder:q}/tables
        """


rule paper_figures:
    """Draw the paper's figures."""
    input:
        tables="<run>/tables.parquet",
        scores=CCNEG_SCORES,
        images=f"<run>/shards/eval-{PARTS[0]}.tar",
        train="<run>/shards/train.parquet",
        eval="<run>/shards/eval.parquet",
        index="<run>/shards/index.json",
        captions=where_fetched(*expand("<run>/captions/{part}.parquet", part=PARTS)),
        histories=expand("<run>/finetune/{model}/history.jsonl", model=MODELS),
        fetch=where_fetched("<run>/fetch/summary.json"),
    output:
        figures=reported("figures", FIGURES, FIGURE_FORMATS),
        captions=expand("<run>/figures/{name}.rst", name=FIGURES),
    log:
        "<logs>/paper_figures.log",
    benchmark:
        "<benchmarks>/paper_figures.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_version("pipeline_lib.paper.figures"),
        folder=subpath(input.tables, parent=True),
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
            --folder {params.folder:q}/figures
        """


rule paper_report:
    """Put tables, figures, examples, data, times and provenance on one page."""
    input:
        tables="<run>/tables.parquet",
        figures=expand("<run>/figures/{name}", name=FIGURE_FILES),
        fetch=where_fetched("<run>/fetch/summary.json"),
        index="<run>/shards/index.json",
        train="<run>/shards/train.parquet",
        eval="<run>/shards/eval.parquet",
        images=expand("<run>/shards/eval-{part}.tar", part=PARTS),
        captions=where_fetched(*expand("<run>/captions/{part}.parquet", part=PARTS)),
        scores=CCNEG_SCORES,
        runs=[
            *expand("<run>/backbones/{backbone}/run.json", backbone=BACKBONES),
            *expand("<run>/finetune/{model}/run.json", model=MODELS),
            *expand("<run>/evaluate/{model}/run.json", model=OTHERS),
        ],
        weights=[
            *expand("<run>/backbones/{backbone}/model.pt", backbone=BACKBONES),
            *expand("<run>/finetune/{model}/model.pt", model=MODELS),
        ],
    output:
        report(
            "<run>/report.html",
            category="Report",
            caption="../report/page.rst",
            labels={"page": "everything", "format": "HTML"},
        ),
    log:
        "<logs>/paper_report.log",
    benchmark:
        "<benchmarks>/paper_report.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=grows(3000),
        runtime=grows(30),
    params:
        code=code_version("pipeline_lib.paper.report"),
        folder=subpath(input.tables, parent=True),
        config=GIVEN,
        gallery=flags(config["paper"]["gallery"], "seed", "examples"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.paper.report \
            --tables {input.tables:q} \
            --figures {params.folder:q}/figures \
            --fetch {input.fetch:q} \
            --index {input.index:q} \
            --train {input.train:q} \
            --eval {input.eval:q} \
            --images {input.images:q} \
            --captions {input.captions:q} \
            --scores {input.scores:q} \
            --runs {input.runs:q} \
            --weights {input.weights:q} \
            --benchmarks {params.folder:q}/benchmarks \
            --config {params.config:q} \
            {params.gallery} \
            --output {output:q}
        """
