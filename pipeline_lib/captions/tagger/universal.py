"""Universal parts of speech of tagged words: `POS_OF_TAG`, but for what Universal Dependencies decides otherwise.

Tags of a caption (`context.Tagged`) go in, one part of speech per word comes out. `RULES` are conventions of the
treebanks, each for some words, some tags or both; the first that holds decides, and those for words come first.
``tests/test_captions_tagger_rules.py`` has a sentence for each.
"""

from collections.abc import Callable
from typing import NamedTuple

from pipeline_lib.captions.tagger import words
from pipeline_lib.captions.tagger.context import NOUNS, Tagged
from pipeline_lib.captions.tagger.lexicon import lexicon_tags
from pipeline_lib.captions.tagger.words import word_set

POS_OF_TAG = {
    "DT": "DET", "PRP": "PRON", "PRP$": "PRON", "MD": "AUX", "CC": "CCONJ", "IN": "ADP", "WDT": "PRON", "WRB": "ADV",
    "RB": "ADV", "RBR": "ADV", "RBS": "ADV", "JJ": "ADJ", "JJR": "ADJ", "JJS": "ADJ", "CD": "NUM", "UH": "INTJ",
    "TO": "PART", "EX": "PRON", "RP": "ADP", "POS": "PART", "NN": "NOUN", "NNS": "NOUN", "NNP": "PROPN", "VB": "VERB",
    "VBP": "VERB", "VBZ": "VERB", "VBD": "VERB", "VBN": "VERB", "VBG": "VERB", ",": "PUNCT", ".": "PUNCT",
    "HYPH": "PUNCT", "``": "PUNCT", "SYM": "SYM", "_SP": "SPACE", "BE": "AUX", "BEN": "AUX", "HV": "VERB", "DO": "VERB",
}  # fmt: skip
VERB_FORMS = frozenset(["VB", "VBP", "VBZ", "VBD", "VBN", "VBG"])
SAYS = VERB_FORMS | {"BE", "JJ"}
ADJECTIVES = ("JJ", "JJR", "JJS")
# What stands behind a preposition that has lost its noun phrase, so that it is an adverb.
STRANDED = frozenset([".", ",", "CC", "IN", "TO", "VBZ", "BE", "MD", "WRB"])
PHRASE_GOES_ON = frozenset(["NN", "NNS", "JJ", "CD", "NNP", "VBN", "VBG", "JJS", "JJR"])
STARTS_CLAUSE = ("NNS", "NNP", "DT", "PRP", "PRP$", "EX", "IN", "RB", "``", "CD")

DEGREES = word_set("very really so extremely too quite")
INTENSIFIERS = word_set("super real way right pretty all that")
SUBORDINATORS = word_set("because if although though whereas unless whether while since until till that so")
GERUND_MARKERS = word_set("of for by with from about in without after before on despite since than at upon")
CLAUSE_MARKERS = word_set("as after before like than until till since")
CLAUSE_NOUNS = word_set(
    "fact claim claims proof idea news report reports belief hope feeling notion view understanding"
)
WANTING = word_set("want wants wanted need needs needed have has had like able try tried going used")
FLAT_ADVERBS = word_set("hard fine late early long fast live right close high low deep straight further")
DAYS = word_set("today tonight tomorrow yesterday")
PHRASE = frozenset(["DT", "PRP", "PRP$", "JJ", "JJR", "JJS", "NN", "NNS", "NNP", "CD", "RB", "POS", "HYPH", "EX", "``"])
FINITE_FORMS = frozenset(["VBZ", "VBP", "VBD", "BE", "HV", "MD", "DO"])
PRONOUN_NOUNS = word_set(words.CLOSED["NN"])
ARTICLES = word_set("the a an every no each")
NOT = word_set("not n't n’t nt")


class Rule(NamedTuple):
    """A word among `words` (any where empty), tagged as one of `tags` (any where empty), is a `pos` if `when` holds."""

    name: str
    words: frozenset[str]
    tags: tuple[str, ...]
    pos: str
    when: Callable[[Tagged, int], bool]


ANY: frozenset[str] = frozenset()


def _adjective_name(s: Tagged, i: int) -> bool:
    """Whether a capital belongs to an adjective: "the Great Wall"."""
    tags = lexicon_tags(s.words[i])
    return s.tags[i + 1] in NOUNS and "JJ" in tags and tags["JJ"][0] <= tags.get("NN", tags["JJ"])[0]


def _clause_follows(s: Tagged, i: int) -> bool:
    """Whether a noun phrase and its finite verb follow: "as the sun sets", not "like the sun"."""
    j = i + 1
    while s.tags[j] in PHRASE:
        j += 1
    return j > i + 1 and s.tags[j] in FINITE_FORMS


def _have_helps(s: Tagged, i: int) -> bool:
    """Whether a form of *have* has its participle to the right."""
    if s.words[i + 1] in NOT:
        return True
    for right in s.tags[i + 1 : i + 7]:
        if right in ("VBN", "BEN", "VBD", "HV"):
            return True
        if right not in ("RB", "PRP", "DT"):
            return False
    return False


def _do_helps(s: Tagged, i: int) -> bool:
    """Whether a form of *do* has its verb to the right in the same clause, or ends it: "as dogs do ."."""
    if s.words[i + 1] in NOT:
        return True
    if s.tags[i] == "VB" or "MD" in s.tags[i - 2 : i]:
        return False
    for right in s.tags[i + 1 : i + 7]:
        if right in (",", "."):
            return right == "." and s.tags[i + 1] == "."
        if right in ("VB", "VBP", "HV"):
            return True
    return False


RULES = (
    Rule("fact-that", word_set("that"), ("WDT", "IN", "DT"), "SCONJ",
         lambda s, i: s.words[i - 1] in CLAUSE_NOUNS and s.tags[i + 1] not in FINITE_FORMS),
    Rule("that-clause", word_set("that"), ("WDT", "IN", "DT"), "SCONJ",
         lambda s, i: s.tags[i - 1] in SAYS and s.tags[i + 1] in STARTS_CLAUSE),
    Rule("both-and", word_set("both either"), (), "CCONJ",
         lambda s, i: s.tags[i + 1] != "IN" and "CC" in s.tags[i + 2 : i + 7]),
    Rule("intensifier", INTENSIFIERS, ("JJ", "NN", "RB", "UH"), "ADV", lambda s, i: s.tags[i + 1] in ("JJ", "RB")),
    Rule("as-big-as", word_set("as"), (), "ADV",
         lambda s, i: s.tags[i + 1] in ("JJ", "RB", "JJR") and "as" in s.words[i + 2 : i + 5]),
    Rule("out-there", words.ALSO_ADVERBS, ("RP",), "ADV", lambda s, i: s.tags[i + 1] == "RB"),
    Rule("the-only", word_set("only"), (), "ADJ", lambda s, i: s.tags[i - 1] in ("DT", "PRP$")),
    Rule("including", word_set("including regarding"), (), "VERB", lambda s, i: True),
    Rule("there-be", word_set("be"), (), "VERB", lambda s, i: "EX" in s.tags[i - 3 : i] or s.tags[i + 1] == "EX"),
    Rule("be", word_set("be"), (), "AUX", lambda s, i: True),
    Rule("have-done", word_set("has had have 've ve having"), ("HV", "VB", "VBG"), "AUX", _have_helps),
    Rule("do-not", word_set("does did do"), ("DO", "VB"), "AUX", _do_helps),
    Rule("because-of", word_set("because"), ("IN",), "ADP", lambda s, i: s.words[i + 1] == "of"),
    Rule("as-seen", word_set("as than"), (), "SCONJ", lambda s, i: s.tags[i + 1] == "VBN" or s.words[i + 1] == "if"),
    Rule("as-he-does", CLAUSE_MARKERS, ("IN",), "SCONJ", _clause_follows),
    Rule("until-noon", word_set("until till since"), ("IN",), "ADP", lambda s, i: s.tags[i + 1] != "VBG"),
    Rule("in-which", GERUND_MARKERS, ("IN",), "ADP", lambda s, i: s.words[i + 1] in ("which", "whom")),
    Rule("before-doing", GERUND_MARKERS, ("IN",), "SCONJ", lambda s, i: s.tags[i + 1] in ("VBG", "WRB", "WDT")),
    Rule("for-dogs-to", word_set("for"), ("IN",), "SCONJ",
         lambda s, i: s.tags[i + 1] in ("PRP", "NNS", "NN") and s.tags[i + 2] == "TO"),
    Rule("about-ten", word_set("about around over"), ("IN",), "ADV", lambda s, i: s.tags[i + 1] in ("CD", "SYM")),
    Rule("though-last", word_set("though"), ("IN",), "ADV", lambda s, i: s.tags[i + 1] == "."),
    Rule("along-with", words.ALSO_ADVERBS, ("IN",), "ADP",
         lambda s, i: s.words[i + 1] in ("with", "to", "about", "of")),
    Rule("stranded", words.ALSO_ADVERBS, ("IN",), "ADV", lambda s, i: s.tags[i + 1] in STRANDED),
    Rule("subordinator", SUBORDINATORS, ("IN",), "SCONJ", lambda s, i: True),
    Rule("something", PRONOUN_NOUNS, ("NN",), "PRON", lambda s, i: True),
    Rule("which-dog", word_set("which what"), ("WDT",), "DET", lambda s, i: s.tags[i + 1] in ("NN", "NNS", "CD")),
    Rule("such-a", word_set("such what"), ("JJ", "WDT"), "DET", lambda s, i: s.words[i + 1] in ("a", "an")),
    Rule("all-over", word_set("all"), ("DT",), "ADV",
         lambda s, i: (s.tags[i + 1] == "IN" and s.words[i + 1] != "of") or s.tags[i - 1] == "BE"),
    Rule("all-alone", word_set("all some any another both"), ("DT",), "DET", lambda s, i: True),
    Rule("more-beautiful", word_set("much more most less least"), ADJECTIVES, "ADV",
         lambda s, i: s.tags[i + 1] in ("JJ", "RB")),
    Rule("big-enough", word_set("enough"), (), "ADV", lambda s, i: s.tags[i - 1] in ("JJ", "RB", "VBN")),
    Rule("runs-fast", FLAT_ADVERBS, ADJECTIVES, "ADV",
         lambda s, i: s.tags[i - 1] in VERB_FORMS and s.tags[i + 1] in STRANDED),
    Rule("today", DAYS, (), "NOUN", lambda s, i: True),
    Rule("versus", word_set("vs versus"), (), "ADP", lambda s, i: True),
    Rule("no-alone", word_set("no"), (), "INTJ", lambda s, i: s.tags[i + 1] in (".", ",")),
    Rule("from-to", word_set("- –"), (), "SYM", lambda s, i: s.tags[i - 1] == "CD" and s.tags[i + 1] == "CD"),
    Rule("slash", word_set("/"), (), "SYM", lambda s, i: True),
    Rule("not", NOT, ("RB",), "PART", lambda s, i: True),
    Rule("there-is", ANY, ("BE", "BEN"), "VERB", lambda s, i: "EX" in s.tags[i - 3 : i] or s.tags[i + 1] == "EX"),
    Rule("to-doing", ANY, ("TO",), "SCONJ", lambda s, i: s.tags[i + 1] == "VBG"),
    Rule("to-a-place", ANY, ("TO",), "ADP", lambda s, i: s.tags[i + 1] not in ("VB", "RB", "HV", "DO", "VBP") and
         not (s.tags[i + 1] in STRANDED and s.words[i - 1] in WANTING)),
    Rule("this-alone", ANY, ("DT",), "PRON",
         lambda s, i: s.words[i] not in ARTICLES and s.tags[i + 1] not in PHRASE_GOES_ON),
    Rule("very-excited", ANY, ("VBN",), "ADJ", lambda s, i: s.words[i - 1] in DEGREES),
    Rule("adjective-name", ANY, ("NNP",), "ADJ", _adjective_name),
)  # fmt: skip


def index(rules: tuple[Rule, ...]) -> tuple[dict[str, tuple[Rule, ...]], dict[str, tuple[Rule, ...]]]:
    """Return word to the rules that name it, and tag to the rules that name no word, in order."""
    listed = {word for rule in rules for word in rule.words}
    tags = {tag for rule in rules for tag in rule.tags}
    return (
        {word: tuple(rule for rule in rules if word in rule.words) for word in listed},
        {tag: tuple(rule for rule in rules if tag in rule.tags and not rule.words) for tag in tags},
    )


BY_WORD, BY_TAG = index(RULES)


def universal(s: Tagged, i: int) -> str:
    """Return the universal part of speech of word `i` of a tagged caption."""
    word, tag = s.words[i], s.tags[i]
    for rule in BY_WORD.get(word, ()):
        if (not rule.tags or tag in rule.tags) and rule.when(s, i):
            return rule.pos
    for rule in BY_TAG.get(tag, ()):
        if rule.when(s, i):
            return rule.pos
    return POS_OF_TAG[tag]
