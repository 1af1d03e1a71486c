"""How far on CC-Neg does one get without looking at the image? Two text-only baselines.

::

    python -m pipeline_lib.evaluate.blind --model blind-words --train train.parquet --triplets eval.parquet \\
        --scores ccneg.parquet --metrics ccneg.json

``blind-rule``: a caption with a negation word (`NEGATION_WORDS`) is the wrong one. ``blind-words``: the bag of words of
`pipeline_lib.blind.words`, fitted on the captions and negated captions of the training triplets; for benchmarks without
a training split see `pipeline_lib.evaluate.blind_benchmark`. A comma is a word too: the published set deletes it from
the negated captions alone.

Items and metrics are those of `pipeline_lib.evaluate.ccneg`, with the scores above in place of cosines. As there, a tie
counts as correct; for the rule that is every sample of which both captions have a negation word, or neither. How many
there are is printed, and what accuracy is left with half of them wrong.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline_lib.blind.words import fit, scores, words
from pipeline_lib.evaluate.kinds import BLIND, CCNEG, TEXT_ONLY, ccneg_items
from pipeline_lib.evaluate.result import measure, output_options, read_triplets, write_result
from pipeline_lib.formats.negation import NEGATION_WORDS
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.files import read_parquet
from pipeline_lib.jobs.run_record import baseline


def rule_scores(captions: Iterable[str]) -> np.ndarray:
    """Return -1 for each caption with a negation word, 0 for the others."""
    return np.array([-1.0 if {*words(caption)}.intersection(NEGATION_WORDS) else 0.0 for caption in captions])


def main() -> None:
    """Evaluate the baseline that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", choices=BLIND, required=True, help="rule on negation words, or bag of words")
    parser.add_argument(
        "--train", type=Path, required=True, help="CC-Neg's training split, Parquet, from which blind-words learns"
    )
    parser.add_argument("--triplets", type=Path, required=True, help="CC-Neg's evaluation split, Parquet")
    output_options(parser)
    args = parser.parse_args()
    triplets = read_triplets(args.triplets)
    captions, negated = triplets["caption"], triplets["negated_caption"]
    if args.model == "blind-rule":
        found = [rule_scores(side) for side in (captions, negated)]
    else:
        train = read_parquet(args.train, ["caption", "negated_caption"])
        model = fit([*train["caption"], *train["negated_caption"]], np.repeat([True, False], len(train)))
        found = [scores(model, side) for side in (captions, negated)]
    items = ccneg_items(triplets, *found)
    metrics = measure(CCNEG, items)
    write_result(args, baseline(args.model, TEXT_ONLY, "none"), "ccneg", items, metrics)
    ties = int((items["score_true"] == items["score_negated"]).sum())
    at_chance = metrics[0]["value"] - 50 * ties / len(items)
    print(f"{ties:,} of {len(items):,} samples tie; with half of them wrong, accuracy {at_chance:.2f}")


if __name__ == "__main__":
    run(main)
