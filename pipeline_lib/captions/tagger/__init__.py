"""Tag captions without a trained model: a spaCy component that reads LemmInflect's lexicon.

    spacy.blank("en").add_pipe("lexicon_tagger")

Captions of the web are lower-case, tokenised, mostly verbless noun phrases, and millions of them are to be tagged on a
laptop. Each token gets the tags that its word may have (`lexicon`), Viterbi's algorithm takes the cheapest path through
them by the transition costs of ``transitions.txt``, and `context` corrects what pairs of tags cannot see. A `Doc` of
words goes in; the same `Doc` with ``tag_`` (Penn Treebank), ``pos_`` (Universal Dependencies, roughly) and ``lemma_``
comes out.

Four states beside the Penn tags split the verbs that behave unlike others: BE, HV and DO are finite forms of *be*,
*have* and *do*, BEN is *been* and *being*.
"""

from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from pipeline_lib.captions.tagger.context import Tagged, correct
from pipeline_lib.captions.tagger.lexicon import AUXILIARIES, WORDS, Tags, candidates, lexicon_tags
from pipeline_lib.formats.word_lists import read_table

POS_OF_TAG = {
    tag: pos for pos, tags in read_table(Path(__file__).with_name("parts-of-speech.txt")) for tag in tags.split()
}
POS_OF_WORD = (
    {"including": "VERB", "regarding": "VERB"}
    | dict.fromkeys(WORDS.pronouns, "PRON")
    | dict.fromkeys(WORDS.day_nouns, "NOUN")
)
# After these a capital says nothing.
SENTENCE_STARTERS = frozenset([".", "!", "?", ":", '"', "“", "..."])
UNUSUAL = 3.5  # cost of a transition that is not listed
UNLISTED = 0.5  # of any transition from a rare tag that has no line


def _read_transitions() -> dict[str, dict[str, float]]:
    """Return what it costs that a tag follows another: ``[left][right]``, for all pairs."""
    listed: dict[str, dict[str, float]] = {"SYM": {}, "_SP": {}}
    for left, cost, rights in read_table(Path(__file__).with_name("transitions.txt")):
        listed.setdefault(left, {}).update(dict.fromkeys(rights.split(), float(cost)))
    tags = {*listed, *(tag for row in listed.values() for tag in row)}
    return {
        left: dict.fromkeys(tags, UNUSUAL if listed.get(left) else UNLISTED) | listed.get(left, {}) for left in tags
    }


TRANSITIONS = _read_transitions()
ENDINGS = {left: 0.0 if row["."] < 0.4 else 0.6 for left, row in TRANSITIONS.items()}  # cost of a tag that ends a text


def best_path(options: list[Tags]) -> list[str]:
    """Return the cheapest tag for each token, where tags cost by themselves and by what precedes them."""
    totals: dict[str, float] = {"BOS": 0.0}
    back: list[dict[str, str]] = []
    for tags in options:
        reached, came_from = {}, {}
        if len(totals) == 1:  # nothing to choose on the left, and what all paths share does not matter
            (left,) = totals
            back.append(dict.fromkeys(tags, left))
            totals = {tag: TRANSITIONS[left][tag] + cost for tag, (cost, _) in tags.items()}
            continue
        rows = [(TRANSITIONS[left], total, left) for left, total in totals.items()]
        for tag, (cost, _) in tags.items():
            least = 1e9
            for row, total, left in rows:
                total += row[tag]
                if total < least:
                    least, source = total, left
            reached[tag], came_from[tag] = least + cost, source
        back.append(came_from)
        totals = reached
    tag = min(totals, key=lambda last: totals[last] + ENDINGS[last])
    path = []
    for came_from in reversed(back):
        path.append(tag)
        tag = came_from[tag]
    return path[::-1]


def find_tags(doc: Doc) -> Tagged:
    """Return the words of `doc` with their tags."""
    texts = [token.text for token in doc]
    titled = _is_titled(texts)
    lower, options, first, before = [], [], True, ""
    for text in texts:
        word = text.lower()
        if word == "to" and before in WORDS.before_preposition_to:
            options.append({"IN": (0.0, "to")})
        elif word == "to" and before in WORDS.before_either_to:
            options.append({"IN": (0.0, "to"), "TO": (0.6, "to")})
        else:
            options.append(candidates(text, first, titled))
        first = text in SENTENCE_STARTERS or (first and not text[0].isalnum())
        before = word
        lower.append(word)
    tagged = Tagged(lower, best_path(options), options)
    correct(tagged)
    return tagged


def _is_titled(texts: list[str]) -> bool:
    """Whether the words of four letters and more have capitals, as those of a heading have."""
    long = [text[0].isupper() for text in texts if len(text) > 3 and text[0].isalpha()]
    return len(long) > 1 and sum(long) > 0.6 * len(long)


@Language.component("lexicon_tagger", assigns=["token.tag", "token.pos", "token.lemma"])
def tag(doc: Doc) -> Doc:
    """Set ``tag_``, ``pos_`` and ``lemma_`` of every token of `doc`."""
    tagged = find_tags(doc)
    for i, token in enumerate(doc, tagged.start):
        word, state = tagged.words[i], tagged.tags[i]
        token.tag_ = AUXILIARIES[word][1] if state in ("BE", "BEN", "HV", "DO") else state
        token.pos_ = POS_OF_WORD.get(word) or POS_OF_TAG[state]
        token.lemma_ = tagged.options[i][state][1]
    return doc


@Language.component("caption_conventions", assigns=["token.tag", "token.lemma"])
def adapt(doc: Doc) -> Doc:
    """Bring a trained pipeline's tags and lemmas to what the rules expect.

    Such a pipeline tags "the bride and groom stand on the porch" with VB; without *to*, a modal or *do* before it a
    base form is a VBP. Lemmas are the lexicon's, where it knows the word.
    """
    tags = [token.tag_ for token in doc]
    for i, token in enumerate(doc):
        if tags[i] == "VB" and i and not _asks_for_base(doc, tags, i):
            token.tag_ = "VBP"
        known = lexicon_tags(token.lower_).get(token.tag_)
        if known:
            token.lemma_ = known[1]
    return doc


def _asks_for_base(doc: Doc, tags: list[str], i: int) -> bool:
    """Whether the words before ask for a base form: "to (slowly) open", "can see", "does not wear", "help build"."""
    j = i - 1
    while j and tags[j] in ("RB", "CC", "VB"):
        j -= 1
    return (
        tags[j] in ("TO", "MD")
        or doc[j].lower_ in ("do", "does", "did")
        or any(token.lower_ in WORDS.helping or token.lower_ in WORDS.letting for token in doc[max(0, i - 5) : i])
    )
