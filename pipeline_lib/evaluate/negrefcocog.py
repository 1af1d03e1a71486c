"""Evaluate a model on NegRefCOCOg: does a phrase with a negation score highest with the box that it means?

::

    python -m pipeline_lib.evaluate.negrefcocog --weights model.pt --record run.json --benchmark negrefcocog \\
        --annotations NegRefCOCOg.json --features negrefcocog/00000.safetensors --count 440 \\
        --threads 1 --scores negrefcocog.parquet --metrics negrefcocog.json

Annotations and the keys of the crops: `pipeline_lib.readers.crops`. Items: ``item`` (its number in the file), ``key``
(of the right crop), ``score_right``, ``score_other`` (cosine with the best other crop), ``correct``. Metric: accuracy.

The right box must score strictly higher than each other one. The published code takes the first of equal scores, which
is always the right one in the published file.
"""

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.evaluate.metrics import accuracy, strictly_prefers_caption
from pipeline_lib.evaluate.result import benchmark_parser, load_model, load_pool, metric, write_result
from pipeline_lib.formats.annotations import check_count
from pipeline_lib.jobs.cli import run
from pipeline_lib.readers.crops import read_boxes


def read_negrefcocog(path: str | Path, count: int | None = None) -> list[dict]:
    """Return the items as `read_boxes` does; raise a `ValueError` too if their number is not `count`."""
    items = read_boxes(path)
    check_count(path, len(items), count)
    return items


def score_items(rows: list[dict], crops: list[Tensor], phrases: Tensor) -> pd.DataFrame:
    """Return the items of the benchmark.

    Parameters
    ----------
    rows : list of dict
        n items as `read_negrefcocog` returns them.
    crops : list of Tensor of shape (boxes, d)
        Normalised features of each item's crops.
    phrases : Tensor of shape (n, d)
        Normalised features.
    """
    scored = []
    for number, (row, boxes, phrase) in enumerate(zip(rows, crops, phrases, strict=True)):
        scores, right = (boxes * phrase).sum(dim=1), row["right"]  # (boxes,)
        others = torch.cat([scores[:right], scores[right + 1 :]])
        scored.append((number, row["keys"][right], scores[right].item(), others.max().item()))
    items = pd.DataFrame(scored, columns=["item", "key", "score_right", "score_other"])
    items["correct"] = strictly_prefers_caption(items["score_right"].to_numpy(), items["score_other"].to_numpy())
    return items


def main() -> None:
    """Evaluate the model that the command line names."""
    args = benchmark_parser(__doc__).parse_args()
    rows = read_negrefcocog(args.annotations, args.count)
    model = load_model(args)
    crops = load_pool(args, model).rows([key for row in rows for key in row["keys"]], str(args.annotations))
    phrases = encode_captions(model, [row["phrase"] for row in rows])
    items = score_items(rows, list(crops.split([len(row["keys"]) for row in rows])), phrases)
    write_result(args, args.benchmark, items, [metric(args.benchmark, accuracy(items["correct"]), len(items))])


if __name__ == "__main__":
    run(main)
