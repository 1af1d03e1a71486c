"""Tag captions without a trained model: a spaCy component that reads LemmInflect's lexicon.

Captions of the web are lower-case, tokenised, mostly verbless noun phrases, and millions of them are to be tagged on a
laptop. Each token gets the tags that its word may have (`lexicon`), and the cheapest path through them by `costs` is
taken (Viterbi's algorithm). A `Doc` of words goes in; the same `Doc` with ``tag_`` (Penn Treebank), ``pos_`` (Universal
Dependencies) and ``lemma_`` comes out.

    spacy.blank("en").add_pipe("lexicon_tagger")
"""

from spacy.language import Language
from spacy.tokens import Doc, Token

from pipeline_lib.captions import words
from pipeline_lib.captions.costs import COSTS, UNUSUAL
from pipeline_lib.captions.lexicon import DO_FORMS, HAVE_FORMS, candidates, lexicon_tags

POS_OF_TAG = {
    "DT": "DET", "PRP": "PRON", "PRP$": "PRON", "MD": "AUX", "CC": "CCONJ", "IN": "ADP", "WDT": "PRON", "WRB": "ADV",
    "RB": "ADV", "RBR": "ADV", "RBS": "ADV", "JJ": "ADJ", "JJR": "ADJ", "JJS": "ADJ", "CD": "NUM", "UH": "INTJ",
    "TO": "PART", "EX": "PRON", "RP": "ADP", "POS": "PART", "NN": "NOUN", "NNS": "NOUN", "NNP": "PROPN", "VB": "VERB",
    "VBP": "VERB", "VBZ": "VERB", "VBD": "VERB", "VBN": "VERB", "VBG": "VERB", ",": "PUNCT", ".": "PUNCT",
    "HYPH": "PUNCT", "``": "PUNCT", "SYM": "SYM", "_SP": "SPACE",
}  # fmt: skip
FORM_OF_STATE = {
    "is": "VBZ", "'s": "VBZ", "’s": "VBZ", "s": "VBZ", "are": "VBP", "am": "VBP", "'re": "VBP", "'m": "VBP", "m": "VBP",
    "r": "VBP", "was": "VBD", "were": "VBD", "been": "VBN", "being": "VBG", "has": "VBZ", "had": "VBD", "have": "VBP",
    "'ve": "VBP", "ve": "VBP", "does": "VBZ", "did": "VBD", "do": "VBP",
}  # fmt: skip
SUBJECTS = words.word_set("i you we they he she it")
SINGULAR_SUBJECTS = words.word_set("he she it")
SEEMING = words.word_set("looks look sounds sound feels feel seems looked felt")
DEGREES = words.word_set("very really so extremely too quite")
HELPING = words.word_set("helps help helped let lets")
INTENSIFIERS = words.word_set("super real way right pretty all that")
SUBORDINATORS = words.word_set("because if although though whereas unless whether while since until till that so")
GERUND_MARKERS = words.word_set("of for by with from about in without after before on despite since than at upon")
# After these a capital says nothing.
SENTENCE_STARTERS = frozenset([".", "!", "?", ":", '"', "“", "..."])
VERB_FORMS = frozenset(["VB", "VBP", "VBZ", "VBD", "VBN", "VBG"])
FINITE = frozenset(["VBZ", "VBP", "VBD", "BE", "HV"])
OBJECT_STARTS = ("DT", "PRP", "PRP$", "CD", "NNP", "TO")
# Where a preposition has lost its noun phrase it is an adverb.
CLAUSE_ENDS = frozenset([",", ".", "CC", "WDT", "WRB", "IN", "``", "PRP"])
PHRASE_STARTS = frozenset(["DT", "PRP$", "PRP", "CD", "JJ", "NN", "NNS", "NNP", "IN", "TO", "RB", "RP"])
STRANDED = frozenset([".", ",", "CC", "IN", "TO", "VBZ", "BE", "MD", "WRB"])
PHRASE_GOES_ON = frozenset(["NN", "NNS", "JJ", "CD", "NNP", "VBN", "VBG", "JJS", "JJR"])


def best_path(options: list[dict[str, tuple[float, str]]]) -> list[str]:
    """Return the cheapest tag for each token, where tags cost by themselves and by what precedes them.

    Parameters
    ----------
    options : list of dict of str to (float, str)
        Per token: tag to cost and lemma.
    """
    totals: dict[str, float] = {"BOS": 0.0}
    back: list[dict[str, str]] = []
    for tags in options:
        reached, came_from = {}, {}
        for tag, (cost, _) in tags.items():
            best, source = min(
                (total + COSTS[left].get(tag, UNUSUAL) if left in COSTS else total + 0.5, left)
                for left, total in totals.items()
            )
            reached[tag], came_from[tag] = best + cost, source
        back.append(came_from)
        totals = reached
    tag = min(totals, key=lambda last: totals[last] + (0.0 if COSTS.get(last, {}).get(".", 1.0) < 0.4 else 0.6))
    path = []
    for came_from in reversed(back):
        path.append(tag)
        tag = came_from[tag]
    return path[::-1]


def tag(doc: Doc) -> Doc:
    """Set ``tag_``, ``pos_`` and ``lemma_`` of every token of `doc`."""
    tokens = list(doc)
    options, first, before = [], True, ""
    titled = _titled(tokens)
    for token in tokens:
        text = token.text
        if text == "to" and before in words.BEFORE_A_PREPOSITION:
            options.append({"IN": (0.0, "to")})
        else:
            options.append(candidates(text, first, titled))
        first = text in SENTENCE_STARTERS or (first and not text[0].isalnum())
        before = text.lower()
    path = best_path(options)
    _correct(tokens, options, path)
    for i, (token, state, tags) in enumerate(zip(tokens, path, options, strict=True)):
        word = token.lower_
        token.tag_ = FORM_OF_STATE.get(word, state) if state in ("BE", "BEN", "HV", "DO") else state
        token.pos_ = _pos(tokens, path, i)
        token.lemma_ = tags[state][1]
    return doc


def _titled(tokens: list[Token]) -> bool:
    """Whether the words of four letters and more have capitals, as those of a heading have."""
    long = [token.text[0].isupper() for token in tokens if len(token.text) > 3 and token.text[0].isalpha()]
    return len(long) > 1 and sum(long) > 0.6 * len(long)


def _correct(tokens: list[Token], options: list[dict[str, tuple[float, str]]], path: list[str]) -> None:
    """Decide in place what two neighbours say together and pairs of tags cannot.

    *Painted* is a participle where no object follows ("a garden painted by an artist") unless its verb is one of
    `PAST_IS_FINITE` or a pronoun stands before ("artist performed on stage", "they painted"); *unveiling* is a noun
    between an article and anything but a noun ("the unveiling of a statue"); *watches* is a plural after
    another ("clocks and watches").
    """
    for i, state in enumerate(path):
        if state == "IN" and tokens[i].lower_ == "that" and i and path[i - 1] in ("NN", "NNS", "NNP"):
            path[i] = "WDT"
        if state in ("NN", "NNS", "JJ", "IN") and i and tokens[i - 1].lower_ in SUBJECTS and path[i - 1] == "PRP":
            form = "VBZ" if tokens[i - 1].lower_ in SINGULAR_SUBJECTS else "VBP"
            if form in options[i] and (i < 2 or path[i - 2] not in ("IN", "VB", "VBG", "VBZ", "VBP", "VBD", "TO")):
                path[i] = form
        if (
            state == "NN"
            and "VB" in options[i]
            and i > 1
            and path[i - 1] in ("RB", "PRP")
            and path[i - 2] in ("MD", "DO")
        ):
            path[i] = "VB"
        if state == "NN" and "VB" in options[i] and i and tokens[i - 1].lower_ in HELPING:
            path[i] = "VB"
        if state == "NN" and "VBP" in options[i] and i and tokens[i - 1].lower_ in ("these", "those"):
            path[i] = "VBP"
        if state == "NNS" and "VBZ" in options[i] and i and tokens[i - 1].lower_ in ("this", "that", "which", "who"):
            path[i] = "VBZ"
        if state == "NNS" and "VBZ" in options[i] and (_after_singular(tokens, path, i) or _acts(tokens, path, i)):
            path[i] = "VBZ"
        if state == "VBN" and "VBD" in options[i] and _acts(tokens, path, i) and path[i + 1] in ("NN", "NNS"):
            path[i] = "VBD"
        if state not in ("VBD", "VBG", "VBZ"):
            continue
        before = path[i - 1] if i else "BOS"
        after = path[i + 1] if i + 1 < len(path) else "."
        if state == "VBG":
            of = i + 1 < len(path) and tokens[i + 1].lower_ == "of"
            if (
                (of or before in ("DT", "PRP$"))
                and after in ("IN", ".", ",", "CC", "BE", "VBZ", "MD")
                and "NN" in options[i]
            ):
                path[i] = "NN"
            continue
        if state == "VBZ":
            listed = before == "CC" and i > 1 and path[i - 2] == "NNS"
            compound = before == "NN" and after == "NN" and options[i]["VBZ"][1] not in words.VERBS_FIRST
            compound = compound and tokens[i - 1].lower_ not in words.ANIMATE
            compound = compound or (before == "NN" and _has_verb(path, i))
            if (listed or compound) and "NNS" in options[i]:
                path[i] = "NNS"
            continue
        if before == "RB" and i > 1:
            before = path[i - 2]
        passive = i + 1 < len(path) and tokens[i + 1].lower_ == "by"
        participle = "VBN" in options[i] and (passive or options[i][state][1] not in words.PAST_IS_FINITE)
        if before == "CC" and not FINITE.isdisjoint(path[:i]):
            participle = False
        if before == "NN" and after in ("NN", "NNS") and _acts(tokens, path, i):
            participle = False
        if participle and before not in ("PRP", "NNP", "WDT", "EX") and after not in OBJECT_STARTS:
            path[i] = "VBN"


def _after_singular(tokens: list[Token], path: list[str], i: int) -> bool:
    """Whether *a* and a noun stand before `i`, so that a word in -s is no plural: "a wasp lands on ..."."""
    j = i - 1
    while j >= 0 and path[j] in ("NN", "JJ"):
        j -= 1
    return 0 <= j < i - 1 and path[i - 1] == "NN" and tokens[j].lower_ in ("a", "an", "another")


def _has_verb(path: list[str], i: int) -> bool:
    """Whether the clause has its finite verb before `i`."""
    for state in reversed(path[:i]):
        if state in CLAUSE_ENDS:
            return False
        if state in FINITE:
            return True
    return False


def _acts(tokens: list[Token], path: list[str], i: int) -> bool:
    """Whether somebody in the singular stands before `i`, a phrase follows, and the caption has no other verb."""
    if not i or path[i - 1] != "NN" or tokens[i - 1].lower_ not in words.ANIMATE or i + 1 == len(path):
        return False
    others = path[:i] + path[i + 1 :]
    return path[i + 1] in PHRASE_STARTS and "VBD" not in others and FINITE.isdisjoint(others)


def _pos(tokens: list[Token], path: list[str], i: int) -> str:
    """Return the universal part of speech of a tagged word, by Universal Dependencies' conventions."""
    word, state = tokens[i].lower_, path[i]
    after = path[i + 1] if i + 1 < len(path) else "."
    if word == "that" and state in ("WDT", "IN", "DT") and i:
        if path[i - 1] in ("NN", "NNS", "NNP") and state != "DT":
            return "PRON"
        if path[i - 1] in VERB_FORMS and after in ("NNS", "NNP", "DT", "PRP", "PRP$", "EX"):
            return "SCONJ"
    if word in ("both", "either") and after != "IN" and "CC" in path[i + 2 : i + 7]:
        return "CCONJ"
    if word in INTENSIFIERS and after in ("JJ", "RB") and state in ("JJ", "NN", "RB", "UH"):
        return "ADV"
    if word == "as" and after in ("JJ", "RB", "JJR") and any(token.lower_ == "as" for token in tokens[i + 2 : i + 5]):
        return "ADV"
    if state == "RP" and after == "RB" and word in words.ALSO_ADVERBS:
        return "ADV"
    if word == "only" and i and path[i - 1] in ("DT", "PRP$"):
        return "ADJ"
    if word in ("including", "regarding"):
        return "VERB"
    if state in ("BE", "BEN") or word == "be":
        return "VERB" if "EX" in path[max(0, i - 3) : i] or after == "EX" else "AUX"
    if state in ("HV", "DO") or (word in ("have", "do", "having") and state in ("VB", "VBG")):
        return "AUX" if _helps(tokens, path, i) else "VERB"
    if state == "IN":
        clause = after in ("PRP", "EX") and word in ("as", "after", "before", "like", "than")
        clause = clause or (after == "VBG" and word in GERUND_MARKERS)
        clause = clause or (after in ("WRB", "WDT") and word in GERUND_MARKERS)
        clause = clause or (word == "like" and i > 0 and tokens[i - 1].lower_ in SEEMING)
        clause = clause or (word == "for" and after in ("PRP", "NNS", "NN") and path[i + 2 : i + 3] == ["TO"])
        if (word in ("about", "around", "over") and after == "CD") or (
            after in STRANDED and word in words.ALSO_ADVERBS
        ):
            return "ADV"
        return "SCONJ" if word in SUBORDINATORS or clause else "ADP"
    if state == "NN" and word in words.CLOSED["NN"].split():
        return "PRON"
    if state == "TO":
        if after == "VBG":
            return "SCONJ"
        return "PART" if after in ("VB", "RB", "HV", "DO", ".", "VBP") else "ADP"
    if state == "WDT" and word in ("which", "what") and after in ("NN", "NNS"):
        return "DET"
    if state == "DT" and word not in ("the", "a", "an", "every", "no", "each"):
        return "DET" if after in PHRASE_GOES_ON or word in ("all", "some", "any", "another", "both") else "PRON"
    if state in ("JJ", "JJR", "JJS") and word in ("much", "more", "most", "less", "least") and after in ("JJ", "RB"):
        return "ADV"
    if state == "VBN" and i and tokens[i - 1].lower_ in DEGREES:
        return "ADJ"
    if word == "/":
        return "SYM"
    if state == "RB" and word in ("not", "n't", "n’t", "nt"):
        return "PART"
    if state == "NNP" and _is_adjective(word) and after in ("NNP", "NN", "NNS"):
        return "ADJ"
    return POS_OF_TAG[state]


def _is_adjective(word: str) -> bool:
    tags = lexicon_tags(word)
    return "JJ" in tags and tags["JJ"][0] <= tags.get("NN", tags["JJ"])[0]


def _helps(tokens: list[Token], path: list[str], i: int) -> bool:
    """Whether the form of *have* or *do* at `i` has its verb to the right, in the same clause."""
    word = tokens[i].lower_
    if path[i] == "VB" and word in DO_FORMS:
        return False
    if tokens[i + 1 : i + 2] and tokens[i + 1].lower_ in ("not", "n't", "n’t"):
        return True
    for right in path[i + 1 : i + 7]:
        if right in (",", "."):
            return word in DO_FORMS and right == "." and path[i + 1] == "."
        if right in ("VB", "VBP", "HV") and word in DO_FORMS:
            return True
        if word in HAVE_FORMS and right in ("VBN", "BEN", "VBD", "HV"):
            return True
        if right not in ("RB", "PRP") and word in HAVE_FORMS:
            return False
    return False


@Language.component("lexicon_tagger", assigns=["token.tag", "token.pos", "token.lemma"])
def lexicon_tagger(doc: Doc) -> Doc:
    """Tag a spaCy `Doc` with the lexicon (see the module)."""
    return tag(doc)
