"""Evaluate a model on a benchmark of config ``evaluate.benchmarks``, by its kind (`pipeline_lib.evaluate.kinds`).

::

    python -m pipeline_lib.evaluate.benchmark --kind mcq --benchmark negbench-mcq-coco \\
        --weights model.pt --record run.json --annotations COCO_val_mcq_llama3.1_rephrased.csv --count 5914 \\
        --features coco-val2017/00000.safetensors --threads 1 \\
        --scores negbench-mcq-coco.parquet --metrics negbench-mcq-coco.json

Of several captions of an image, or several images of a caption, each right one must score higher (in cosine) than each
other one. SugarCrepe++ asks for the same without the image: with the captions P1 and P2 that say the same and the
negative N, cos(P1, P2) > cos(P1, N) and cos(P1, P2) > cos(P2, N).

In retrieval, captions search among the images of the file (``text-to-image``), and images among all distinct captions
(``image-to-text``), where an image's rank is that of its best caption; a caption of several images is right for each. A
rank is 1 and the number of others that score at least as high: a tie counts against the model (torch's ``topk`` in the
published code leaves open which of equal scores it keeps).
"""

from collections.abc import Callable, Sequence
from itertools import combinations, product
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline_lib.clip.tokenizer import CONTEXT_LENGTH, fits_clip
from pipeline_lib.clip.tokenizer import encode as read
from pipeline_lib.clip.variants import cosines, products
from pipeline_lib.evaluate.declaration import Choice, Kind
from pipeline_lib.evaluate.kinds import KINDS, read_annotations
from pipeline_lib.evaluate.result import (
    benchmark_options,
    choice_items,
    evaluation_parser,
    load_model,
    measure,
    precision_option,
    read_model,
    write_result,
)
from pipeline_lib.evaluate.subtract import encode
from pipeline_lib.features.store import load_features, tower_id
from pipeline_lib.jobs.cli import run

ROWS_PER_BLOCK = 256  # of the similarity matrix, which is never held whole: 25,000 captions and 5,000 images

# m keys of images, or captions -> normalised features of shape (m, d), in the precision of the model
Encode = Callable[[list[str]], Tensor]


def score_choices(kind: Kind, rows: list[Choice], images_of: Encode, captions_of: Encode) -> pd.DataFrame:
    """Return the items of `choice_items` by cosines; ``correct_text`` too where captions are compared with captions."""
    images = images_of([key for row in rows for key in row.images])
    captions = captions_of([text for row in rows for text in row.captions])
    pairs = []
    image, caption = 0, 0
    for row in rows:
        own = range(image, image + len(row.images)), range(caption, caption + len(row.captions))
        pairs += product(*own)
        image, caption = (side.stop for side in own)
    image_rows, caption_rows = torch.tensor(pairs).T
    items = choice_items(kind, rows, cosines(images[image_rows], captions[caption_rows]).numpy())
    if not kind.text_scores:
        return items
    sides = captions.view(len(rows), -1, captions.shape[1]).unbind(dim=1)  # the rows' first captions, second, ...
    same, different = [], []
    for column, (one, two) in zip(kind.text_scores, combinations(range(len(sides)), 2), strict=True):
        items[column] = cosines(sides[one], sides[two]).numpy()
        (same if {one, two} <= set(rows[0].right) else different).append(column)
    return items.assign(correct_text=kind.prefers(items[same].min(axis=1), items[different].max(axis=1)))


def best_ranks(queries: Tensor, targets: Tensor, asking: Tensor, right: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the score of each query's best own target and its rank among the other targets, of shape (m,) both.

    Parameters
    ----------
    queries, targets : Tensor of shape (m, d), (n, d)
        Normalised features.
    asking, right : Tensor of shape (p,) both
        Pairs of numbers, in the queries and in the targets: which targets are a query's own. Each query has one.
    """
    scores, ranks, firsts = [], [], range(0, len(queries), ROWS_PER_BLOCK)
    for first, similarity in zip(firsts, products(queries.split(ROWS_PER_BLOCK), targets), strict=True):  # (b, n)
        here = (asking >= first) & (asking < first + len(similarity))
        own = torch.zeros_like(similarity, dtype=torch.bool)  # (b, n)
        own[asking[here] - first, right[here]] = True
        best = similarity.masked_fill(~own, -torch.inf).max(dim=1, keepdim=True).values
        scores.append(best.squeeze(1))
        ranks.append(1 + ((similarity >= best) & ~own).sum(dim=1))
    return torch.cat(scores).numpy(), torch.cat(ranks).numpy()


def score_retrieval(kind: Kind, rows: list[Choice], images_of: Encode, captions_of: Encode) -> pd.DataFrame:
    """Return the items of retrieval: a row per caption, then a row per image, by ``direction``.

    Columns: ``key`` (of the image), ``caption`` (its number among the image's; -1 for an image), ``direction``,
    ``score`` (cosine with the right image, or with the best own caption), ``rank``, ``correct`` (rank 1).
    """
    keys = [row.columns["key"] for row in rows]
    captions = [(place, number, text) for place, row in enumerate(rows) for number, text in enumerate(row.captions)]
    images, texts = images_of(keys), captions_of([text for _, _, text in captions])
    owner = torch.tensor([place for place, _, _ in captions])
    # What CLIP reads alike is one caption to be found, of several images maybe.
    _, first, same = np.unique([str(read(text)) for _, _, text in captions], return_index=True, return_inverse=True)
    named = [(keys[place], number, "text-to-image") for place, number, _ in captions]
    to_image = pd.DataFrame(named, columns=["key", "caption", "direction"])
    to_image["score"], to_image["rank"] = best_ranks(texts, images, torch.arange(len(texts)), owner)
    to_text = pd.DataFrame({"key": keys, "caption": -1, "direction": "image-to-text"})
    to_text["score"], to_text["rank"] = best_ranks(images, texts[first], owner, torch.from_numpy(same))
    items = pd.concat([to_image, to_text], ignore_index=True)
    return items.assign(correct=items["rank"] == 1)


def score_truth_table(kind: Kind, rows: list[Choice], images_of: Encode, captions_of: Encode) -> pd.DataFrame:
    """Return the items of truth tables: two rows per pair of images, by ``truth`` (of the concept in the row's image).

    Columns beside the rows' and the four scores: ``key`` (of the row's image), ``caption`` and ``image`` (whether the
    row's two questions are answered right), and of the pair ``correct`` (all four) and the three effects of
    `pipeline_lib.evaluate.presence`, in thousandths.
    """
    pairs = score_choices(kind, rows, images_of, captions_of)
    with_affirmed, with_denied, without_affirmed, without_denied = pairs[list(kind.scores)].to_numpy(float).T
    pairs = pairs.assign(
        text_effect=500 * (with_denied + without_denied - with_affirmed - without_affirmed),
        image_effect=500 * (with_affirmed + with_denied - without_affirmed - without_denied),
        interaction=500 * (with_affirmed + without_denied - with_denied - without_affirmed),
    )
    present, absent = (
        pairs.assign(
            truth=truth,
            key=[row.images[side] for row in rows],
            caption=kind.prefers(right, other_caption),
            image=kind.prefers(right, other_image),
        )
        for truth, side, right, other_caption, other_image in (
            ("present", 0, with_affirmed, with_denied, without_affirmed),
            ("absent", 1, without_denied, without_affirmed, with_denied),
        )
    )
    return pd.concat([present, absent], ignore_index=True)


def score_ranking(kind: Kind, rows: list[Choice], images_of: Encode, captions_of: Encode) -> pd.DataFrame:
    """Return the items of a ranking of images: the rows' columns and ``average_precision``, from 0 to 1."""
    keys = sorted({key for row in rows for key in row.images})
    place = {key: number for number, key in enumerate(keys)}
    (scores,) = products([captions_of([caption for row in rows for caption in row.captions])], images_of(keys))
    found = [
        average_precision(own[[place[key] for key in row.images]], row.right)
        for row, own in zip(rows, scores.numpy(), strict=True)
    ]
    return pd.DataFrame([row.columns for row in rows]).assign(average_precision=found)


def average_precision(scores: np.ndarray, right: Sequence[int]) -> float:
    """Return the mean, over the right ones of n scores, of the share of right ones among those at least as high."""
    own = np.sort(scores[list(right)])
    at_least = len(scores) - np.searchsorted(np.sort(scores), own)  # each of shape (number of right ones,)
    return float(np.mean((len(own) - np.searchsorted(own, own)) / at_least))


def main() -> None:
    """Evaluate the model that the command line names."""
    parser = evaluation_parser(__doc__)
    benchmark_options(parser, KINDS)
    parser.add_argument(
        "--features", type=Path, nargs="+", required=True, help="features of the pool with its images, all parts"
    )
    precision_option(parser)
    args = parser.parse_args()
    kind = KINDS[args.kind]
    if args.precision == "fp16" and not kind.clip_load:
        parser.error(f"--precision fp16: published numbers of the kind {kind.name} are in fp32")
    rows = read_annotations(args.kind, args.annotations, args.count)
    if long := [(row, text) for row in rows for text in row.captions if not (kind.cut or fits_clip(text))]:
        row, text = long[0]
        raise ValueError(
            f"{args.annotations}: expected captions of at most {CONTEXT_LENGTH} tokens, found {len(long):,} longer, "
            f"the first of {row.columns}: {text:.200}"
        )
    model = load_model(args, args.precision)
    pool = load_features(args.features, tower_id(model))
    items = resolve_name(kind.scorer)(
        kind,
        rows,
        lambda keys: pool.rows(keys, str(args.annotations)).to(model.dtype),
        lambda captions: encode(model, captions, args.subtract, kind.cut),
    )
    write_result(
        args, read_model(args.record, args.subtract), args.benchmark, items, measure(kind, items, args.benchmark)
    )


if __name__ == "__main__":
    run(main)
