"""Lay out the tidy table: which numbers each table of the paper holds, and the means and differences among them.

For one model and the z zero-shot datasets, with top1_dp the top-1 on dataset d under prompt p::

    mean_p  = (1/z) sum_d top1_dp                gain_dp = top1_dp - top1_dp of the CLIP of the same backbone
    delta_d = top1_d,plain - top1_d,negated      mean over seeds = plain mean of each row over the seeds of one model

SugarCREPE's mean is the plain mean of replace, add and swap.

Differences are in percentage points. Where the paper has one number for all datasets, its prompt is `PAPER_PROMPT`.
"""

import pandas as pd

from pipeline_lib.evaluate.kinds import SUGARCREPE_GROUPS
from pipeline_lib.evaluate.prompts import PROMPTS
from pipeline_lib.finetune.terms import LOSS_LABELS, LOSSES
from pipeline_lib.paper.outputs import TABLES
from pipeline_lib.paper.tables.metrics import BASELINE, CELL
from pipeline_lib.paper.tables.schema import KEY

#: That have published numbers, in the order of the tables; any other backbone comes after them.
BACKBONES = ("rn50", "rn101", "vit-b32", "vit-b16", "vit-l14", "flava-full", "blip-itm-base-coco")
NEGATIVES_LABELS = {"ccneg": "", "crepe": " on CREPE-Negate"}
MAIN = ("conclip", "ccneg")
PLUS, CONTROL = ("conclip+", "ccneg"), ("conclip+absent", "ccneg")  # ours: with truth tables, and with absences alone
METHODS = (MAIN, PLUS, CONTROL)  # which tables show by their family; all others are variants
PAPER_PROMPT = "bare"  # of the paper's zero-shot figures and of its ablation
CATEGORIES = tuple(f"sugarcrepe/{group}" for group in SUGARCREPE_GROUPS)
CATEGORIES_MEAN = "sugarcrepe/mean"
ZEROSHOT_MEANS = ("mean", "zero-shot/mean")

_CONFIGURATION = ["family", "backbone", "loss", "negatives"]
_NUMBER = [*CELL, "value", "n", "benchmark", "parts"]


def stem(model: str, seed: int | None) -> str:
    """Return a model's name without the ``-sN`` of its seed."""
    return model if seed is None or pd.isna(seed) else model.removesuffix(f"-s{seed}")


def loss_label(loss: str, negatives: str) -> str:
    """Return the name of a loss and its negated captions, such as ``L1 on CREPE-Negate``."""
    return LOSS_LABELS[loss] + NEGATIVES_LABELS[negatives]


def is_ablation(loss: str | None, negatives: str | None) -> bool:
    """Return whether a model is a variant of the method rather than the method (or a baseline) itself."""
    return loss is not None and (loss, negatives) not in METHODS


def build_tables(models: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Arrange checked metrics as the tidy table.

    Parameters
    ----------
    models, values : DataFrame
        From `pipeline_lib.paper.tables.metrics.read_metrics`.

    Returns
    -------
    DataFrame
        The columns of `pipeline_lib.paper.tables.schema.COLUMNS` up to `n`, `std`, and whose mean the value is:
        `parts`, datasets of a `benchmark`. Ordered by table, backbone, family, negatives, loss, model and seed (the
        mean over seeds last), zero-shot by prompt, then as the metrics files list the datasets.
    """
    models = models.assign(stem=[*map(stem, models.index, models.seed)])
    values = values.assign(parts=[(dataset,) for dataset in values.dataset])
    found = {name: values[values.table == name] for name in TABLES} | {
        "zeroshot": _zeroshot(models, values),
        "negated-prompt": _negated_prompt(values),
        "sugarcrepe": _sugarcrepe(values),
        "ablation": _ablation(models, values),
    }
    parts = [part[["model", *_NUMBER]].assign(table=name) for name, part in found.items()]
    rows = pd.concat(parts, ignore_index=True).assign(seeds=1, std=float("nan"))
    rows = rows.merge(models.reset_index(), on="model", validate="many_to_one")
    rows = pd.concat([rows, _means_over_seeds(models, rows)], ignore_index=True)
    for column in ("loss", "negatives", "prompt"):  # grouping has made NaN of None
        rows[column] = rows[column].astype(object).where(rows[column].notna(), None)
    assert not rows.duplicated(KEY).any()
    return _ordered(rows)


def _means_over_seeds(models: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per cell of every model that has more than one seed."""
    sizes = models.groupby("stem").size()
    several = sizes.index[sizes > 1]
    for name in several:
        members = models[models.stem == name]
        if name in models.index or members[_CONFIGURATION].apply(tuple, axis=1).nunique() > 1:
            raise ValueError(
                f"models {', '.join(members.index)}: expected models of one name to differ in their seed alone; "
                "give another name to those with another family, backbone, loss or negatives"
            )
    grouped = rows[rows.stem.isin(several)].groupby(
        ["table", "stem", *_CONFIGURATION, *CELL, "benchmark", "parts"], dropna=False, sort=False
    )
    means = grouped.agg(value=("value", "mean"), n=("n", "first"), seeds=("seeds", "sum"), std=("value", "std"))
    means = means.reset_index()
    return means.assign(model=means.stem, seed=pd.Series(pd.NA, index=means.index, dtype="Int64"))


def _ordered(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in the order of `build_tables`."""
    keys = {
        "table": rows.table.map(TABLES.index),
        "place": [BACKBONES.index(name) if name in BACKBONES else len(BACKBONES) for name in rows.backbone],
        "backbone": rows.backbone,
        "tuned": rows.family != BASELINE,
        "family": rows.family,
        "negatives": rows.negatives.fillna(""),
        "loss": rows.loss.map(list(LOSSES).index, na_action="ignore").fillna(-1),
        "stem": rows.stem,
        "mean": rows.seeds > 1,
        "seed": rows.seed.fillna(-1),
    }
    order = pd.DataFrame(keys).sort_values([*keys], kind="stable").index
    return rows.loc[order].reset_index(drop=True)


def _sugarcrepe(values: pd.DataFrame) -> pd.DataFrame:
    rows = values[values.table == "sugarcrepe"]
    means = _means_over_datasets(rows[rows.dataset.isin(CATEGORIES)]).assign(dataset=CATEGORIES_MEAN)
    return pd.concat([rows, means], ignore_index=True)


def _zeroshot(models: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    rows = values[(values.table == "zeroshot") & (values.prompt != "negated")]
    rows = pd.concat([rows, _means_over_datasets(rows)], ignore_index=True)
    top1 = rows[rows.metric == "top1"].assign(backbone=lambda frame: frame.model.map(models.backbone))
    is_baseline = top1.model.map(models.family) == BASELINE
    same = ["backbone", "dataset", "prompt"]  # of a released model, whose CLIP may be absent, no gain is known
    gains = top1[~is_baseline].merge(top1.loc[is_baseline, [*same, "value"]], on=same, suffixes=("", "_of_clip"))
    gains = gains.assign(metric="gain", value=gains.value - gains.value_of_clip)
    rows = pd.concat([rows, gains], ignore_index=True)
    return rows.sort_values("prompt", key=lambda names: names.map(PROMPTS.index), kind="stable")


def _negated_prompt(values: pd.DataFrame) -> pd.DataFrame:
    rows = values[values.prompt.isin(["plain", "negated"]) & (values.metric == "top1")]
    rows = pd.concat([rows, _means_over_datasets(rows)], ignore_index=True)
    plain, negated = (rows[rows.prompt == prompt] for prompt in ("plain", "negated"))
    both = plain.merge(negated[["model", "dataset", "value"]], on=["model", "dataset"], suffixes=("", "_negated"))
    deltas = both.assign(prompt=None, metric="delta", value=both.value - both.value_negated)
    return pd.concat([rows, deltas], ignore_index=True)


def _ablation(models: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of every model of the backbones on which a variant of the method was trained."""
    variants = [*map(is_ablation, models.loss, models.negatives)]
    values = values[values.model.isin(models.index[models.backbone.isin(set(models.backbone[variants]))])]
    top1 = values[(values.prompt == PAPER_PROMPT) & (values.metric == "top1")]
    means = _means_over_datasets(top1).assign(dataset=ZEROSHOT_MEANS[1])
    return pd.concat([values[values.dataset.isin(CATEGORIES)], values[values.table == "ccneg"], means])


def _means_over_datasets(rows: pd.DataFrame) -> pd.DataFrame:
    """Return per (model, prompt, metric) the plain mean over datasets or parts, with the items of all of them."""
    means = rows.groupby(["model", "prompt", "metric"], sort=False, dropna=False).agg(
        value=("value", "mean"), n=("n", "sum"), benchmark=("benchmark", "first"), parts=("dataset", tuple)
    )
    return means.reset_index().assign(dataset=ZEROSHOT_MEANS[0])
