# backbones: the CLIPs that fine-tuning starts from
#   in:  the images that config `backbones.pretrain.images` names, OpenAI's released weights, or published checkpoints
#   out: <run>/backbones/{backbone}/model.pt      {"model": state_dict, "activation": name}
#        <run>/backbones/{backbone}/run.json      recipe, versions, time
#        <run>/backbones/{backbone}/history.jsonl (pretrained ones) loss per step
rule pretrain:
    """Pretrain a small CLIP from scratch on affirmative captions."""
    input:
        images=config["backbones"]["pretrain"]["images"],
        code=library("backbones.pretrain"),
    output:
        checkpoint="<run>/backbones/{backbone}/model.pt",
        history="<run>/backbones/{backbone}/history.jsonl",
        record="<run>/backbones/{backbone}/run.json",
    log:
        "<logs>/pretrain/{backbone}.log",
    benchmark:
        "<benchmarks>/pretrain/{backbone}.tsv"
    wildcard_constraints:
        backbone=from_source("pretrain"),
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    params:
        architecture=architecture,
        options=options(
            config["backbones"]["pretrain"],
            "steps",
            "batch_size",
            "lr",
            "weight_decay",
            "warmup_steps",
            "seed",
        ),
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.backbones.pretrain \
            --backbone {wildcards.backbone} \
            --images {input.images:q} \
            --architecture {params.architecture:q} \
            --threads 1 \
            --checkpoint {output.checkpoint:q} \
            --history {output.history:q} \
            --record {output.record:q} \
            {params.options}
        """


rule released:
    """Store one of OpenAI's released CLIPs in the common format."""
    input:
        path=own_file,
        code=library("backbones.checkpoint"),
    output:
        checkpoint="<run>/backbones/{backbone}/model.pt",
        record="<run>/backbones/{backbone}/run.json",
    log:
        "<logs>/released/{backbone}.log",
    benchmark:
        "<benchmarks>/released/{backbone}.tsv"
    wildcard_constraints:
        backbone=from_source("openai"),
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(6000),
        runtime=grows(60),
    params:
        released=released_options,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.backbones.checkpoint \
            --model {wildcards.backbone} \
            {params.released} \
            --download-root data/openai-clip \
            --checkpoint {output.checkpoint:q} \
            --record {output.record:q}
        """


rule read_checkpoint:
    """Store a published checkpoint in the common format."""
    input:
        path=own_file,
        beside=beside,
        code=library("backbones.checkpoint"),
    output:
        checkpoint="<run>/backbones/{backbone}/model.pt",
        record="<run>/backbones/{backbone}/run.json",
    log:
        "<logs>/read_checkpoint/{backbone}.log",
    benchmark:
        "<benchmarks>/read_checkpoint/{backbone}.tsv"
    wildcard_constraints:
        backbone=from_source("checkpoint"),
    conda:
        "../../environment.yml"
    threads: cores(1)
    resources:
        mem_mb=grows(8000),
        runtime=grows(60),
    params:
        options=checkpoint_options,
    shell:
        r"""
        exec &> >(tee {log:q})
        python -m pipeline_lib.backbones.checkpoint \
            --model {wildcards.backbone} \
            --path {input.path:q} \
            --checkpoint {output.checkpoint:q} \
            --record {output.record:q} \
            {params.options}
        """
