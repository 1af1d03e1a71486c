"""What LemmInflect's word lists say of a word: its parts of speech, its lemmas and, of a verb, its past forms.

The lists are read here because LemmInflect's own functions take ten times as long to load them and copy what they
return. Input: the two ``.csv.gz`` files of the installed package. Output: plain dictionaries, one look-up per word.
"""

import gzip
from functools import cache

from lemminflect import config


@cache
def _rows(path: str) -> dict[str, list[str]]:
    """Return word to what its lines say after the word: ``category,form,form,...``."""
    table: dict[str, list[str]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines.read().splitlines():
            word, _, rest = line.partition(",")
            table.setdefault(word, []).append(rest)
    return table


def lemmas(word: str) -> dict[str, tuple[str, ...]]:
    """Return part of speech (``noun``, ``verb``, ``adj``, ``adv``, ``aux``) to the lemmas that `word` may be a form of.

    Parameters
    ----------
    word : str
        Lower-case; or with a capital, of which the list knows some names.
    """
    found = {}
    for row in _rows(config.lemma_lu_fn).get(word, ()):
        category, _, forms = row.partition(",")
        found[category] = tuple(forms.split("/"))
    return found


def past_tags(word: str, lemma: str) -> list[str]:
    """Return which of VBD and VBN the form `word` of the verb `lemma` is; neither where it is another form."""
    for row in _rows(config.inflection_lu_fn).get(lemma, ()):
        category, *forms = row.split(",")
        if category == "verb":
            past, participle = (form.split("/") for form in [*forms, ""][:2])
            if word.endswith("ed") and word in [*past, *participle]:
                return ["VBD", "VBN"]  # "knitted" is both, though the list has it beside "knit" in one of them
            return [
                tag for tag, forms in (("VBD", past), ("VBN", participle if participle[0] else past)) if word in forms
            ]
    return ["VBD", "VBN"] if word.endswith("ed") else []
