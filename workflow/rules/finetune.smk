# finetune: one CoN-CLIP per row of the sheet of experiments and seed
#   in:  <run>/backbones/…, triplets with the image features of their pool; distractors where the loss uses them
#   out: <run>/finetune/{model}/model.pt       {"model": state_dict, "activation": name}
#        <run>/finetune/{model}/history.jsonl  loss per step
#        <run>/finetune/{model}/run.json       recipe, versions, time, speed
#        and, until it is finished, <run>/finetune/{model}/resume.pt
include: "functions/finetune.smk"


rule finetune:
    """Fine-tune a backbone's text tower."""
    input:
        unpack(finetune_inputs),
    output:
        checkpoint="<run>/finetune/{model}/model.pt",
        history="<run>/finetune/{model}/history.jsonl",
        record="<run>/finetune/{model}/run.json",
    log:
        "<logs>/finetune/{model}.log",
    benchmark:
        "<benchmarks>/finetune/{model}.tsv"
    wildcard_constraints:
        model="|".join(MODELS),
    conda:
        "../../environment.yml"
    threads: cores(config["finetune"]["processes"])
    resources:
        mem_mb=grows(16000),
        runtime=720,  # does not grow: a retry goes on from resume.pt
        gpu=config["finetune"]["processes"],
        nodes=1,  # torchrun starts its processes on one node, so the GPUs must be there
        # Not under params: how often the state is saved, and curves, change no result, so they must rerun nothing.
        checkpoint_every=config["finetune"]["checkpoint_every"],
        curves=config["curves"],
    params:
        code=training_version,
        launcher=launch_command(config["finetune"]["processes"]),
        row=experiment,
        of_loss=loss_options,
        recipe=recipe,
    shell:
        r"""
        exec &> >(tee {log:q})
        {params.launcher} -m pipeline_lib.finetune.train \
            --model {wildcards.model} \
            --weights {input.weights:q} \
            --triplets {input.triplets:q} \
            --features {input.features:q} \
            {params.of_loss} \
            {params.row} \
            {params.recipe} \
            --checkpoint-every {resources.checkpoint_every} \
            --threads 1 \
            --curves {resources.curves} \
            --checkpoint {output.checkpoint:q} \
            --history {output.history:q} \
            --record {output.record:q}
        """
