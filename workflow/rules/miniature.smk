# miniature: seed -> the world: captions file, what its hosts serve, labelled sets, SugarCREPE- and CREPE-like files
#   out: <run>/miniature/…, the files that pipeline_lib/miniature/make.py lists
from pipeline_lib.evaluate.kinds import KINDS
from pipeline_lib.formats.crepe import captions_files
from pipeline_lib.miniature.describe import LABELLED


rule miniature:
    """Draw the miniature world."""
    output:
        captions="<run>/miniature/cc3m.tsv",
        web="<run>/miniature/web.tar",
        answers="<run>/miniature/answers.parquet",
        pretrain="<run>/miniature/pretrain.tar",
        pool="<run>/miniature/pool.tar",
        zeroshot=expand("<run>/miniature/zeroshot/{name}.tar", name=LABELLED),
        classes=expand("<run>/miniature/zeroshot/{name}.classes.txt", name=LABELLED),
        sugarcrepe=expand("<run>/miniature/sugarcrepe/{part}.json", part=KINDS["sugarcrepe"].parts),
        sugarcrepe_images="<run>/miniature/sugarcrepe.tar",
        crepe=captions_files("<run>/miniature/crepe"),
        crepe_images="<run>/miniature/crepe.tar",
        negation=expand("<run>/miniature/negation/{name}", name=["instances.json", "mcq.csv"]),
        negation_images="<run>/miniature/negation.tar",
        scenes="<run>/miniature/scenes.parquet",
    log:
        "<logs>/miniature.log",
    benchmark:
        "<benchmarks>/miniature.tsv"
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code_version("pipeline_lib.miniature.make"),
        folder=subpath(output.captions, parent=True),
        world=flags(config["miniature"]),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.miniature.make \
            --folder {params.folder:q} \
            {params.world}
        """
