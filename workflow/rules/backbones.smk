# backbones: the CLIPs that fine-tuning starts from
#   in:  the images that config `backbones.pretrain.images` names, OpenAI's released weights, or published checkpoints
#   out: <run>/backbones/{backbone}/model.pt      {"model": state_dict, "activation": name}
#        <run>/backbones/{backbone}/run.json      recipe, versions, time
#        <run>/backbones/{backbone}/history.jsonl (pretrained ones) loss per step
include: "functions/backbones.smk"


rule backbones_pretrain:
    """Pretrain a small CLIP from scratch on affirmative captions."""
    input:
        images=config["backbones"]["pretrain"]["images"],
    output:
        checkpoint="<run>/backbones/{backbone}/model.pt",
        history="<run>/backbones/{backbone}/history.jsonl",
        record="<run>/backbones/{backbone}/run.json",
    log:
        "<logs>/backbones_pretrain/{backbone}.log",
    benchmark:
        "<benchmarks>/backbones_pretrain/{backbone}.tsv"
    wildcard_constraints:
        backbone=from_source("pretrain"),
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
        gpu=1,
        curves=config["curves"],  # not under params: it changes no result
    params:
        code=code_version("pipeline_lib.backbones.pretrain"),
        architecture=lambda wildcards: json.dumps(BACKBONES[wildcards.backbone]["architecture"]),
        recipe=flags(
            config["backbones"]["pretrain"], "steps", "batch_size", "lr", "weight_decay", "warmup_steps", "seed"
        ),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.backbones.pretrain \
            --backbone {wildcards.backbone} \
            --images {input.images:q} \
            --architecture {params.architecture:q} \
            {params.recipe} \
            --threads 1 \
            --curves {resources.curves} \
            --checkpoint {output.checkpoint:q} \
            --history {output.history:q} \
            --record {output.record:q}
        """


rule backbones_openai:
    """Store one of OpenAI's released CLIPs in the common format."""
    input:
        path=lookup("{backbone}/path", within=BACKBONES, default=[]),
    output:
        checkpoint="<run>/backbones/{backbone}/model.pt",
        record="<run>/backbones/{backbone}/run.json",
    log:
        "<logs>/backbones_openai/{backbone}.log",
    benchmark:
        "<benchmarks>/backbones_openai/{backbone}.tsv"
    wildcard_constraints:
        backbone=from_source("openai"),
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(6000),
        runtime=grows(60),
    params:
        code=code_version("pipeline_lib.backbones.checkpoint"),
        name=lookup("{backbone}/released", within=BACKBONES),
        path=of_entry("path"),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.backbones.checkpoint \
            --model {wildcards.backbone} \
            --openai {params.name} \
            {params.path} \
            --download-root data/openai-clip \
            --checkpoint {output.checkpoint:q} \
            --record {output.record:q}
        """


rule backbones_checkpoint:
    """Store a published checkpoint in the common format."""
    input:
        path=lookup("{backbone}/path", within=BACKBONES, default=[]),
        beside=beside,
    output:
        checkpoint="<run>/backbones/{backbone}/model.pt",
        record="<run>/backbones/{backbone}/run.json",
    log:
        "<logs>/backbones_checkpoint/{backbone}.log",
    benchmark:
        "<benchmarks>/backbones_checkpoint/{backbone}.tsv"
    wildcard_constraints:
        backbone=from_source("checkpoint"),
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(8000),
        runtime=grows(60),
    params:
        code=code_version("pipeline_lib.backbones.checkpoint"),
        entry=of_entry("activation", "family", "backbone", "image_tower"),
        weights=beside_flag,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.backbones.checkpoint \
            --model {wildcards.backbone} \
            --path {input.path:q} \
            {params.entry} {params.weights} \
            --checkpoint {output.checkpoint:q} \
            --record {output.record:q}
        """
