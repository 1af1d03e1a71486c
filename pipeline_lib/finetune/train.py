"""Fine-tune a backbone's text tower, which makes a CLIP a CoN-CLIP.

::

    python -m pipeline_lib.finetune.train --model conclip-b32-s0 --family CoN-CLIP --backbone vit-b32 \\
        --negatives ccneg --weights vit-b32.pt --triplets train.parquet --features ccneg-train.safetensors \\
        --distractors distractors.parquet --pool-features distractors.safetensors --loss conclip --epochs 5 \\
        --batch-size 200 --lr 1.0e-6 --weight-decay 0.2 --warmup-steps 50 --order shuffled --precision fp32 --seed 0 \\
        --checkpoint-every 500 --threads 1 --checkpoint model.pt --history history.jsonl --record run.json

Before a run on truth tables (``conclip+``; `pipeline_lib.finetune.facts`), a bag of words is asked which statements are
true. If it knows, the run stops, unless its loss is a control.

The recipe is `pipeline_lib.finetune.trainer`'s. On several GPUs of a machine, start it as ``torchrun --nproc-per-node 4
--nnodes 1 --rdzv-backend c10d --rdzv-endpoint 127.0.0.1:0 --local-addr 127.0.0.1 -m pipeline_lib.finetune.train ...``:
they share each batch, and nothing asks for the machine's name.

Triplets: Parquet with ``key`` and the captions that the loss needs, such as ``caption`` and ``negated_caption``; truth
tables need ``caption`` and ``object``. Checkpoint: that of `save_checkpoint`. History: one JSON line per step,
``{"step", "loss", "lr", "logit_scale"}``. While the run lasts, ``resume.pt`` beside the checkpoint holds its state,
saved every ``--checkpoint-every`` steps and at SIGTERM. Started again, the run goes on from there, if nothing that it
depends on has changed.
"""

import argparse
import pickle
import time
from dataclasses import fields
from pathlib import Path

import torch

from pipeline_lib.blind import blind_accuracy
from pipeline_lib.clip.load import load_clip, save_checkpoint
from pipeline_lib.clip.torch_file import load_weights_only, save_torch
from pipeline_lib.clip.training import pick_device, use_threads
from pipeline_lib.features.store import tower_id
from pipeline_lib.finetune import training_code
from pipeline_lib.finetune.facts import load_facts
from pipeline_lib.finetune.samples import load_samples
from pipeline_lib.finetune.terms import is_control, needs, needs_distractors, needs_facts
from pipeline_lib.finetune.trainer import Processes, Recipe, Trainer, run_id
from pipeline_lib.jobs.cli import leave, run, sigterm_noted
from pipeline_lib.jobs.curves import draw, history_options
from pipeline_lib.jobs.files import discard, write_json
from pipeline_lib.jobs.progress import progress
from pipeline_lib.jobs.run_record import MODEL_FIELDS, RunRecord, write_history

MOST_BLIND = 60.0  # percent of the true statements that words alone may tell from the false ones


def resume(trainer: Trainer, path: Path, identity: str) -> None:
    """Continue from the state in `path`, if it is of this run; print what was done."""
    if not path.is_file():
        return
    try:
        found = load_weights_only(path)
        if found["run"] == identity:
            trainer.restore(found)
            print(f"{path}: going on from step {trainer.step_number:,}", flush=True)
        else:
            print(f"{path}: the state of another run (its inputs, recipe or code have changed); starting over")
    except (RuntimeError, OSError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
        print(f"{path}: not a whole state of a run ({error!r:.200}); starting over", flush=True)


def train(trainer: Trainer, state: Path, identity: str, checkpoint_every: int, what: str) -> None:
    """Do the remaining steps, writing the state to `state` every `checkpoint_every` of them, and at a SIGTERM."""
    first = trainer.processes.rank == 0
    steps = range(trainer.step_number, len(trainer.plan))
    with sigterm_noted() as asked_to_end:
        for number in progress(steps, what, "steps") if first else steps:
            trainer.step()
            if number + 1 == len(trainer.plan):
                return  # the rest takes less time than saving the state
            ending = asked_to_end()
            if first and (ending or (number + 1) % checkpoint_every == 0):
                save_torch(state, {"run": identity, **trainer.state()})
            if ending:
                leave()


def gate(trainer: Trainer) -> float:
    """Return in percent how often words alone tell the true statements of the run from the false ones.

    Chance is 50. A `ValueError` above `MOST_BLIND`, unless the loss is a control.
    """
    accuracy = round(blind_accuracy(*trainer.facts.pairs(len(trainer.plan), trainer.recipe.batch_size)), 2)
    print(f"words alone tell {accuracy} % of the true statements from the false ones (chance 50)", flush=True)
    if accuracy > MOST_BLIND and not is_control(trainer.recipe.loss):
        raise ValueError(
            f"the truth tables: expected true statements that look like the false ones, found that words alone tell "
            f"{accuracy} % of them apart (at most {MOST_BLIND} %; chance 50): a model would learn these words instead "
            "of looking at the image. Look at the captions and at the facts that they give, or make the loss a control"
        )
    return accuracy


def speed(trainer: Trainer, steps: int, seconds: float) -> dict:
    """Return what `steps` steps in `seconds` say of the speed: per second, and the share of padding not computed."""
    texts = trainer.texts.values()
    tokens = sum(int((part.argmax(dim=-1) + 1).sum()) for part in texts)  # of an epoch
    trained = steps * trainer.recipe.batch_size
    return {
        "samples_per_s": round(trained / seconds, 1),
        "tokens_per_s": round(trained / seconds * tokens / trainer.samples, 1),
        "padding_spared": round(1 - tokens / sum(part.numel() for part in texts), 4),
    }


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, kind, what in (
        ("model", str, "name of the model, such as conclip-rn-s0"),
        ("family", str, "name under which the tables list it, such as CoN-CLIP"),
        ("backbone", str, "name of the CLIP that it starts from"),
        ("negatives", str, "where the negated captions come from: ccneg or crepe"),
        ("weights", Path, "weights that it starts from, a model.pt"),
        ("triplets", Path, "samples to train on, Parquet"),
        ("checkpoint", Path, "output: the fine-tuned weights"),
        ("record", Path, "output: recipe, versions and times, JSON"),
        ("checkpoint-every", int, "steps from one checkpoint to resume from to the next"),
        ("threads", int, "CPU threads of torch"),
    ):
        parser.add_argument(f"--{name}", type=kind, required=True, help=what)
    parser.add_argument(
        "--features", type=Path, nargs="+", required=True, help="features of the samples' images, all parts"
    )
    parser.add_argument(
        "--distractors", type=Path, help="a distractor per sample, Parquet, for losses with distractors"
    )
    parser.add_argument(
        "--pool-features",
        type=Path,
        nargs="+",
        default=[],
        help="features of the pool that the distractors are from, all parts",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        help="CC3M's captions file with image labels, for facts from labels (default: from captions)",
    )
    history_options(parser)
    for field in fields(Recipe):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=field.type, required=True, **field.metadata)
    args = parser.parse_args()
    if needs_distractors(args.loss) and not (args.distractors and args.pool_features):
        parser.error(f"--loss {args.loss} needs --distractors and --pool-features")
    return args


def main() -> None:
    """Fine-tune the model that the command line asks for."""
    args = parse_arguments()
    recipe = Recipe(**{field.name: getattr(args, field.name) for field in fields(Recipe)})
    settings = {**vars(recipe), "threads": args.threads}
    record = RunRecord({name: getattr(args, name) for name in MODEL_FIELDS}, settings)
    use_threads(args.threads)
    torch.manual_seed(args.seed)
    model = load_clip(args.weights)
    files = (args.triplets, args.features, args.distractors, args.pool_features)
    samples = load_samples(needs(args.loss), tower_id(model), *files)
    facts = load_facts(args.triplets, args.seed, is_control(args.loss), args.labels) if needs_facts(args.loss) else None
    state = args.checkpoint.with_name("resume.pt")
    with Processes() as processes:
        identity = run_id(model, samples, recipe, facts and facts.identity, training_code(args.loss))
        trainer = Trainer(model, samples, recipe, pick_device(), processes, facts)
        learned_blind = {"blind_accuracy": gate(trainer)} if facts else {}
        resume(trainer, state, identity)
        if processes.rank == 0:
            draw(trainer.history, args.curves, args.history.parent)
        start, done = time.monotonic(), trainer.step_number
        train(trainer, state, identity, args.checkpoint_every, f"fine-tune {args.model}")
        history = trainer.history.read()
        measured = speed(trainer, len(trainer.plan) - done, time.monotonic() - start)
    if processes.rank > 0:
        return
    print(
        f"{measured['samples_per_s']:,} samples/s, {measured['tokens_per_s']:,} tokens/s, "
        f"{measured['padding_spared']:.1%} of positions are padding and left out"
    )
    results = {"samples": trainer.samples, "steps": len(history), "final_loss": history[-1]["loss"], "resumed_at": done}
    results |= learned_blind
    write_history(args.history, history)
    write_json(args.record, record.finish(**results, **measured))
    save_checkpoint(args.checkpoint, model.cpu())
    discard(state)


if __name__ == "__main__":
    run(main)
