"""What neighbours say about a word's tag that pairs of tags cannot: `RULES`, read from left to right.

The cheapest path through the lexicon's tags goes in, the same path with single tags replaced comes out. A rule has a
name, the tags that it looks at, the tag that it puts (only where the lexicon has it for the word), and the condition;
the first rule that holds decides. ``tests/captions/context-rules.tsv`` has a sentence for each.
"""

from collections.abc import Callable
from typing import NamedTuple

from pipeline_lib.captions.tagger.lexicon import NO_NOUN, WORDS

NOUNS = ("NN", "NNS", "NNP")
FINITE = frozenset(["VBZ", "VBP", "VBD", "BE", "HV"])
OBJECT_STARTS = ("DT", "PRP", "PRP$", "CD", "NNP", "TO")
CLAUSE_ENDS = frozenset([",", ".", "CC", "WDT", "WRB", "IN", "``", "PRP", "BOS"])
PHRASE_STARTS = frozenset(["DT", "PRP$", "PRP", "CD", "JJ", "NN", "NNS", "NNP", "IN", "TO", "RB", "RP"])
CLOSE_UPS = (["close", "-", "up"], ["close", "up", "of"])
TAKES_OBJECT = frozenset(["IN", "VB", "VBG", "VBZ", "VBP", "VBD", "TO"])


class Tagged:
    """A caption on its way: words, tags and what the lexicon has for them, with two empty places at either end.

    Attributes
    ----------
    words, tags : list of str
        Lower-case words; tags, BOS before the first and a full stop after the last. Word n is at ``start + n``.
    options : list of dict of str to (float, str)
        Tag to cost and lemma.
    """

    start = 2

    def __init__(self, lower: list[str], path: list[str], options: list[dict[str, tuple[float, str]]]):
        self.words = ["", "", *lower, "", ""]
        self.tags = ["BOS", "BOS", *path, ".", "."]
        self.options = [{}, {}, *options, {}, {}]


class Rule(NamedTuple):
    """Where the tag of word ``i`` is one of `tags` and ``when(tagged, i)`` holds, it becomes `to`."""

    name: str
    tags: tuple[str, ...]
    to: str
    when: Callable[[Tagged, int], bool]


def _they_act(s: Tagged, i: int) -> bool:
    """Whether a pronoun stands before that is no object: "they (also) water flowers", not "give it water"."""
    j = i - 2 if s.tags[i - 1] == "RB" else i - 1
    return s.tags[j] == "PRP" and s.words[j] in WORDS.plural_subjects and s.tags[j - 1] not in TAKES_OBJECT


def _there_is(s: Tagged, i: int) -> bool:
    """Whether *there* has its verb beside it: "then there will be rain", "is there a dog"."""
    if s.words[i] != "there" or s.tags[i - 1] in ("IN", "RP"):
        return False
    after = i + 2 if s.tags[i + 1] == "RB" else i + 1
    if s.tags[after] == "BE" or (s.tags[after] in ("MD", "HV") and {"BEN", "VB"} & set(s.tags[after + 1 : after + 3])):
        return True
    return s.tags[i - 1] == "BE" and s.tags[i + 1] in ("DT", "JJ", "NN", "NNS")


def _commands(s: Tagged, i: int) -> bool:
    """Whether a sentence begins with what may be a verb, and its object follows: "drop by my house"."""
    return s.tags[i - 1] in ("BOS", ".") and s.tags[i + 1] in ("PRP", "DT", "PRP$") and s.words[i] not in WORDS.animate


def _second_infinitive(s: Tagged, i: int) -> bool:
    """Whether *and* ties a verb to an infinitive before it: "to shape and support the growth"."""
    return s.tags[i - 1] == "CC" and s.tags[i + 1] in ("DT", "PRP", "PRP$", "RP") and "VB" in s.tags[i - 6 : i - 1]


def _is_only_verb(s: Tagged, i: int) -> bool:
    """Whether a noun stands before and the caption has no finite verb, so that a past form is it."""
    j = i - 2 if s.tags[i - 1] == "RB" else i - 1
    return s.tags[j] in NOUNS and s.words[i + 1] != "by" and _is_verbless(s, i)


def _reports(s: Tagged, i: int) -> bool:
    """Whether *that* and a new subject follow: "actor reports that the show is over", not "bears that are sitting"."""
    return s.tags[i - 1] in ("NN", "NNP") and s.words[i + 1] == "that" and s.tags[i + 2] in OBJECT_STARTS


def _past_of_subject(s: Tagged, i: int) -> bool:
    """Whether a past form has an object, or is of a verb that takes none: "actor set the carpet on fire"."""
    return _is_only_verb(s, i) and (
        s.tags[i + 1] in ("DT", "PRP", "PRP$")
        or (s.options[i]["VBD"][1] in WORDS.finite_past and s.tags[i + 1] in ("IN", "RB", "TO"))
    )


def _ends_phrase(s: Tagged, i: int) -> bool:
    """Whether an adjective that may be a noun is all the noun there is: "the final round", but "in the red"."""
    start = i - 2 if s.tags[i - 1] == "JJ" else i - 1
    if s.tags[start] not in ("DT", "PRP$") and (
        start == i - 1 or s.tags[start] not in ("IN", "BOS", "VBG", "VBZ", "CD")
    ):
        return False
    if s.words[i] in WORDS.adjectives_alone:
        return False
    if s.tags[i + 1] in (",", "CC", "VBG") and s.tags[i + 2] in ("JJ", "VBN", "VBG", "NN", "NNS"):
        return s.tags[i + 1] == "CC" and s.tags[i + 2] in ("NN", "NNS")
    return s.tags[i + 1] in (".", ",", "IN", "VBZ", "BE", "VBG", "CC")


def _after_singular(s: Tagged, i: int) -> bool:
    """Whether *a* and a noun stand before, so that a word in -s is no plural: "a wasp lands on ..."."""
    j = i - 1
    while s.tags[j] in ("NN", "JJ"):
        j -= 1
    return j < i - 1 and s.tags[i - 1] == "NN" and s.words[j] in ("a", "an", "another")


def _has_verb(s: Tagged, i: int) -> bool:
    """Whether the clause has its finite verb before `i`."""
    while (i := i - 1) and s.tags[i] not in CLAUSE_ENDS:
        if s.tags[i] in FINITE:
            return True
    return False


def _has_actor(s: Tagged, i: int) -> bool:
    """Whether somebody stands before."""
    before = s.options[i - 1].get(s.tags[i - 1])
    return s.tags[i - 1] in ("NN", "NNS") and before is not None and before[1] in WORDS.animate


def _is_verbless(s: Tagged, i: int) -> bool:
    """Whether the caption has no finite verb but, maybe, the word itself."""
    return FINITE.isdisjoint(s.tags[:i]) and FINITE.isdisjoint(s.tags[i + 1 :])


def _which_acts(s: Tagged, i: int) -> bool:
    """Whether *that* or *who* is the subject: "a river that flows", not "the fact that dogs bark"."""
    before = s.words[i - 1] in ("this", "that", "which", "who")
    return before and s.words[i + 1] != "of" and s.options[i]["NNS"][1] not in WORDS.animate


def _acts(s: Tagged, i: int) -> bool:
    """Whether somebody in the singular stands before, a phrase follows, and the caption has no other verb."""
    if s.tags[i - 1] != "NN" or not _has_actor(s, i) or s.words[i] in WORDS.nouns_after_actors:
        return False
    if s.options[i]["NNS"][1] in WORDS.animate and s.words[i] not in WORDS.acting_plurals:
        return False  # "person cows at a ranch"
    return s.tags[i + 1] in PHRASE_STARTS and _is_verbless(s, i)


def _act(s: Tagged, i: int) -> bool:
    """Whether a plural stands before, a phrase follows, and the caption has no other verb: "boats rest on the sand"."""
    if s.tags[i - 1] != "NNS" or s.words[i - 1] in WORDS.compound_plurals or s.tags[i - 2] == "VBG":
        return False
    return s.tags[i + 1] in ("IN", "RP", "RB", "DT", "PRP$", "TO") and s.words[i + 1] != "of" and _is_verbless(s, i)


def _helps_somebody(s: Tagged, i: int) -> bool:
    """Whether *help* and its object stand before: "helps her daughter build a castle"."""
    return s.tags[i - 1] in ("NN", "NNS") and s.tags[i - 2] in ("DT", "PRP$") and s.words[i - 3] in WORDS.helping


def _acted(s: Tagged, i: int) -> bool:
    """Whether somebody stands before and an object follows: "soldiers inspected cards"."""
    j = i + 2 if s.tags[i + 1] == "JJ" else i + 1
    return s.tags[j] in ("NN", "NNS") and _has_actor(s, i) and _is_verbless(s, i)


def _looks(s: Tagged, i: int) -> bool:
    """Whether *looking* ends an adjective before a noun: "a scared looking fox"."""
    return s.words[i] == "looking" and s.tags[i - 1] in ("JJ", "VBN") and s.tags[i + 1] in ("NN", "NNS")


def _noun_stands(s: Tagged, i: int) -> bool:
    """Whether a word in -ing is a noun: "the unveiling of a statue", "her singing", "painting of a dog"."""
    if s.tags[i - 1] == "BE":
        return False
    opened = s.words[i + 1] == "of" or s.tags[i - 1] in ("DT", "PRP$")
    return opened and s.tags[i + 1] in ("IN", ".", ",", "CC", "BE", "VBZ", "MD")


def _is_noun_too(s: Tagged, i: int) -> bool:
    """Whether the word in -s is a noun in the lexicon: "waves", not "explains"."""
    return s.options[i]["NNS"][0] < NO_NOUN


def _listed(s: Tagged, i: int) -> bool:
    """Whether *and* ties a word in -s to a plural: "clocks and watches", not "stands on its legs and leans"."""
    return s.tags[i - 1] == "CC" and s.tags[i - 2] == "NNS" and _is_noun_too(s, i) and FINITE.isdisjoint(s.tags[:i])


def _participle(s: Tagged, i: int) -> bool:
    """Whether a past form has no object and no subject of its own: "a garden painted by an artist"."""
    if s.words[i + 1] != "by" and s.options[i]["VBD"][1] in WORDS.finite_past:
        return False
    before = s.tags[i - 1]
    if before == "RB":
        before = s.tags[i - 2]
    if before == "CC" and not FINITE.isdisjoint(s.tags[:i]):
        return False
    if _acted(s, i):
        return False
    return before not in ("PRP", "NNP", "WDT", "EX") and s.tags[i + 1] not in OBJECT_STARTS


def _after_close(s: Tagged, i: int) -> bool:
    """Whether *up* ends "close - up" or "close up of", a picture."""
    if s.words[i] != "up":
        return False
    return s.words[i - 2 : i] == ["close", "-"] or (s.words[i - 1] == "close" and s.words[i + 1] == "of")


RULES = (
    Rule("close-up", ("JJ", "RB", "VB", "VBP"), "NN", lambda s, i: s.words[i : i + 3] in CLOSE_UPS),
    Rule("a-close-up", ("RP", "IN"), "NN", _after_close),
    Rule("that-after-noun", ("IN",), "WDT", lambda s, i: s.words[i] == "that" and s.tags[i - 1] in NOUNS),
    Rule("they-act", ("NN", "JJ", "IN"), "VBP", _they_act),
    Rule("modal-adverb-verb", ("NN",), "VB",
         lambda s, i: s.tags[i - 1] in ("RB", "PRP") and s.tags[i - 2] in ("MD", "DO")),
    Rule("plural-acts", ("NN",), "VBP", _act),
    Rule("helps-verb", ("NN",), "VB", lambda s, i: s.words[i - 1] in WORDS.helping),
    Rule("helps-her-verb", ("NN",), "VB", _helps_somebody),
    Rule("lets-us-verb", ("NN",), "VB", lambda s, i: s.tags[i - 1] == "PRP" and s.words[i - 2] in WORDS.letting),
    Rule("second-infinitive", ("NN",), "VB", _second_infinitive),
    Rule("command", ("NN",), "VB", _commands),
    Rule("there", ("RB",), "EX", _there_is),
    Rule("reports-that", ("NNS",), "VBZ", _reports),
    Rule("these-act", ("NN",), "VBP", lambda s, i: s.words[i - 1] in ("these", "those")),
    Rule("that-acts", ("NNS",), "VBZ", _which_acts),
    Rule("a-singular-acts", ("NNS",), "VBZ", _after_singular),
    Rule("somebody-acts", ("NNS",), "VBZ", _acts),
    Rule("looking-adjective", ("VBG",), "JJ", _looks),
    Rule("scared-looking", ("VBN",), "JJ", lambda s, i: _looks(s, i + 1)),
    Rule("only-past", ("VBN",), "VBD", _past_of_subject),
    Rule("phrase-end", ("JJ",), "NN", _ends_phrase),
    Rule("gerund", ("VBG",), "NN", _noun_stands),
    Rule("listed-plural", ("VBZ",), "NNS", _listed),
    Rule("second-verb", ("VBZ",), "NNS", 
         lambda s, i: s.tags[i - 1] == "NN" and _is_noun_too(s, i) and _has_verb(s, i)),
    Rule("participle", ("VBD",), "VBN", _participle),
)  # fmt: skip


def by_tag(rules: tuple[Rule, ...]) -> dict[str, tuple[Rule, ...]]:
    """Return tag to the rules that look at it, in order."""
    tags = {tag for rule in rules for tag in rule.tags}
    return {tag: tuple(rule for rule in rules if tag in rule.tags) for tag in tags}


BY_TAG = by_tag(RULES)


def correct(tagged: Tagged) -> None:
    """Apply `RULES` in place, from left to right."""
    tags, options = tagged.tags, tagged.options
    for i in range(tagged.start, len(tags) - tagged.start):
        for rule in BY_TAG.get(tags[i], ()):
            if rule.to in options[i] and rule.when(tagged, i):
                tags[i] = rule.to
                break
