# data: files that the configuration names by an address -> copies on this machine
#   in:  s3://BUCKET/KEY or https://HOST/PATH, by Snakemake's storage plugins
#   out: data/remote/{remote_file}, the address with its :// as /
#
# A copy is made once: then nothing asks for the address any more, so that runs go on where it cannot be reached. Remove
# the copy to get the file again.
include: "functions/data.smk"


rule data_copy:
    """Copy a file from where it is stored; a link in the same file system, which takes no time and no room."""
    input:
        stored,
    output:
        "data/remote/{remote_file}",
    log:
        "<logs>/data_copy/{remote_file}.log",
    benchmark:
        "<benchmarks>/data_copy/{remote_file}.tsv"
    wildcard_constraints:
        remote_file="|".join(map(re.escape, COPIES)) or "(?!)",
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        mem_mb=100,
        runtime=1440,
    shell:
        r"""
        exec &> >(tee {log:q})
        test -f {input:q} || {{ echo "{wildcards.remote_file}: expected a file, found a folder; store it as a tar or zip"; exit 1; }}
        ln {input:q} {output:q} 2>/dev/null || {{ cp {input:q} {output:q}.part && mv {output:q}.part {output:q}; }}
        """
