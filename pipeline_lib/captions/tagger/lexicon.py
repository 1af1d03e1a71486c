"""The lexicon: which tags a word can have, what each costs, and its lemma.

Function words come from `words`, the others from LemmInflect's lexicon, words that it does not know are guessed by
their ending. `tagger` chooses among the tags by what surrounds the word.
"""

import re
from functools import lru_cache

import lemminflect

from pipeline_lib.captions.tagger import usual, words
from pipeline_lib.captions.tagger.costs import PRIORS
from pipeline_lib.captions.tagger.dictionary import lemmas as known_lemmas
from pipeline_lib.captions.tagger.dictionary import past_tags

SUFFIXES = (
    ("ly", {"RB": 0.0, "JJ": 1.0}),
    ("ing", {"VBG": 0.0, "NN": 0.5, "JJ": 0.8}),
    ("ed", {"VBN": 0.0, "VBD": 0.4, "JJ": 0.3}),
    ("ous", {"JJ": 0.0}),
    ("ful", {"JJ": 0.0}),
    ("less", {"JJ": 0.0}),
    ("able", {"JJ": 0.0}),
    ("ible", {"JJ": 0.0}),
    ("ish", {"JJ": 0.0, "NN": 0.8}),
    ("ic", {"JJ": 0.0, "NN": 0.6}),
    ("ern", {"JJ": 0.0, "NN": 0.6}),
    ("al", {"JJ": 0.0, "NN": 0.5}),
    ("ive", {"JJ": 0.0, "NN": 0.8}),
    ("ss", {"NN": 0.0}),
    ("us", {"NN": 0.0}),
    ("is", {"NN": 0.0}),
    ("s", {"NNS": 0.0, "NN": 0.8, "VBZ": 1.5}),
)
ADDRESS = re.compile(r"\w@\w|^www\.|^https?:|\.com$")
FILE = re.compile(r"\w\.(?:pdf|docx?|jpe?g|html?|xls|txt)$")
ORDINAL = re.compile(r"\d+(?:st|nd|rd|th|s)")
NUMBER = re.compile(r"[£$€#+]?\d[\d.,:/'-]*(?:k|m|cm|mm|ft)?")
RULED_LINE = re.compile(r"[_=]{4,}")


def _function_words() -> dict[str, dict[str, float]]:
    table = {word: {tag: 0.0} for tag, listed in words.CLOSED.items() for word in listed.split()}
    return table | words.AMBIGUOUS


FUNCTION_WORDS = _function_words()


@lru_cache(maxsize=1 << 17)
def lexicon_tags(word: str) -> dict[str, tuple[float, str]]:
    """Return the tags that a lower-case open-class word may have, each with its cost and its lemma.

    Parameters
    ----------
    word : str
        Lower-case.

    Returns
    -------
    dict of str to (float, str)
        Empty where the lexicon does not know the word.
    """
    tags: dict[str, tuple[float, str]] = {}
    lemmas = known_lemmas(word)
    verb_first = any(lemma in usual.VERBS_FIRST for lemma in lemmas.get("verb", ())) and word not in usual.NOUNS_FIRST
    adjective_first = word in usual.ADJECTIVES_FIRST
    noun_first = word in usual.NOUNS_FIRST or not (verb_first or adjective_first)
    nouns = lemmas.get("noun", ())
    if not nouns and (word in usual.NOUNS_TOO or word.removesuffix("s") in usual.NOUNS_TOO):
        nouns = (word if word in usual.NOUNS_TOO else word.removesuffix("s"),)
    for lemma in nouns:
        cost = 0.7 if not noun_first else 0.3 if "adj" in lemmas and word not in usual.NOUNS_FIRST else 0.0
        if lemma == word:
            tags["NN"] = (cost + (0.5 if word.endswith("ing") else 0.0), lemma)
            if word in INVARIANT:
                tags["NNS"] = (cost + TIE, lemma)
            if word in PLURAL_ONLY:
                del tags["NN"]
        else:
            tags["NNS"] = (cost, lemma)
    for lemma in lemmas.get("verb", ()):
        for tag in _verb_tags(word, lemma):
            cost = (0.2 if tag == "VBP" else 0.0) if verb_first else PRIORS[tag]
            tags.setdefault(tag, (cost, lemma))
    if "VBZ" in tags and "NNS" not in tags:  # the list lacks some plurals: "scissors", "pans"
        noun = "NN" in tags or "noun" in known_lemmas(tags["VBZ"][1])
        tags["NNS"] = (0.9 if noun else NO_NOUN, word if "NN" in tags else tags["VBZ"][1])
    if word.endswith("ing") and "VBG" in tags:
        tags.setdefault("NN", (1.0, word))
    if "adj" in lemmas:
        lemma = lemmas["adj"][0]
        tag = "JJ" if lemma == word or not word.endswith(("er", "est")) else "JJR" if word.endswith("er") else "JJS"
        tags[tag] = (0.8 if word in usual.NOUNS_FIRST else 0.4 if "VBG" in tags or "VBN" in tags else 0.1, lemma)
    elif adjective_first:
        tags["JJ"] = (0.1, word)
    elif "NN" in tags and word.endswith(ADJECTIVE_ENDINGS) and not word.endswith(NOUN_ENDINGS):
        tags["JJ"], tags["NN"] = (0.0, word), (0.5, word)  # LemmInflect lists "visible" as a noun
    if word in usual.VERBS_NEARLY_ALWAYS:
        tags = {tag: (cost + (1.8 if tag in ("NN", "NNS") else 0.0), lemma) for tag, (cost, lemma) in tags.items()}
    if "adv" in lemmas:
        lemma = lemmas["adv"][0]
        tags["RB"] = (0.0 if word.endswith("ly") else 1.6 if "NN" in tags and "VB" in tags else 0.8, lemma)
    if "VBN" in tags and word.endswith("ed") and "NN" in tags and len(word) > 4:
        del tags["NN"]  # LemmInflect lists "married" as a noun
    if "VBN" in tags and word.endswith("ed"):
        tags.setdefault("JJ", (RARE, word))
    for tag in ("NN", "VBG", "VBN", "VBD"):  # an adjective or a plural wins where all else is equal
        if tag in tags and ("JJ" in tags or ("NNS" in tags and word not in INVARIANT)):
            tags[tag] = (tags[tag][0] + TIE, tags[tag][1])
    return tags


TIE = 0.02
NO_NOUN = 2.0  # a form in -s of what is only a verb
RARE = 3.0  # for `context` to take, and hardly ever the cheapest


INVARIANT = words.word_set("fish sheep deer aircraft species series people police cattle salmon trout bison moose")
ADJECTIVE_ENDINGS = ("able", "ible", "ous", "ful", "less", "ish")
NOUN_ENDINGS = ("table", "cable", "stable", "fable", "fish", "dish", "brush", "radish", "relish", "finish", "handful")
PLURAL_ONLY = words.word_set("people police cattle")


def _verb_tags(word: str, lemma: str) -> list[str]:
    """Return the Penn tags for which `word` is a form of the verb `lemma`."""
    past = past_tags(word, lemma)
    if word == lemma:
        return ["VB", "VBP", *past]
    if word.endswith("ing"):
        return ["VBG"]
    return past or (["VBZ"] if word.endswith("s") else ["VBD", "VBN"])


def _unknown(word: str) -> dict[str, tuple[float, str]]:
    """Guess the tags of a word that no lexicon has, by its ending."""
    for suffix, tags in SUFFIXES:
        if word.endswith(suffix) and len(word) > len(suffix) + 2:
            return {tag: (cost, _stem(word, tag)) for tag, cost in tags.items()}
    return {"NN": (0.0, word), "JJ": (1.0, word)}


def _stem(word: str, tag: str) -> str:
    pos = {"NNS": "NOUN", "VBZ": "VERB", "VBG": "VERB", "VBN": "VERB", "VBD": "VERB"}.get(tag)
    lemmas = lemminflect.getAllLemmasOOV(word, pos).get(pos, ()) if pos else ()
    return lemmas[0] if lemmas else word


@lru_cache(maxsize=1 << 17)
def candidates(text: str, first: bool, titled: bool) -> dict[str, tuple[float, str]]:
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
    if text == "US" or word in words.NAMES or ADDRESS.search(word):
        return {"NNP": (0.0, text)}
    if FILE.search(word):
        return {"NN": (0.0, text)}
    if word in FUNCTION_WORDS:
        lemma = "be" if word in BE_FORMS else "have" if word in HAVE_FORMS else "do" if word in DO_FORMS else word
        lemmas = lexicon_tags(word)
        return {
            tag: (cost, lemmas[tag][1] if tag in lemmas and tag[0] in "NV" else word if tag == "POS" else lemma)
            for tag, cost in FUNCTION_WORDS[word].items()
        }
    if text.isspace():
        return {"_SP": (0.0, text)}
    if ORDINAL.fullmatch(word):
        return {"NN": (0.0, word), "JJ": (0.1, word)}
    if NUMBER.fullmatch(word):
        return {"CD": (0.0, word)}
    if not any(character.isalnum() for character in text):
        return _punctuation(text)
    known = lexicon_tags(word)
    tags = known or _unknown(word)
    if word.endswith(DEMONYMS) and not known:
        tags = {"JJ": (0.0, word), "NNP": (0.5, text), "NN": (0.8, word)}
    if not text[0].isupper() or (known and len(text) > 3 and text.isupper()):
        return tags
    if first and known:
        return tags | {"NNP": (1.3, text)}
    if word.endswith(DEMONYMS):
        return {tag: (cost + 1.0, lemma) for tag, (cost, lemma) in tags.items()} | {
            "JJ": (0.0, word), "NNP": (0.5, text)
        }  # fmt: skip
    if known and titled and not first:
        return tags | {"NNP": (0.15, text)}
    extra = 2.0 if first else 0.8 if known else 1.6
    return {tag: (cost + extra, lemma) for tag, (cost, lemma) in tags.items()} | {"NNP": (0.0, text)}


# Endings of adjectives that are written with a capital: Palestinian, British, Japanese, Iraqi.
DEMONYMS = (
    "ian",
    "ican",
    "ean",
    "ish",
    "nese",
    "aqi",
    "aeli",
    "stani",
    "ench",
    "utch",
    "uslim",
    "unni",
    "amic",
    "iite",
)
BE_FORMS = words.word_set("is are was were am 're 'm be been being 's ’s s m r")
HAVE_FORMS = words.word_set("has had have 've ve having")
DO_FORMS = words.word_set("does did do done doing")


def _punctuation(text: str) -> dict[str, tuple[float, str]]:
    if RULED_LINE.fullmatch(text):
        return {"SYM": (0.0, text)}
    if text in ("-", "–", "/"):
        return {"HYPH": (0.0, text)}
    if text in ('"', "``", "''", "“", "”", "‘", "’", "(", ")", "[", "]"):
        return {"``": (0.0, text)}
    if text in ",;":
        return {",": (0.0, text)}
    if text[0] in ":;=" and len(text) > 1 and text[1] in "-)(DPp/":
        return {"SYM": (0.0, text)}
    if text[0] in ".!?:…-—*|•~<>_=":
        return {".": (0.0, text)}
    return {"SYM": (0.0, text)}


def in_lexicon(word: str) -> bool:
    """Whether a lower-case word is an English word that the lexicon or the table of function words has."""
    return word in FUNCTION_WORDS or bool(lexicon_tags(word))
