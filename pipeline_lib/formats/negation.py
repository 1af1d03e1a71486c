"""The negation table: the file in which the captions stage hands negated captions on, one row per row of the captions.

`NEGATION_WORDS` is the one list of the words that negate.
"""

import pyarrow as pa

NEGATION_WORDS = ("no", "not", "without")

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("caption", pa.string()),
        ("subject", pa.string()),
        ("pairs", pa.list_(pa.struct([("predicate", pa.string()), ("object", pa.string())]))),
        ("chosen_pair", pa.int32()),  # index into `pairs`, -1 where refused
        ("negation_word", pa.string()),
        ("negated_caption", pa.string()),
        ("exclusion_caption", pa.string()),
        ("object", pa.string()),
        ("quality", pa.float64()),  # probability that a strict reader calls the negated caption good, of four digits
        ("status", pa.string()),  # "negated" or "refused"
        ("reason", pa.string()),  # of a refusal
        ("backend", pa.string()),  # with its spaCy pipeline: "rules:lexicon"
        ("model", pa.string()),  # of the chat backend
        ("rule", pa.string()),  # name of the form, of the rules
        ("prompt", pa.string()),  # hash of the prompts, of the chat backend
        ("code", pa.string()),  # hash of the sources of this stage
        ("seed", pa.int64()),
    ]
)
