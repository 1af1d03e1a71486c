"""Universal parts of speech by the conventions of the treebanks, to measure the tagger against Universal Dependencies.

The tagger's own ``pos_`` is a table from Penn tags. `RULES` says what Universal Dependencies decides otherwise: words
(any where empty), tags (any where empty), part of speech, condition; the first that holds decides, those for words
come first.
"""

from collections.abc import Iterator
from pathlib import Path

from spacy.tokens import Doc

from pipeline_lib.captions.tagger import POS_OF_TAG, find_tags
from pipeline_lib.captions.tagger.context import NOUNS
from pipeline_lib.captions.tagger.lexicon import WORDS, lexicon_tags

TREEBANK = Path(__file__).parents[2] / "shared" / "data" / "ud_ewt_dev.conllu"


def _set(text):
    return frozenset(text.split())


VERBS = _set("VB VBP VBZ VBD VBN VBG")
SAYING = VERBS | {"BE", "JJ"}
ADVERBS = (
    "out in on up down off over around along across inside outside behind below above under near past before after "
    "since through by about throughout"
)
SUBORDINATORS = "because if although though whereas unless whether while since until till that so"
BEFORE_GERUND = "of for by with from about in without after before on despite since than at upon"
CLAUSE_NOUNS = _set("fact claim claims proof idea news report reports belief hope feeling notion view understanding")
FINITE = _set("VBZ VBP VBD BE HV MD DO")
# What stands behind a preposition that has lost its noun phrase, so that it is an adverb.
STRANDED = _set(". , CC IN TO VBZ BE MD WRB")
PHRASE = _set("DT PRP PRP$ JJ JJR JJS NN NNS NNP CD RB POS HYPH EX ``")
PHRASE_GOES_ON = _set("NN NNS JJ CD NNP VBN VBG JJS JJR")
CLAUSE_STARTS = _set("NNS NNP DT PRP PRP$ EX IN RB `` CD")
WANTING = _set("want wants wanted need needs needed have has had like able try tried going used")
NOT = _set("not n't n’t nt")


def _clause_follows(s, i):
    """Whether a noun phrase and its finite verb follow: "as the sun sets", not "like the sun"."""
    j = i + 1
    while s.tags[j] in PHRASE:
        j += 1
    return j > i + 1 and s.tags[j] in FINITE


def _have_helps(s, i):
    """Whether a form of *have* has its participle to the right."""
    rest = [tag for tag in s.tags[i + 1 : i + 7] if tag not in ("RB", "PRP", "DT")]
    return s.words[i + 1] in NOT or (bool(rest) and rest[0] in ("VBN", "BEN", "VBD", "HV"))


def _do_helps(s, i):
    """Whether a form of *do* has its verb to the right in the same clause, or ends it: "as dogs do ."."""
    if s.words[i + 1] in NOT:
        return True
    if s.tags[i] == "VB" or "MD" in s.tags[i - 2 : i]:
        return False
    right = next((tag for tag in s.tags[i + 1 : i + 7] if tag in (",", ".", "VB", "VBP", "HV")), ",")
    return s.tags[i + 1] == "." if right == "." else right != ","


def _is_adjective(s, i):
    """Whether a capital belongs to an adjective: "the Great Wall"."""
    tags = lexicon_tags(s.words[i])
    return s.tags[i + 1] in NOUNS and "JJ" in tags and tags["JJ"][0] <= tags.get("NN", tags["JJ"])[0]


def _there_is(s, i):
    return "EX" in s.tags[i - 3 : i] or s.tags[i + 1] == "EX"


def _next(*tags):
    return lambda s, i: s.tags[i + 1] in tags


def _next_word(*words):
    return lambda s, i: s.words[i + 1] in words


def _always(s, i):
    return True


RULES = (
    ("that", "WDT IN DT", "SCONJ", lambda s, i: s.words[i - 1] in CLAUSE_NOUNS and s.tags[i + 1] not in FINITE),
    ("that", "WDT IN DT", "SCONJ",
     lambda s, i: s.tags[i - 1] in SAYING and s.tags[i + 1] in CLAUSE_STARTS),
    ("both either", "", "CCONJ", lambda s, i: s.tags[i + 1] != "IN" and "CC" in s.tags[i + 2 : i + 7]),
    ("super real way right pretty all that", "JJ NN RB UH", "ADV", _next("JJ", "RB")),
    ("as", "", "ADV", lambda s, i: s.tags[i + 1] in ("JJ", "RB", "JJR") and "as" in s.words[i + 2 : i + 5]),
    (ADVERBS, "RP", "ADV", _next("RB")),
    ("only", "", "ADJ", lambda s, i: s.tags[i - 1] in ("DT", "PRP$")),
    ("including regarding", "", "VERB", _always),
    ("be", "", "VERB", _there_is),
    ("be", "", "AUX", _always),
    ("has had have 've ve having", "HV VB VBG", "AUX", _have_helps),
    ("does did do", "DO VB", "AUX", _do_helps),
    ("because", "IN", "ADP", _next_word("of")),
    ("as than", "", "SCONJ", lambda s, i: s.tags[i + 1] == "VBN" or s.words[i + 1] == "if"),
    ("as after before like than until till since", "IN", "SCONJ", _clause_follows),
    ("until till since", "IN", "ADP", lambda s, i: s.tags[i + 1] != "VBG"),
    (BEFORE_GERUND, "IN", "ADP", _next_word("which", "whom")),
    (BEFORE_GERUND, "IN", "SCONJ", _next("VBG", "WRB", "WDT")),
    ("for", "IN", "SCONJ", lambda s, i: s.tags[i + 1] in ("PRP", "NNS", "NN") and s.tags[i + 2] == "TO"),
    ("about around over", "IN", "ADV", _next("CD", "SYM")),
    ("though", "IN", "ADV", _next(".")),
    (ADVERBS, "IN", "ADP", _next_word("with", "to", "about", "of")),
    (ADVERBS, "IN", "ADV", _next(*STRANDED)),
    (SUBORDINATORS, "IN", "SCONJ", _always),
    (" ".join(WORDS.pronouns), "NN", "PRON", _always),
    ("which what", "WDT", "DET", _next("NN", "NNS", "CD")),
    ("such what", "JJ WDT", "DET", _next_word("a", "an")),
    ("all", "DT", "ADV", lambda s, i: (s.tags[i + 1] == "IN" and s.words[i + 1] != "of") or s.tags[i - 1] == "BE"),
    ("all some any another both", "DT", "DET", _always),
    ("much more most less least", "JJ JJR JJS", "ADV", _next("JJ", "RB")),
    ("enough", "", "ADV", lambda s, i: s.tags[i - 1] in ("JJ", "RB", "VBN")),
    ("hard fine late early long fast live right close high low deep straight further", "JJ JJR JJS", "ADV",
     lambda s, i: s.tags[i - 1] in VERBS and s.tags[i + 1] in STRANDED),
    (" ".join(WORDS.day_nouns), "", "NOUN", _always),
    ("vs versus", "", "ADP", _always),
    ("no", "", "INTJ", _next(".", ",")),
    ("- –", "", "SYM", lambda s, i: s.tags[i - 1] == "CD" and s.tags[i + 1] == "CD"),
    ("/", "", "SYM", _always),
    (" ".join(NOT), "RB", "PART", _always),
    ("", "BE BEN", "VERB", _there_is),
    ("", "TO", "SCONJ", _next("VBG")),
    ("", "TO", "ADP", lambda s, i: s.tags[i + 1] not in ("VB", "RB", "HV", "DO", "VBP") and
     not (s.tags[i + 1] in STRANDED and s.words[i - 1] in WANTING)),
    ("", "DT", "PRON", lambda s, i: s.words[i] not in ("the", "a", "an", "every", "no", "each") and
     s.tags[i + 1] not in PHRASE_GOES_ON),
    ("", "VBN", "ADJ", lambda s, i: s.words[i - 1] in ("very", "really", "so", "extremely", "too", "quite")),
    ("", "NNP", "ADJ", _is_adjective),
)  # fmt: skip
_SPLIT = [(words.split(), tags.split(), pos, when) for words, tags, pos, when in RULES]


def universal_parts_of_speech(doc: Doc) -> list[str]:
    """Return the universal part of speech of every token, by the tagger's tags."""
    s = find_tags(doc)
    found = []
    for i in range(s.start, s.start + len(doc)):
        fitting = (
            pos
            for words, tags, pos, when in _SPLIT
            if (not words or s.words[i] in words) and (not tags or s.tags[i] in tags) and when(s, i)
        )
        found.append(next(fitting, POS_OF_TAG[s.tags[i]]))
    return found


def read_treebank() -> Iterator[list[list[str]]]:
    """Yield the sentences of the treebank: the fields of its tokens."""
    rows = []
    for line in TREEBANK.read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        if not line and rows:
            yield rows
            rows = []
        elif fields[0].isdigit():
            rows.append(fields)
