"""Tidy table, scores, training histories and the data themselves -> the paper's figures as SVG, PDF and PNG.

    python -m pipeline_lib.paper.figures --tables results/tables.parquet ... --folder results/figures

takes about ten seconds; the rule ``paper_figures`` has every flag. Files: `pipeline_lib.paper.outputs.FIGURE_FILES`;
beside each figure lies its caption. The folder of a history, and that of scores, is named like the model.
"""

import argparse
from functools import partial
from pathlib import Path

from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import write_text
from pipeline_lib.paper.figures import ccneg, dataset, losses, style, truth_table, zeroshot
from pipeline_lib.paper.outputs import FIGURES
from pipeline_lib.paper.tables.layout import compared, displayed
from pipeline_lib.paper.tables.overview import learned_cells
from pipeline_lib.paper.tables.schema import read_tables

#: Figures of the rows that `compared` returns.
FROM_ROWS = {
    "intro": zeroshot.intro,
    "negated-prompt": zeroshot.negated_prompt,
    "zeroshot-gain": zeroshot.zeroshot_gain,
    "zeroshot-radar": zeroshot.zeroshot_radar,
    "zeroshot-dots": zeroshot.zeroshot_dots,
    "ccneg-by-word": partial(ccneg.accuracy_by_part, table="ccneg-by-word"),
    "ccneg-by-pairs": partial(ccneg.accuracy_by_part, table="ccneg-by-pairs"),
    "truth-table": truth_table.truth_table,
    "ablation": losses.ablation,
    "embeddings": losses.embeddings,
}


def main() -> None:
    """Draw every figure of `FIGURES`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", required=True, help="the tidy table, Parquet")
    parser.add_argument("--scores", required=True, nargs="*", help="MODEL/ccneg.parquet of every model")
    parser.add_argument("--images", required=True, help="a tar of CC-Neg's evaluation split, for the examples")
    parser.add_argument("--train", required=True, help="CC-Neg's training split without the images, Parquet")
    parser.add_argument("--eval", required=True, help="CC-Neg's evaluation split without the images, Parquet")
    parser.add_argument("--index", required=True, help="index.json of the shards stage")
    parser.add_argument(
        "--captions", required=True, nargs="*", help="negation tables of all parts, if captions were negated here"
    )
    parser.add_argument("--histories", required=True, nargs="*", help="MODEL/history.jsonl of every fine-tuned model")
    parser.add_argument("--fetch", required=True, nargs="?", help="summary.json of the fetch stage, if it ran")
    parser.add_argument("--folder", required=True, type=Path, help="output: folder of the figures")
    arguments = parser.parse_args()

    tables, _ = read_tables(arguments.tables)
    rows = compared(displayed(tables))
    splits = {"train": arguments.train, "eval": arguments.eval}
    summary = dataset.read_fetch_summary(arguments.fetch) if arguments.fetch else None
    histories = losses.read_histories(arguments.histories, tables)
    composition = dataset.read_composition(splits, arguments.index, arguments.captions)
    scores = ccneg.read_scores(arguments.scores, arguments.images, tables, rows)
    drawings = {
        **{name: (draw, rows) for name, draw in FROM_ROWS.items()},
        "score-examples": (ccneg.score_examples, scores),
        "learned": (zeroshot.learned, learned_cells(tables)),
        "training-curves": (losses.training_curves, histories),
        "data-statistics": (dataset.data_statistics, composition),
        "fetch-failures": (dataset.fetch_failures, summary),
    }
    assert drawings.keys() == FIGURES.keys()
    with style.look():
        for name, (draw, data) in drawings.items():
            style.save(draw(data), arguments.folder, name)
            write_text(arguments.folder / f"{name}.rst", f"{FIGURES[name].caption}\n")
    print(f"{len(drawings)} figures in {arguments.folder}")


if __name__ == "__main__":
    run(main)
