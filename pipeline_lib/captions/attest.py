"""Count what captions describe: the table ``rules/attested.tsv`` of nouns, verbs, and nouns after prepositions.

    python -m pipeline_lib.captions.attest --described coco.txt --captions cc3m.tsv ... > attested.tsv

Inputs: text files with one caption a line (what follows a tab is left out); those of --described are by people who
looked at the picture. Output: lines ``kind TAB level TAB word|word|...``. The kind is ``noun``, ``verb``, a preposition
before the noun, ``verb on`` for a verb before that preposition, or ``verb object`` for verb and object, in all files;
``described noun`` and ``described verb`` are of the first alone. The level is the binary logarithm of the count,
without its fraction. What is seen less often than `LEAST` times is left out, so that no single caption can be told.
"""

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from pipeline_lib.captions.rules.backend import load_tagger
from pipeline_lib.captions.rules.chunks import Caption, cut
from pipeline_lib.captions.rules.visibility import head_of
from pipeline_lib.jobs.cli import run
from pipeline_lib.jobs.text import read_lines

LEAST = 3


def count(captions: Iterable[Caption]) -> Counter:
    """Count (kind, lemma) in captions that are cut into chunks."""
    found: Counter = Counter()
    for caption in captions:
        for chunk, after in zip(caption.chunks, [*caption.chunks[1:], None], strict=True):
            if chunk.kind == "n":
                head = head_of(caption, chunk.span)
                if caption.tags[head] in ("NN", "NNS"):
                    found["noun", caption.lemmas[head].lower()] += 1
            elif chunk.kind == "p" and after is not None and after.kind == "n":
                head = head_of(caption, after.span)
                if caption.tags[head] in ("NN", "NNS"):
                    found[caption.lower[chunk.start], caption.lemmas[head].lower()] += 1
            elif chunk.kind in "ZGgVv":
                verb = caption.lemmas[chunk.start].lower()
                found["verb", verb] += 1
                if after is not None and after.kind == "p":
                    found[f"verb {caption.lower[after.start]}", verb] += 1
                elif after is not None and after.kind == "n":
                    found["verb object", f"{verb} {caption.lemmas[head_of(caption, after.span)].lower()}"] += 1
    return found


def table(found: Counter) -> str:
    """Return the text of the table."""
    words = defaultdict(list)
    for (kind, word), number in found.items():
        if number >= LEAST and word.replace(" ", "").isalpha():
            words[kind, int(math.log2(number))].append(word)
    lines = ["# How often captions have a noun, a verb, or a noun after a preposition; captions/attest.py wrote this."]
    lines += [f"{kind}\t{level}\t{'|'.join(sorted(words[kind, level]))}" for kind, level in sorted(words)]
    return "\n".join(lines)


def main() -> None:
    """Run the command (see the module)."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--described", nargs="+", type=Path, default=[], help="files of captions by people who saw the picture"
    )
    parser.add_argument("--captions", nargs="+", type=Path, default=[], help="files of other captions, such as CC3M's")
    arguments = parser.parse_args()
    tagger = load_tagger("lexicon")

    def counted(paths: Iterable[Path]) -> Counter:
        texts = (line.split("\t")[0].strip().rstrip(".") for path in paths for line in read_lines(path))
        return count(cut(tagger(text)) for text in texts if text)

    described = counted(arguments.described)
    only = Counter(
        {(f"described {kind}", word): n for (kind, word), n in described.items() if kind in ("noun", "verb")}
    )
    print(table(described + counted(arguments.captions) + only))


if __name__ == "__main__":
    run(main)
