# preflight: what is here, what is missing or wrong, what the run costs and which targets can run now; prints it
#   in:  the configuration, config/datasets.tsv, and whatever lies at the paths that the configuration names
#   out: printed, and where data are missing <run>/preflight/override.yaml and experiments.tsv, which leave them out
# It has no outputs and no benchmark, which would count as one, so that it reports at every call.

# What the commands that it advises need besides the configuration files.
OPTIONS = []
if (snakefile := os.path.relpath(workflow.main_snakefile)) not in ("Snakefile", "workflow/Snakefile"):
    OPTIONS += ["--snakefile", snakefile]
if words := workflow.config_settings.config_args:
    OPTIONS += ["--config", *words]


rule preflight:
    """Report which data are here and what can run."""
    input:
        datasets=SOURCE / "config" / "datasets.tsv",
    log:
        "<logs>/preflight.log",
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        config=GIVEN,
        configfiles=[os.path.relpath(path) for path in workflow.overwrite_configfiles],
        options=shlex.join(OPTIONS),
        folder=f"{RUN}/preflight",
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.preflight.check \
            --config /dev/stdin \
            --configfiles {params.configfiles:q} \
            --options={params.options:q} \
            --datasets {input.datasets:q} \
            --folder {params.folder:q} ${{PREFLIGHT_FLAGS:-}} <<<{params.config:q}
        """
