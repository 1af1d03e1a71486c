"""What the tests of the captions stage share: a backend, the command, and captions that it reads."""

from pathlib import Path

import pyarrow.parquet as pq

from pipeline_lib.captions.negate import main
from pipeline_lib.captions.rules.backend import RuleBackend
from pipeline_lib.captions.rules.relations import parse
from pipeline_lib.formats.cc3m import Row
from pipeline_lib.formats.negation import NEGATION_WORDS
from pipeline_lib.formats.word_lists import read_table

WEIGHTS = dict.fromkeys(NEGATION_WORDS, 1.0)
BACKEND = RuleBackend("lexicon", 0, WEIGHTS)
FLAGS = ["--spacy-model", "lexicon", "--seed", "0", "--word-weights", "no=1,not=1,without=1"]


def negate(captions, output, *flags):
    """Run the command on a captions file and return its table; a flag that is given twice counts the last time."""
    main(["--captions", str(captions), "--output", str(output), *FLAGS, *map(str, flags)])
    return pq.read_table(output)


def rows_of(captions):
    """The rows of a captions file."""
    return [Row(f"{number:09d}", caption, "", None) for number, caption in enumerate(captions)]


def read_cases(name):
    """The lines of a file of captions and what is expected of them, in fields."""
    return list(read_table(Path(__file__).parent / "captions" / name))


def read(text):
    """A caption, tagged and parsed."""
    return parse(BACKEND.tagger(text))


def pairs_of(text):
    """Predicate and object of every pair of a caption."""
    caption = read(text)
    return [(caption.text(pair.predicate), caption.text(pair.object)) for pair in caption.pairs]
