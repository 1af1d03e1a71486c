"""Tag captions without a trained model: a spaCy component that reads LemmInflect's lexicon.

Captions of the web are lower-case, tokenised, mostly verbless noun phrases, and millions of them are to be tagged on a
laptop. Each token gets the tags that its word may have (`lexicon`), the cheapest path through them by `costs` is taken
(Viterbi's algorithm), `context` corrects what pairs of tags cannot see, and `universal` maps the result. A `Doc` of
words goes in; the same `Doc` with ``tag_`` (Penn Treebank), ``pos_`` (Universal Dependencies) and ``lemma_`` comes out.

    spacy.blank("en").add_pipe("lexicon_tagger")
"""

from spacy.language import Language
from spacy.tokens import Doc

from pipeline_lib.captions.tagger import words
from pipeline_lib.captions.tagger.context import Tagged, correct
from pipeline_lib.captions.tagger.costs import COSTS, ENDINGS
from pipeline_lib.captions.tagger.lexicon import candidates
from pipeline_lib.captions.tagger.universal import universal

FORM_OF_STATE = {
    "is": "VBZ", "'s": "VBZ", "’s": "VBZ", "s": "VBZ", "are": "VBP", "am": "VBP", "'re": "VBP", "'m": "VBP", "m": "VBP",
    "r": "VBP", "was": "VBD", "were": "VBD", "been": "VBN", "being": "VBG", "has": "VBZ", "had": "VBD", "have": "VBP",
    "'ve": "VBP", "ve": "VBP", "does": "VBZ", "did": "VBD", "do": "VBP",
}  # fmt: skip
# After these a capital says nothing.
SENTENCE_STARTERS = frozenset([".", "!", "?", ":", '"', "“", "..."])


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
        if len(totals) == 1:  # nothing to choose on the left, and what all paths share does not matter
            (left,) = totals
            back.append(dict.fromkeys(tags, left))
            totals = {tag: COSTS[left][tag] + cost for tag, (cost, _) in tags.items()}
            continue
        rows = [(COSTS[left], total, left) for left, total in totals.items()]
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


def tag(doc: Doc) -> Doc:
    """Set ``tag_``, ``pos_`` and ``lemma_`` of every token of `doc`."""
    tokens = list(doc)
    texts = [token.text for token in tokens]
    lower = [text.lower() for text in texts]
    titled = _titled(texts)
    options, first, before = [], True, ""
    for text, word in zip(texts, lower, strict=True):
        if word == "to" and before in words.BEFORE_A_PREPOSITION:
            options.append({"IN": (0.0, "to")})
        elif word == "to" and before in words.BEFORE_EITHER_TO:
            options.append({"IN": (0.0, "to"), "TO": (0.6, "to")})
        else:
            options.append(candidates(text, first, titled))
        first = text in SENTENCE_STARTERS or (first and not text[0].isalnum())
        before = word
    tagged = Tagged(lower, best_path(options), options)
    correct(tagged)
    for i, (token, word) in enumerate(zip(tokens, lower, strict=True), tagged.start):
        state = tagged.tags[i]
        token.tag_ = FORM_OF_STATE.get(word, state) if state in ("BE", "BEN", "HV", "DO") else state
        token.pos_ = universal(tagged, i)
        token.lemma_ = tagged.options[i][state][1]
    return doc


def _titled(texts: list[str]) -> bool:
    """Whether the words of four letters and more have capitals, as those of a heading have."""
    long = [text[0].isupper() for text in texts if len(text) > 3 and text[0].isalpha()]
    return len(long) > 1 and sum(long) > 0.6 * len(long)


@Language.component("lexicon_tagger", assigns=["token.tag", "token.pos", "token.lemma"])
def lexicon_tagger(doc: Doc) -> Doc:
    """Tag a spaCy `Doc` with the lexicon (see the module)."""
    return tag(doc)
