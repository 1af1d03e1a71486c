# Table of contents: the stages in the order of the data, then the targets. Start here, then open a stage's rules file.
#
# A rule is called STAGE_VERB, as the module pipeline_lib.STAGE.VERB that it runs; its logs and benchmarks lie in folders
# of that name. It is called STAGE alone where stage and verb are the same word, or where the stage has one rule.
# `show_...` copies the results of the active run, `all`, `retry_failed` and `preflight` are what to ask for.
import os
from pathlib import Path

from snakemake.utils import min_version

min_version("9.12")


# Beside this file, and not in the working folder, lie the defaults, the sheets and the library.
SOURCE = Path(os.path.relpath(workflow.current_basedir.get_path_or_uri(secret_free=True)))


configfile: str(SOURCE / "config" / "config.yaml")


include: "workflow/rules/common.smk"


pathvars:
    run=RUN,
    logs="<run>/logs",
    benchmarks="<run>/benchmarks",


if config["container"] is not None:

    container: config["container"]


include: "workflow/rules/data.smk"


# The drawn world; a run on real data names its own files instead.
if config["miniature"] is not None:

    include: "workflow/rules/miniature.smk"


# CC-Neg is made here, or it is the authors' where `shards.released` names it: then nothing is fetched or negated.
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
include: "workflow/rules/evaluate_activation.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/show.smk"
include: "workflow/rules/preflight.smk"


report: "workflow/report/workflow.rst"


rule all:
    """Everything: tables, figures and the report."""
    default_target: True
    input:
        "results/tables.parquet",
        "results/figures/intro.svg",
        "results/report.html",
        *where_fetched("<run>/captions/quality.html"),


# It deletes the marks of parts that were asked again, and has no output, so it can be asked for any number of times.
rule retry_failed:
    """Download again what failed temporarily."""
    input:
        expand("<run>/fetch/{part}.retried", part=PARTS),
    log:
        "<logs>/retry_failed.log",
    localrule: True
    conda:
        "environment.yml"
    shell:
        "rm {input:q} 2>{log:q}"
