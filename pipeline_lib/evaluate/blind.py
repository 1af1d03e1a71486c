"""How far on CC-Neg does one get without looking at the image? Two text-only baselines.

::

    python -m pipeline_lib.evaluate.blind --model blind-words --train train.parquet --triplets eval.parquet \\
        --scores ccneg.parquet --metrics ccneg.json

``blind-rule``: a caption with a negation word (`NEGATION_WORDS`) is the wrong one. ``blind-words``: naive Bayes over
the words that a caption has, fitted on the training triplets, of whose captions half are negated::

    weight(w) = log (n_true(w) + 1) - log (n_negated(w) + 1)        score(caption) = sum of weight(w) over its words w

with n(w) the number of captions that have w; words of both captions cancel out. A comma is a word too, since the
published set deletes it from the negated captions alone.

Items and metrics are those of `pipeline_lib.evaluate.ccneg`, with the scores above in place of cosines. As there, a tie
counts as correct; for the rule that is every sample of which both captions have a negation word, or neither. How many
there are is printed, and what accuracy is left with half of them wrong.
"""

import argparse
import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline_lib.evaluate.kinds import BLIND, CCNEG, ccneg_items
from pipeline_lib.evaluate.result import measure, output_options, write_result
from pipeline_lib.formats.negation import NEGATION_WORDS
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet

_WORD = re.compile(r"\w+(?:['’]\w+)?|[^\w\s]")


def words(caption: str) -> set[str]:
    """Return the distinct words and punctuation marks of a caption, in lower case."""
    return set(_WORD.findall(caption.lower()))


def rule_scores(captions: Iterable[str]) -> list[float]:
    """Return -1 for each caption with a negation word, 0 for the others."""
    return [-1.0 if words(caption).intersection(NEGATION_WORDS) else 0.0 for caption in captions]


def word_weights(captions: Iterable[str], negated: Iterable[str]) -> dict[str, float]:
    """Return each word's log-odds of standing in a caption rather than in a negated one; as many of both are given."""
    true, false = (Counter(word for caption in side for word in words(caption)) for side in (captions, negated))
    return {word: math.log(true[word] + 1) - math.log(false[word] + 1) for word in true | false}


def word_scores(captions: Iterable[str], weights: dict[str, float]) -> list[float]:
    """Return the sum of the weights of each caption's words; a word without a weight adds nothing."""
    # fsum, so that the order of the words does not matter: two captions of the same words tie exactly.
    return [math.fsum(weights.get(word, 0.0) for word in words(caption)) for caption in captions]


def main() -> None:
    """Evaluate the baseline that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", choices=BLIND, required=True)
    parser.add_argument("--train", type=Path, required=True, help="triplets; the rule learns nothing from them")
    parser.add_argument("--triplets", type=Path, required=True)
    output_options(parser)
    args = parser.parse_args()
    triplets = read_parquet(args.triplets)
    captions, negated = triplets["caption"], triplets["negated_caption"]
    if args.model == "blind-rule":
        scores = [rule_scores(side) for side in (captions, negated)]
    else:
        train = read_parquet(args.train, ["caption", "negated_caption"])
        weights = word_weights(train["caption"], train["negated_caption"])
        scores = [word_scores(side, weights) for side in (captions, negated)]
    items = ccneg_items(triplets, *map(np.array, scores))
    model = {"model": args.model, "family": "text only", "backbone": "none"}
    metrics = measure(CCNEG, items)
    write_result(args, {**model, "loss": None, "negatives": None, "seed": None}, "ccneg", items, metrics)
    ties = int((items["score_true"] == items["score_negated"]).sum())
    at_chance = metrics[0]["value"] - 50 * ties / len(items)
    print(f"{ties:,} of {len(items):,} samples tie; with half of them wrong, accuracy {at_chance:.2f}")


if __name__ == "__main__":
    run(main)
