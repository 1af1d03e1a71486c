# Table of contents: the stages in the order of the data, then the targets. Start here, then open the rules file of a
# stage; the module that each rule calls stands in its `shell:`.
from snakemake.utils import min_version

min_version("9.12")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"


pathvars:
    run=f"results/{config['run']}",
    logs="<run>/logs",
    benchmarks="<run>/benchmarks",


include: "workflow/rules/miniature.smk"


# CC-Neg is our own, or the authors' where `shards.released` names it: then nothing is fetched and nothing negated.
if config["shards"]["released"] is None:

    include: "workflow/rules/fetch.smk"
    include: "workflow/rules/captions.smk"
    include: "workflow/rules/shards_generated.smk"

else:

    include: "workflow/rules/shards_released.smk"


include: "workflow/rules/shards.smk"
include: "workflow/rules/backbones.smk"
include: "workflow/rules/features.smk"


if config["distractors"]["released"] is None:

    include: "workflow/rules/distractors.smk"

else:

    include: "workflow/rules/distractors_released.smk"


include: "workflow/rules/finetune.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/preflight.smk"


report: "workflow/report/workflow.rst"


rule all:
    """Everything: tables, figures and the report."""
    default_target: True
    input:
        "results/tables.parquet",
        "results/report.html",
        *made_by_fetching("<run>/captions/quality.html"),


# It deletes the marks that parts were asked again, and has no output, so that it can be wanted any number of times.
rule retry_failed:
    """Ask again for the images that could not be had for a reason that may have passed."""
    input:
        expand("<run>/fetch/{part}.retried", part=PARTS),
    log:
        "<logs>/retry_failed.log",
    localrule: True
    conda:
        "environment.yml"
    shell:
        "rm {input:q} 2>{log:q}"
