"""How far on a benchmark does one get without looking at the image? The words of its captions alone: ``blind-words``.

::

    python -m pipeline_lib.evaluate.blind_benchmark --kind mcq --benchmark negbench-mcq-coco \\
        --annotations COCO_val_mcq_llama3.1_rephrased.csv --count 5914 \\
        --scores negbench-mcq-coco.parquet --metrics negbench-mcq-coco.json

The bag of words of `pipeline_lib.blind` learns from the benchmark's own captions which are right. It scores those
of an image by what the captions of other images say, in five parts of the images. Items and metrics are those of
`pipeline_lib.evaluate.benchmark`, with these scores in place of cosines.
"""

import pandas as pd

from pipeline_lib.blind import held_out_scores
from pipeline_lib.evaluate.declaration import Choice, Kind
from pipeline_lib.evaluate.kinds import KINDS, TEXT_ONLY, read_annotations
from pipeline_lib.evaluate.result import benchmark_options, choice_items, output_parser, write_result
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.run_record import baseline


def score_words(kind: Kind, rows: list[Choice]) -> pd.DataFrame:
    """Return the items of `choice_items`, scored by a bag of words that has seen no caption of the item's image."""
    offered = [(row.images[0], number in row.right, text) for row in rows for number, text in enumerate(row.captions)]
    images, right, texts = zip(*offered, strict=True)
    return choice_items(kind, rows, held_out_scores(texts, right, images))


def main() -> None:
    """Evaluate the bag of words on the benchmark that the command line names."""
    parser = output_parser(__doc__)
    benchmark_options(parser, [name for name, kind in KINDS.items() if kind.chooses_captions])
    args = parser.parse_args()
    kind = KINDS[args.kind]
    items = score_words(kind, read_annotations(args.kind, args.annotations, args.count))
    write_result(args, baseline("blind-words", TEXT_ONLY, "none"), kind.without_image, items, args.benchmark)


if __name__ == "__main__":
    run(main)
