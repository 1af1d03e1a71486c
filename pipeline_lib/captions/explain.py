"""Show how a caption is negated: tags, subject, pairs, the choice, and every sentence with its score and the reasons.

    python -m pipeline_lib.captions.explain "a dog on a red sofa" --spacy-model lexicon --seed 0

Input: captions on the command line. Output: text; before each sentence the probability that a strict reader calls it
good, after it what moves the score most (`rules.scoring`).
"""

import argparse

from pipeline_lib.captions.rules.backend import RuleBackend, parse_weights
from pipeline_lib.captions.rules.forms import candidates
from pipeline_lib.captions.rules.relations import parse
from pipeline_lib.captions.rules.scenes import cut_heading
from pipeline_lib.captions.rules.scoring import Scorer, reasons
from pipeline_lib.formats.cc3m import Row
from pipeline_lib.formats.negation import NEGATION_WORDS
from pipeline_lib.jobs.cli import run

EQUAL_WEIGHTS = ",".join(f"{word}=1" for word in NEGATION_WORDS)


def explain(backend: RuleBackend, text: str, key: str) -> str:
    """Return the explanation of one caption, in several lines; its key decides the choice with the backend's seed."""
    (row,) = backend.negate([Row(key, text, "", None)])
    lines = [f"caption    {text}"]
    if text.strip():
        caption = parse(backend.tagger(cut_heading(text)))
        lines.append("tags       " + " ".join(f"{token.text}/{token.tag_}" for token in caption.doc))
        lines.append(f"subject    {row['subject'] or '-'}")
        offered, scorer = candidates(caption), Scorer(caption)
        for number, pair in enumerate(caption.pairs):
            chosen = "*" if number == row["chosen_pair"] else " "
            link = f"{caption.text(pair.predicate)} | {caption.text(pair.object)}"
            lines.append(f"pair {number}   {chosen} {link}   ({pair.kind}, {pair.place})")
            for made in (made for made in offered if made.number == number):
                why = ", ".join(f"{name} {part:+.1f}" for name, part in reasons(caption, made))
                lines.append(f"      {scorer.quality(made):5.2f}  {made.form.rule}: {made.text}   ({why})")
    if row["reason"]:
        lines.append(f"refused    {row['reason']}")
    else:
        lines.append(f"negated    {row['negated_caption']}   ({row['rule']}, quality {row['quality']:.2f})")
        lines.append(f"exclusion  {row['exclusion_caption']}")
        lines.append(f"object     {row['object']}")
    return "\n".join(lines)


def main() -> None:
    """Run the command (see the module)."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("captions", nargs="+", help="one or more captions, each in quotes")
    parser.add_argument(
        "--spacy-model",
        default="lexicon",
        help="'lexicon', our own tagger (default), or the name of an installed spaCy pipeline",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice among several sentences (default: 0)")
    parser.add_argument(
        "--key", default="000000000", help="key of the caption, which the choice depends on too (default: 000000000)"
    )
    parser.add_argument(
        "--word-weights",
        default=EQUAL_WEIGHTS,
        help="how often each negation word is chosen where several fit (default: no=1,not=1,without=1)",
    )
    parser.add_argument(
        "--min-quality",
        type=float,
        default=0.0,
        help="least score, 0 to 1, of a sentence that may be chosen (default: 0)",
    )
    arguments = parser.parse_args()
    weights = parse_weights(arguments.word_weights)
    backend = RuleBackend(arguments.spacy_model, arguments.seed, weights, arguments.min_quality)
    print("\n\n".join(explain(backend, caption, arguments.key) for caption in arguments.captions))


if __name__ == "__main__":
    run(main)
