"""Tidy table, training histories and the fetch summary -> the paper's figures as SVG, PDF and PNG.

    python -m pipeline_lib.paper.figures --tables results/tables.parquet \\
        --histories results/miniature/finetune/*/history.jsonl --fetch results/miniature/fetch/summary.json \\
        --folder results/figures

takes about five seconds. Files: `pipeline_lib.paper.outputs.FIGURE_FILES`. A history is one JSON per line with at least
``step`` and ``loss``; its folder is named like the model.
"""

import argparse
import json
import math
from pathlib import Path

import pandas as pd

from pipeline_lib.command import run
from pipeline_lib.origins import remedy
from pipeline_lib.paper import fetched, plots, style
from pipeline_lib.paper.layout import compared, displayed, loss_label
from pipeline_lib.paper.outputs import FIGURES
from pipeline_lib.paper.schema import read_tables

PANEL_HEIGHT_IN = 2.1


def main() -> None:
    """Draw every figure of `FIGURES`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", required=True, help="the tidy table, Parquet")
    parser.add_argument("--histories", required=True, nargs="*", help="history.jsonl of every fine-tuned model")
    parser.add_argument("--fetch", required=True, nargs="?", help="summary.json of the fetch stage, if it ran")
    parser.add_argument("--folder", required=True, help="where the figures go")
    arguments = parser.parse_args()

    tables, _ = read_tables(arguments.tables)
    summary = fetched.read_summary(arguments.fetch) if arguments.fetch else None
    histories = read_histories(arguments.histories, tables)
    rows = compared(displayed(tables))
    backbones = rows.backbone.nunique()
    ablated = rows[rows.table == "ablation"].groupby("backbone").label.nunique().sum()
    radar_lines = math.ceil(backbones / plots.RADAR_COLUMNS)
    figures = {
        "intro": (PANEL_HEIGHT_IN, plots.intro, rows),
        "zeroshot-gain": (PANEL_HEIGHT_IN, plots.zeroshot_gain, rows),
        "zeroshot-radar": (PANEL_HEIGHT_IN * radar_lines, plots.zeroshot_radar, rows),
        "zeroshot-dots": (PANEL_HEIGHT_IN, plots.zeroshot_dots, rows),
        "ccneg-by-word": (PANEL_HEIGHT_IN, plots.ccneg_by_word, rows),
        "ccneg-by-pairs": (PANEL_HEIGHT_IN, plots.ccneg_by_pairs, rows),
        "ablation": (1.0 + 0.2 * max(ablated, 4), plots.ablation, rows),
        "training-curves": (PANEL_HEIGHT_IN, plots.training_curves, histories),
        "fetch-failures": (PANEL_HEIGHT_IN, fetched.failures, summary),
    }
    assert list(figures) == list(FIGURES)
    for name, (height_in, draw, data) in figures.items():
        with style.figure(height_in) as drawn:
            draw(drawn, data)
            style.save(drawn, arguments.folder, name)
    print(f"{len(figures)} figures in {arguments.folder}")


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
