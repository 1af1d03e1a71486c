"""Tidy table, scores, training histories and the data themselves -> the paper's figures as SVG, PDF and PNG.

    python -m pipeline_lib.paper.figures --tables results/tables.parquet \\
        --scores results/miniature/evaluate/*/ccneg.parquet --images results/miniature/shards/eval-00000.tar \\
        --train results/miniature/shards/train.parquet --eval results/miniature/shards/eval.parquet \\
        --index results/miniature/shards/index.json --captions results/miniature/captions/*.parquet \\
        --histories results/miniature/finetune/*/history.jsonl --fetch results/miniature/fetch/summary.json \\
        --folder results/figures

takes about ten seconds. Files: `pipeline_lib.paper.outputs.FIGURE_FILES`; beside each figure lies its caption. A
history is one JSON per line with at least ``step`` and ``loss``; its folder, and that of scores, is named like the
model.
"""

import argparse
import json
import math
from pathlib import Path

import pandas as pd

from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import write_text
from pipeline_lib.jobs.rule_of_file import remedy
from pipeline_lib.paper.figures import ccneg as plots_ccneg
from pipeline_lib.paper.figures import composition, fetched, margins, style
from pipeline_lib.paper.figures import losses as plots_losses
from pipeline_lib.paper.figures import zeroshot as plots_zeroshot
from pipeline_lib.paper.outputs import FIGURES
from pipeline_lib.paper.tables.layout import compared, displayed, loss_label
from pipeline_lib.paper.tables.schema import read_tables

PANEL_HEIGHT_IN = 2.1
LINE_IN, FRAME_IN = 0.2, 1.0  # of a dot plot: a line, and all that is not lines


def main() -> None:
    """Draw every figure of `FIGURES`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", required=True, help="the tidy table, Parquet")
    parser.add_argument("--scores", required=True, nargs="*", help="ccneg.parquet of every model")
    parser.add_argument("--images", required=True, help="a tar of CC-Neg's evaluation, of which examples are drawn")
    for split in composition.SPLIT_LOOKS:
        parser.add_argument(f"--{split}", required=True, help="CC-Neg's split without the images, Parquet")
    parser.add_argument("--index", required=True, help="index.json of the shards stage")
    parser.add_argument(
        "--captions", required=True, nargs="*", help="the negation table's parts, if captions were negated"
    )
    parser.add_argument("--histories", required=True, nargs="*", help="history.jsonl of every fine-tuned model")
    parser.add_argument("--fetch", required=True, nargs="?", help="summary.json of the fetch stage, if it ran")
    parser.add_argument("--folder", required=True, help="where the figures go")
    arguments = parser.parse_args()

    tables, _ = read_tables(arguments.tables)
    summary = fetched.read_summary(arguments.fetch) if arguments.fetch else None
    histories = read_histories(arguments.histories, tables)
    splits = {split: getattr(arguments, split) for split in composition.SPLIT_LOOKS}
    statistics = composition.read_composition(splits, arguments.index, arguments.captions)
    rows = compared(displayed(tables))
    scores = margins.read_margins(arguments.scores, arguments.images, tables, rows)
    panels = style.panel_lines(rows.backbone.nunique())
    radars = math.ceil(rows.backbone.nunique() / plots_zeroshot.RADAR_COLUMNS)
    trained = style.panel_lines(max(histories.backbone.nunique(), 1))
    asked = rows[rows.table == "negated-prompt"]
    figures = {
        "intro": (PANEL_HEIGHT_IN, plots_zeroshot.intro, rows),
        "negated-prompt": (
            FRAME_IN + panels * asked.dataset.nunique() * (0.06 + 0.06 * asked.family.nunique()),
            plots_zeroshot.negated_prompt, rows,
        ),
        "score-examples": (scores.height_in, margins.score_examples, scores),
        "zeroshot-gain": (PANEL_HEIGHT_IN, plots_zeroshot.zeroshot_gain, rows),
        "zeroshot-radar": (0.3 + plots_zeroshot.RADAR_IN * radars, plots_zeroshot.zeroshot_radar, rows),
        "zeroshot-dots": (PANEL_HEIGHT_IN * panels, plots_zeroshot.zeroshot_dots, rows),
        "ccneg-by-word": (PANEL_HEIGHT_IN, plots_ccneg.ccneg_by_word, rows),
        "ccneg-by-pairs": (PANEL_HEIGHT_IN, plots_ccneg.ccneg_by_pairs, rows),
        "ablation": (_line_height(rows, "ablation"), plots_losses.ablation, rows),
        "embeddings": (_line_height(rows, "embeddings"), plots_losses.embeddings, rows),
        "training-curves": (PANEL_HEIGHT_IN * trained, plots_losses.training_curves, histories),
        "data-statistics": (statistics.height_in, composition.data_statistics, statistics),
        "fetch-failures": (PANEL_HEIGHT_IN, fetched.failures, summary),
    }  # fmt: skip
    assert list(figures) == list(FIGURES)
    for name, (height_in, draw, data) in figures.items():
        with style.figure(height_in) as drawn:
            draw(drawn, data)
            style.save(drawn, arguments.folder, name)
        write_text(Path(arguments.folder) / f"{name}.rst", f"{FIGURES[name].caption}\n")
    print(f"{len(figures)} figures in {arguments.folder}")


def _line_height(rows: pd.DataFrame, table: str) -> float:
    """Return the height of a figure that has a line per model of a table."""
    return FRAME_IN + LINE_IN * max(plots_losses.model_lines(rows[rows.table == table]).nunique(), 4)


def read_histories(paths: list[str], tables: pd.DataFrame) -> pd.DataFrame:
    """Read training histories and name each by its model's backbone and loss.

    Parameters
    ----------
    paths : list of str
        ``.../MODEL/history.jsonl``.
    tables : DataFrame
        The tidy table, which knows the models.

    Returns
    -------
    DataFrame
        Columns model, backbone, label, step, loss_value, in the order of the models in `tables`.

    Raises
    ------
    FileNotFoundError
        If a history does not exist.
    ValueError
        If a line is not a JSON object with numbers ``step`` and ``loss``, or the folder is not named like a model.
    """
    models = tables.drop_duplicates("model").set_index("model")
    rows = []
    for path in paths:
        model = Path(path).parent.name
        if model not in models.index:
            raise ValueError(f"{path}: expected a folder named like a model of the tables, found {model!r}")
        described = {"model": model, "backbone": models.backbone[model], "label": loss_label(models.loc[model])}
        rows += [described | step for step in _steps(path)]
    frame = pd.DataFrame(rows, columns=["model", "backbone", "label", "step", "loss_value"])
    return frame.sort_values("model", key=lambda names: names.map(models.index.get_loc), kind="stable")


def _steps(path: str) -> list[dict]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such history; the finetune stage makes it")
    steps = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            content = json.loads(line)
            step, loss = int(content["step"]), float(content["loss"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{path}, line {number}: expected JSON with numbers step and loss ({error!r}); {remedy(path)}"
            ) from error
        if not math.isfinite(loss):
            raise ValueError(f"{path}, line {number}: expected a finite loss, found {loss}")
        steps.append({"step": step, "loss_value": loss})
    return steps


if __name__ == "__main__":
    run(main)
