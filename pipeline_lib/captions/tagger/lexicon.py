"""The lexicon: which tags a word can have, what each costs, and its lemma.

Function words come from ``function-words.txt``, the others from LemmInflect's lexicon, which says which tags a word can
have and never which is usual: ``words.txt`` does. Words that no list has are guessed by their ending. Costs are free
numbers on a scale where 0 is "as expected", 2 is "rare" and 4 is "hardly ever".
"""

import gzip
import re
from functools import cache, lru_cache
from pathlib import Path

import lemminflect
from lemminflect import config

from pipeline_lib.formats.word_lists import read_table, read_word_lists

# The tags that a token may have, each with its cost and its lemma.
Tags = dict[str, tuple[float, str]]

WORDS = read_word_lists(Path(__file__).with_name("words.txt"))
# How unusual it is that a word is this form of a verb, where it may be a noun or an adjective too.
VERB_COSTS = {"VB": 1.0, "VBP": 1.2, "VBZ": 0.9, "VBD": 0.3, "VBN": 0.3, "VBG": 0.1}
TIE = 0.02  # decides where all else is equal
NO_NOUN = 2.0  # a form in -s of what is only a verb
RARE = 3.0  # for `context` to take, and hardly ever the cheapest

ADJECTIVE_ENDINGS, NOUN_ENDINGS = tuple(WORDS.adjective_endings), tuple(WORDS.noun_endings)
DEMONYMS = tuple(WORDS.demonyms)
ADDRESS = re.compile(r"\w@\w|^www\.|^https?:|\.com$")
FILE = re.compile(r"\w\.(?:pdf|docx?|jpe?g|html?|xls|txt)$")
ORDINAL = re.compile(r"\d+(?:st|nd|rd|th|s)")
NUMBER = re.compile(r"[£$€#+]?\d[\d.,:/'-]*(?:k|m|cm|mm|ft)?")
RULED_LINE = re.compile(r"[_=]{4,}")


def _read_tag_costs(path: Path) -> dict[str, dict[str, float]]:
    """Return word, or ending, to its tags and their costs; lines are ``that TAB WDT=0.6 DT=0.4``."""
    table = {}
    for word, tags in read_table(path):
        costs = (tag.partition("=") for tag in tags.split())
        table[word] = {tag: float(cost or 0) for tag, _, cost in costs}
    return table


FUNCTION_WORDS = _read_tag_costs(Path(__file__).with_name("function-words.txt"))
ENDINGS = _read_tag_costs(Path(__file__).with_name("endings.txt"))
# Form of be, have or do to its lemma and its Penn tag.
AUXILIARIES = {form: (lemma, tag) for form, lemma, tag in read_table(Path(__file__).with_name("auxiliaries.txt"))}


def in_lexicon(word: str) -> bool:
    """Whether a lower-case word is an English word that the lexicon or the table of function words has."""
    return word in FUNCTION_WORDS or bool(lexicon_tags(word))


@lru_cache(maxsize=1 << 17)
def candidates(text: str, first: bool, titled: bool) -> Tags:
    """Return the tags that a token may have, each with its cost and its lemma.

    Parameters
    ----------
    text : str
        The token as it is written.
    first : bool
        Whether a sentence starts here, so that a capital says nothing.
    titled : bool
        Whether every long word around has a capital, as in a heading, so that a capital says little.
    """
    word = text.lower()
    if text == "US" or word in WORDS.names or word in WORDS.calendar or ADDRESS.search(word):
        return {"NNP": (0.0, text)}
    if FILE.search(word):
        return {"NN": (0.0, text)}
    if word in FUNCTION_WORDS:
        return _function_word_tags(word)
    if text.isspace():
        return {"_SP": (0.0, text)}
    if ORDINAL.fullmatch(word):
        return {"NN": (0.0, word), "JJ": (0.1, word)}
    if NUMBER.fullmatch(word):
        return {"CD": (0.0, word)}
    if not any(character.isalnum() for character in text):
        return {_punctuation_tag(text): (0.0, text)}
    known = lexicon_tags(word)
    tags = known or _guess(word)
    if word.endswith(DEMONYMS) and not known:
        tags = {"JJ": (0.0, word), "NNP": (0.5, text), "NN": (0.8, word)}
    if not text[0].isupper() or (known and len(text) > 3 and text.isupper()):
        return tags
    if first and known:
        return tags | {"NNP": (1.3, text)}
    if word.endswith(DEMONYMS):
        return _costlier(tags, 1.0) | {"JJ": (0.0, word), "NNP": (0.5, text)}
    if known and titled and not first:
        return tags | {"NNP": (0.15, text)}
    return _costlier(tags, 2.0 if first else 0.8 if known else 1.6) | {"NNP": (0.0, text)}


def _costlier(tags: Tags, extra: float) -> Tags:
    return {tag: (cost + extra, lemma) for tag, (cost, lemma) in tags.items()}


def _function_word_tags(word: str) -> Tags:
    lemma, _ = AUXILIARIES.get(word, (word, ""))
    known = lexicon_tags(word)
    return {
        tag: (cost, known[tag][1] if tag in known and tag[0] in "NV" else word if tag == "POS" else lemma)
        for tag, cost in FUNCTION_WORDS[word].items()
    }


def _punctuation_tag(text: str) -> str:
    if RULED_LINE.fullmatch(text):
        return "SYM"
    if text in ("-", "–", "/"):
        return "HYPH"
    if text in ('"', "``", "''", "“", "”", "‘", "’", "(", ")", "[", "]"):
        return "``"
    if text in ",;":
        return ","
    if text[0] in ":;=" and len(text) > 1 and text[1] in "-)(DPp/":
        return "SYM"
    return "." if text[0] in ".!?:…-—*|•~<>_=" else "SYM"


def _guess(word: str) -> Tags:
    """Guess the tags of a word that no lexicon has, by its ending."""
    for ending, tags in ENDINGS.items():
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return {tag: (cost, _stem(word, tag)) for tag, cost in tags.items()}
    return {"NN": (0.0, word), "JJ": (1.0, word)}


def _stem(word: str, tag: str) -> str:
    pos = {"NNS": "NOUN", "VBZ": "VERB", "VBG": "VERB", "VBN": "VERB", "VBD": "VERB"}.get(tag)
    lemmas = lemminflect.getAllLemmasOOV(word, pos).get(pos, ()) if pos else ()
    return lemmas[0] if lemmas else word


@lru_cache(maxsize=1 << 17)
def lexicon_tags(word: str) -> Tags:
    """Return the tags that a lower-case open-class word may have; none where the lexicon does not know the word."""
    tags: Tags = {}
    lemmas = _known_lemmas(word)
    noun_listed = word in WORDS.nouns_first
    verb_first = not noun_listed and any(lemma in WORDS.verbs_first for lemma in lemmas.get("verb", ()))
    adjective_first = word in WORDS.adjectives_first
    noun_first = noun_listed or not (verb_first or adjective_first)
    for lemma in _noun_lemmas(word, lemmas):
        cost = 0.7 if not noun_first else 0.3 if "adj" in lemmas and not noun_listed else 0.0
        if lemma != word:
            tags["NNS"] = (cost, lemma)
            continue
        if word not in WORDS.plural_only:
            tags["NN"] = (cost + (0.5 if word.endswith("ing") else 0.0), lemma)
        if word in WORDS.invariant:
            tags["NNS"] = (cost + TIE, lemma)
    for lemma in lemmas.get("verb", ()):
        for tag in _verb_tags(word, lemma):
            cost = (0.2 if tag == "VBP" else 0.0) if verb_first else VERB_COSTS[tag]
            tags.setdefault(tag, (cost, lemma))
    if "VBZ" in tags and "NNS" not in tags:  # the list lacks some plurals: "scissors", "pans"
        noun = "NN" in tags or "noun" in _known_lemmas(tags["VBZ"][1])
        tags["NNS"] = (0.9 if noun else NO_NOUN, word if "NN" in tags else tags["VBZ"][1])
    if word.endswith("ing") and "VBG" in tags:
        tags.setdefault("NN", (1.0, word))
    if "adj" in lemmas:
        lemma = lemmas["adj"][0]
        tag = "JJ" if lemma == word or not word.endswith(("er", "est")) else "JJR" if word.endswith("er") else "JJS"
        tags[tag] = (0.8 if noun_listed else 0.4 if "VBG" in tags or "VBN" in tags else 0.1, lemma)
    elif adjective_first:
        tags["JJ"] = (0.1, word)
    elif "NN" in tags and word.endswith(ADJECTIVE_ENDINGS) and not word.endswith(NOUN_ENDINGS):
        tags["JJ"], tags["NN"] = (0.0, word), (0.5, word)  # LemmInflect lists "visible" as a noun
    if word in WORDS.verbs_nearly_always:
        tags |= _costlier({tag: tags[tag] for tag in ("NN", "NNS") if tag in tags}, 1.8)
    if "adv" in lemmas:
        cost = 0.0 if word.endswith("ly") else 1.6 if "NN" in tags and "VB" in tags else 0.8
        tags["RB"] = (cost, lemmas["adv"][0])
    if "VBN" in tags and word.endswith("ed"):
        if "NN" in tags and len(word) > 4:
            del tags["NN"]  # LemmInflect lists "married" as a noun
        tags.setdefault("JJ", (RARE, word))
    for tag in ("NN", "VBG", "VBN", "VBD"):  # an adjective or a plural wins where all else is equal
        if tag in tags and ("JJ" in tags or ("NNS" in tags and word not in WORDS.invariant)):
            tags[tag] = (tags[tag][0] + TIE, tags[tag][1])
    return tags


def _noun_lemmas(word: str, lemmas: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    if "noun" in lemmas:
        return lemmas["noun"]
    return tuple(noun for noun in (word, word.removesuffix("s")) if noun in WORDS.nouns_missing)[:1]


def _verb_tags(word: str, lemma: str) -> list[str]:
    """Return the Penn tags for which `word` is a form of the verb `lemma`."""
    past = _past_tags(word, lemma)
    if word == lemma:
        return ["VB", "VBP", *past]
    if word.endswith("ing"):
        return ["VBG"]
    return past or (["VBZ"] if word.endswith("s") else ["VBD", "VBN"])


@cache
def _lemminflect_rows(path: str) -> dict[str, list[str]]:
    """Return word to what its lines in a ``.csv.gz`` of LemmInflect say after the word: ``category,form,form,...``.

    LemmInflect's own functions take ten times as long to load the lists, and copy what they return.
    """
    table: dict[str, list[str]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines.read().splitlines():
            word, _, rest = line.partition(",")
            table.setdefault(word, []).append(rest)
    return table


def _known_lemmas(word: str) -> dict[str, tuple[str, ...]]:
    """Return part of speech (``noun``, ``verb``, ``adj``, ``adv``, ``aux``) to the lemmas of which `word` is a form."""
    rows = (row.partition(",") for row in _lemminflect_rows(config.lemma_lu_fn).get(word, ()))
    return {category: tuple(forms.split("/")) for category, _, forms in rows}


def _past_tags(word: str, lemma: str) -> list[str]:
    """Return which of VBD and VBN the form `word` of the verb `lemma` is; neither where it is another form."""
    for row in _lemminflect_rows(config.inflection_lu_fn).get(lemma, ()):
        category, *forms = row.split(",")
        if category == "verb":
            past, participle = (form.split("/") for form in [*forms, ""][:2])
            if word.endswith("ed") and word in [*past, *participle]:
                return ["VBD", "VBN"]  # "knitted" is both, though the list has it beside "knit" in one of them
            participle = participle if participle[0] else past
            return [tag for tag, listed in (("VBD", past), ("VBN", participle)) if word in listed]
    return ["VBD", "VBN"] if word.endswith("ed") else []
