"""Make a folder of a fine-tuned model that open_clip, Hugging Face's `transformers` and the paper's own code load.

::

    python -m pipeline_lib.share.model --run results/paper --model conclip-b32-s0 --output conclip-b32

The folder has what `pipeline_lib.backbones.export` writes for both libraries (a ResNet for open_clip alone, since
`transformers` has none), ``model.pt`` as the pipeline has it, and ``README.md``, the model's card: recipe, data, the
run's numbers with their intervals beside those of its CLIP, the models that see no image, and limits.
"""

import argparse
import shutil
from pathlib import Path

from pipeline_lib.backbones.export import export_huggingface, export_open_clip
from pipeline_lib.clip.load import load_clip
from pipeline_lib.evaluate.result import read_model
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import atomic, read_json, write_text
from pipeline_lib.share.card import blind_numbers, find_tables, new_folder, numbers_table, write_card


def share(run_folder: Path, model: str, output: Path) -> None:
    """Write the folder of a fine-tuned model of a finished run."""
    weights, tables = run_folder / "finetune" / model / "model.pt", find_tables(run_folder)
    if not weights.is_file():
        known = ", ".join(sorted(path.parent.name for path in run_folder.glob("finetune/*/model.pt"))) or "none"
        raise FileNotFoundError(f"{weights}: no such model; {run_folder} has {known}")
    clip, record = load_clip(weights), read_json(weights.with_name("run.json"))
    described = read_model(weights.with_name("run.json"))
    export_open_clip(clip, output)
    transformers = hasattr(clip.visual, "proj")
    if transformers:
        export_huggingface(clip, output)
    with atomic(output / "model.pt") as aside:
        shutil.copyfile(weights, aside)
    card = write_card(
        "model.md.j2",
        name=model,
        run=run_folder.name,
        record=record,
        transformers=transformers,
        numbers=numbers_table(tables, {model: model, f"{described['backbone']} (CLIP)": described["backbone"]}),
        blind=[(f"{row.dataset}, {row.metric}", row.model, row.value) for row in blind_numbers(tables).itertuples()],
    )
    write_text(output / "README.md", card)


def main() -> None:
    """Make the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run, such as results/miniature")
    parser.add_argument("--model", required=True, help="a fine-tuned model of it, such as conclip-rn-s0")
    parser.add_argument("--output", type=Path, required=True, help="output: folder")
    args = parser.parse_args()
    with new_folder(args.output) as aside:
        share(args.run, args.model, aside)
    print(f"{args.output}: ready. To upload it: hf upload YOUR-NAME/{args.model} {args.output}")


if __name__ == "__main__":
    run(main)
