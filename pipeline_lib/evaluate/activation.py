"""What does a model score with the other activation? A check of its declaration, and the size of a common mistake.

::

    python -m pipeline_lib.evaluate.activation --weights model.pt --record run.json --triplets eval.parquet \\
        --features ccneg-eval vit-b32/ccneg-eval/00000.safetensors \\
        --other ccneg-eval vit-b32_other-activation/ccneg-eval/00000.safetensors \\
        --mcq negbench-mcq-coco COCO_val_mcq_llama3.1_rephrased.csv coco-val2017 5914 --threads 1 \\
        --output activation.tsv

No weight tells whether it was trained with QuickGELU (OpenAI's CLIPs and what was fine-tuned from them) or with GELU,
and a loader that takes the wrong one lowers every number without an error: NegBench's published CoN-CLIP is such a
case. Here the same weights are scored under the declared activation and under the other one, both towers. The images of
a ViT are encoded anew for that (``--other``); a ResNet's image tower has neither activation.

Rows: ``cc-neg`` and each benchmark of kind ``mcq`` by accuracy, and ``cc-neg/retrieval``, R@1 from each of CC-Neg's
true captions (the first `MOST` of them) to its image. Accuracies on negation can move either way, since a model that
errs systematically may gain by errors. Retrieval cannot: it says how well the towers work. So it alone decides:
``looks_like`` names the other activation where R@1 is higher with it by more than `MARGIN` points.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch

from pipeline_lib.clip.load import CLIP, activation_of
from pipeline_lib.clip.text_tower import encode_captions
from pipeline_lib.clip.variants import vary
from pipeline_lib.evaluate.benchmark import best_ranks, score_choices
from pipeline_lib.evaluate.ccneg import caption_scores
from pipeline_lib.evaluate.kinds import CCNEG, KINDS, ccneg_items, read_annotations
from pipeline_lib.evaluate.result import load_model, measure, read_model, read_triplets
from pipeline_lib.features.store import load_features, tower_id
from pipeline_lib.formats.annotations import parse_count
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import write_text

MOST = 5000  # captions and images of the retrieval
MARGIN = 2.0  # points of R@1
POOL = "ccneg-eval"


def scores(model: CLIP, triplets: pd.DataFrame, mcq: dict[str, tuple], pools: dict[str, list[str]]) -> pd.DataFrame:
    """Return a model's numbers: benchmark, metric, n and value, in percent.

    `mcq` has for each benchmark its items and its pool, `pools` the files of features of each pool.
    """
    keys, tower = triplets["key"].tolist(), tower_id(model)
    images = load_features(pools[POOL], tower).rows(keys, "the triplets")
    captions, negated = encode_captions(model, [*triplets["caption"], *triplets["negated_caption"]]).chunk(2)
    items = ccneg_items(triplets, *(caption_scores(model, images, side).numpy() for side in (captions, negated)))
    each = torch.arange(min(MOST, len(keys)))
    _, ranks = best_ranks(captions[each], images[each], each, each)
    rows = [
        ("cc-neg", "accuracy", len(items), measure(CCNEG, items)[0]["value"]),
        ("cc-neg/retrieval", "recall@1", len(each), 100 * float((ranks == 1).mean())),
    ]
    for name, (choices, pool) in mcq.items():
        features = load_features(pools[pool], tower)
        items = score_choices(
            KINDS["mcq"],
            choices,
            lambda wanted, features=features, name=name: features.rows(wanted, name),
            lambda texts: encode_captions(model, texts, KINDS["mcq"].cut),
        )
        rows.append((name, "accuracy", len(items), measure(KINDS["mcq"], items, name)[0]["value"]))
    return pd.DataFrame(rows, columns=["benchmark", "metric", "n", "value"])


def compare(mine: pd.DataFrame, theirs: pd.DataFrame, declared: str, other: str) -> pd.DataFrame:
    """Return both activations' numbers side by side, and whether retrieval says that the declaration is wrong."""
    difference = theirs["value"] - mine["value"]
    wrong = (mine["benchmark"] == "cc-neg/retrieval") & (difference > MARGIN)
    return mine.assign(
        activation=declared,
        other_activation=other,
        other_value=theirs["value"],
        difference=difference,
        looks_like=wrong.map({True: other, False: ""}),
    )


def main() -> None:
    """Compare the activations of the model that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", type=Path, required=True, help="the model, a model.pt")
    parser.add_argument("--record", type=Path, required=True, help="run.json beside the weights, which names the model")
    parser.add_argument("--threads", type=int, required=True, help="CPU threads of torch")
    parser.add_argument("--triplets", type=Path, required=True, help="CC-Neg's evaluation split, Parquet")
    for name, activation in (("features", "the declared activation"), ("other", "the other one")):
        what = f"a pool and its features by {activation}; repeatable"
        parser.add_argument(f"--{name}", nargs="+", action="append", required=True, metavar=("POOL", "FILE"), help=what)
    mcq = ("NAME", "ANNOTATIONS", "POOL", "COUNT")
    what = "a benchmark of multiple-choice questions, and the pool with its images; repeatable"
    parser.add_argument("--mcq", nargs=4, action="append", default=[], metavar=mcq, help=what)
    parser.add_argument("--output", type=Path, required=True, help="output: the table, TSV")
    args = parser.parse_args()
    described, model, triplets = read_model(args.record), load_model(args), read_triplets(args.triplets)
    items = {name: (read_annotations("mcq", path, parse_count(count)), pool) for name, path, pool, count in args.mcq}
    features, other = ({pool: files for pool, *files in given} for given in (args.features, args.other))
    declared, mine = activation_of(model), scores(model, triplets, items, features)
    theirs = scores(vary(model, "other-activation"), triplets, items, other)
    table = compare(mine, theirs, declared, activation_of(model))
    for row in table.itertuples(index=False):
        numbers = f"{row.value:.2f} with {declared}, {row.other_value:.2f} with {row.other_activation}"
        print(f"{row.benchmark} {row.metric}: {numbers} (n = {row.n:,})")
        if row.looks_like:
            print(
                f"{described['model']} looks like a model that was trained with {row.looks_like}, and it is declared "
                f"with {declared}: change `activation` of its entry in backbones.models, or of its backbone's"
            )
    table.insert(0, "model", described["model"])
    write_text(args.output, table.to_csv(sep="\t", index=False, float_format="%.2f", lineterminator="\n"))


if __name__ == "__main__":
    run(main)
