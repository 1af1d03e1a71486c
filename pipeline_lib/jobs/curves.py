"""Curves of a training while it runs: TensorBoard's event files beside ``history.jsonl``, from the same steps.

``tensorboard --logdir results/<run>`` shows those of all models. They follow from the history alone: whenever a
training starts or goes on they are written anew from its beginning, so no step is there twice. No result depends on
them. The writer is torch's own; it needs the package that shows the curves, an extra.
"""

import argparse
from pathlib import Path

from pipeline_lib.jobs.extras import need_extra
from pipeline_lib.jobs.run_record import History

CURVES = ("none", "tensorboard")


def history_options(parser: argparse.ArgumentParser) -> None:
    """Add to a training's parser where the history of its steps is written, and how it is drawn."""
    parser.add_argument(
        "--history", type=Path, required=True, help="output: loss and learning rate of each step, JSON lines"
    )
    what = "also write curves beside the history during training (default: none)"
    parser.add_argument("--curves", choices=CURVES, default="none", help=what)


def draw(history: History, kind: str, folder: Path) -> None:
    """Draw the steps of a history, and each further one when it is read, in one of `CURVES`; remove older curves."""
    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
    if kind == "none":
        return
    need_extra(kind, "--curves")
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(folder, purge_step=0)  # a TensorBoard that has read the older file forgets its steps

    def show(entries: list[dict]) -> None:
        for entry in entries:
            for name in entry.keys() - {"step"}:
                writer.add_scalar(name, entry[name], entry["step"])
        writer.flush()

    show(history.entries)
    history.show = show
