# preflight: what is here, what is missing or wrong, what the run costs and which targets can run now; prints it
#   in:  the configuration, config/datasets.tsv, and whatever lies at the paths that the configuration names
#   out: printed, and where data are missing <run>/preflight/override.yaml and experiments.tsv, which leave them out
# It has no outputs and no benchmark, which would count as one, so that it reports at every call.
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
        folder=f"{RUN}/preflight",
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.preflight.check \
            --config /dev/stdin \
            --configfiles {params.configfiles:q} \
            --datasets {input.datasets:q} \
            --folder {params.folder:q} ${{PREFLIGHT_FLAGS:-}} <<<{params.config:q}
        """
