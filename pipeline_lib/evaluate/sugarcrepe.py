"""Evaluate a model on SugarCREPE: does an image score strictly higher with its caption than with the hard negative?

::

    python -m pipeline_lib.evaluate.sugarcrepe --weights model.pt --record run.json --annotations sugarcrepe/ \\
        --features sugarcrepe/00000.safetensors --threads 1 --scores sugarcrepe.parquet --metrics sugarcrepe.json

Annotations: the seven files as published, each a JSON object of ``{"filename", "caption", "negative_caption"}``; an
image's key is its file name without extension. Items: ``part``, ``item``, ``key``, ``score_positive``,
``score_negative`` (cosines), ``correct``. Metrics: accuracy per part, and Replace / Add / Swap as plain means of their
parts (paper, section 5).
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pandas as pd
from torch import Tensor

from pipeline_lib.command import run
from pipeline_lib.evaluate.metrics import accuracy, strictly_prefers_caption
from pipeline_lib.evaluate.result import evaluation_parser, load_model, metric, write_result
from pipeline_lib.features.store import load_features, tower_id
from pipeline_lib.files import read_json
from pipeline_lib.text_tower import encode_captions

GROUPS = {
    "replace": ("replace_obj", "replace_att", "replace_rel"),
    "add": ("add_obj", "add_att"),
    "swap": ("swap_obj", "swap_att"),
}
FIELDS = ("filename", "caption", "negative_caption")


def read_sugarcrepe(folder: str | Path) -> pd.DataFrame:
    """Return the items of the seven files.

    Parameters
    ----------
    folder : str or Path
        Holds ``add_obj.json`` and its six siblings.

    Returns
    -------
    DataFrame
        Columns ``part``, ``item`` (the number in the file), ``key``, ``caption``, ``negative_caption``.

    Raises
    ------
    FileNotFoundError
        If one of the files is missing.
    ValueError
        If an item lacks a field; the message names file and item.
    """
    rows = []
    for part in (part for parts in GROUPS.values() for part in parts):
        path = Path(folder) / f"{part}.json"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: SugarCREPE has seven files, this one is missing")
        items = read_json(path)
        if not isinstance(items, dict) or not items:
            raise ValueError(f"{path}: expected a JSON object of items, found {type(items).__name__} of {len(items)}")
        rows += [(part, number, *_fields(path, number, item)) for number, item in items.items()]
    return pd.DataFrame(rows, columns=["part", "item", "key", "caption", "negative_caption"])


def _fields(path: Path, number: str, item: object) -> Iterable[str]:
    if not isinstance(item, dict) or not all(isinstance(item.get(field), str) and item[field] for field in FIELDS):
        raise ValueError(f"{path}, item {number}: expected the texts {', '.join(FIELDS)}, found {item!r:.200}")
    return PurePosixPath(item["filename"]).stem, item["caption"], item["negative_caption"]


def score_items(rows: pd.DataFrame, images: Tensor, positive: Tensor, negative: Tensor) -> pd.DataFrame:
    """Return the items of the benchmark.

    Parameters
    ----------
    rows : DataFrame
        n rows as `read_sugarcrepe` returns them.
    images, positive, negative : Tensor of shape (n, d)
        Normalised features of images, captions and hard negatives.
    """
    items = rows[["part", "item", "key"]].copy()
    items["score_positive"] = (images * positive).sum(dim=1).numpy()
    items["score_negative"] = (images * negative).sum(dim=1).numpy()
    items["correct"] = strictly_prefers_caption(items["score_positive"].to_numpy(), items["score_negative"].to_numpy())
    return items


def sugarcrepe_metrics(items: pd.DataFrame) -> list[dict]:
    """Return accuracy per part and the plain means of the groups."""
    by_part = {part: (accuracy(group["correct"]), len(group)) for part, group in items.groupby("part")}
    metrics = []
    for group, parts in GROUPS.items():
        metrics += [metric(f"sugarcrepe/{part}", *by_part[part]) for part in parts]
        mean = sum(by_part[part][0] for part in parts) / len(parts)
        metrics.append(metric(f"sugarcrepe/{group}", mean, sum(by_part[part][1] for part in parts)))
    return metrics


def main() -> None:
    """Evaluate the model that the command line names."""
    parser = evaluation_parser(__doc__)
    parser.add_argument("--annotations", type=Path, required=True, help="folder of the seven files")
    parser.add_argument("--features", type=Path, nargs="+", required=True)
    args = parser.parse_args()
    rows = read_sugarcrepe(args.annotations)
    model = load_model(args)
    images = load_features(args.features, tower_id(model)).rows(rows["key"].tolist(), str(args.annotations))
    positive, negative = encode_captions(model, [*rows["caption"], *rows["negative_caption"]]).chunk(2)
    items = score_items(rows, images, positive, negative)
    write_result(args, "sugarcrepe", items, sugarcrepe_metrics(items))


if __name__ == "__main__":
    run(main)
