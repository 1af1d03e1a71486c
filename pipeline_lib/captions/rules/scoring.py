"""How likely a strict reader calls a negated caption good: a logistic model of the parse, the pair and the form.

``quality.tsv`` has the weight and the meaning of every feature; `captions.quality_model` fits them on judged outputs.
``attested.tsv`` says how often captions have a noun, a verb, or a noun after a preposition: what many captions
describe is what pictures show. Features are numbers, mostly 0 or 1; the score is the logistic function of their
weighted sum. It reads nothing of the picture, and is an aid for choosing, not a truth.
"""

import math
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pipeline_lib.captions.rules.chunks import FINITE, PARTICIPLES, WORDS, Caption, Pair
from pipeline_lib.captions.rules.forms import Candidate, case_of
from pipeline_lib.captions.rules.scenes import ACTS, SCENES
from pipeline_lib.captions.rules.visibility import head_of, is_abstract
from pipeline_lib.captions.tagger.lexicon import WORDS as TAGGER_WORDS
from pipeline_lib.captions.tagger.lexicon import in_lexicon, lexicon_tags
from pipeline_lib.formats.word_lists import read_table

Features = dict[str, float]

# The level of attestation, the binary logarithm of the count, that counts as 1.
TOP_LEVEL = 10


def _read_attested() -> dict[tuple[str, str], float]:
    """Return (kind, words) to the level of attestation, from 0 (not seen) to 1 (very often)."""
    table = read_table(Path(__file__).with_name("attested.tsv"))
    return {(kind, word): min(int(level) / TOP_LEVEL, 1.0) for kind, level, words in table for word in words.split("|")}


class Weight(NamedTuple):
    """A feature's weight in the score, and what the feature says."""

    weight: float
    meaning: str


def read_weights() -> dict[str, Weight]:
    """Return the model: feature to weight and meaning; the constant is the feature ``constant``."""
    table = read_table(Path(__file__).with_name("quality.tsv"))
    return {name: Weight(float(weight), meaning) for name, weight, meaning in table}


ATTESTED = _read_attested()
MODEL = read_weights()
_WEIGHTS = {name: weight.weight for name, weight in MODEL.items()}
_CONSTANT = _WEIGHTS.get("constant", 0.0)

NO_NOUN = re.compile("[^N]+")
NOUNS = ("NN", "NNS")
PREPOSITIONS = ("in", "on", "at", "with", "by", "near", "over", "under", "against", "from", "to", "through", "of")


def sentence_features(caption: Caption) -> Features:
    """Return the features of a whole caption."""
    lower, tags, code = caption.lower, caption.tags, caption.code
    kinds = "".join(chunk.kind for chunk in caption.chunks)
    words = sum(word[0].isalnum() for word in lower)
    finite = sum(kind in FINITE for kind in kinds)
    subject = caption.lower[head_of(caption, caption.subject)]
    longest = max(len(run) for run in NO_NOUN.split(code))
    nouns = [
        _level("described noun", lemma.lower()) for lemma, tag in zip(caption.lemmas, tags, strict=True) if tag in NOUNS
    ]
    verbs = [_level("described verb", caption.lemmas[i]) for i, letter in enumerate(code) if letter in "ZGgv"]
    return {
        "words": words / 10,
        "many words": words >= 15,
        "finite verbs": min(finite, 3),
        "no verb": not finite and not any(kind in PARTICIPLES for kind in kinds),
        "three verbs": finite + sum(kind in PARTICIPLES for kind in kinds) > 2,
        "past": "VBD" in tags,
        "passive": "v" in code and "VBN" in tags,
        "clause": "W" in code or "S" in code,
        "infinitive": "T" in code,
        "commas": min(lower.count(","), 3),
        "and": min(code.count("c"), 2),
        "number": "CD" in tags,
        "mark": sum(letter == "." for letter in code[:-1]) > 0,
        "exclamation": "!" in lower,
        "abstract noun": any(code[i] == "N" and is_abstract(caption.lemmas[i]) for i in range(len(code))),
        "pronoun": "P" in code,
        "superlative": "JJS" in tags or "most" in lower,
        "unknown word": any(word.isalpha() and not in_lexicon(word) for word in lower),
        "name": "NNP" in tags,
        "noun run": min(longest, 5) - 1 if longest > 2 else 0,
        "nouns described": sum(nouns) / len(nouns) if nouns else 0,
        "noun not described": 0.0 in nouns,
        "verb not described": 0.0 in verbs,
        "noun after noun": "nn" in kinds,
        "opens with no phrase": kinds[:1] != "n",
        "be and a noun": "bn" in kinds,
        "be and an adjective": "bA" in kinds,
        "subject person": subject in WORDS.people or subject in TAGGER_WORDS.animate,
        "subject picture": subject in WORDS.pictures,
        "subject bare": code[caption.subject[0]] == "N" and tags[caption.subject[1] - 1] == "NN",
        "subject carrier": subject in SCENES.carriers,
        "participles": min(sum(kind in PARTICIPLES for kind in kinds), 3),
        "dash": "-" in lower,
        "subject described": _level("described noun", caption.lemmas[head_of(caption, caption.subject)]),
        "unacted verb": any(
            caption.lemmas[i] in SCENES.unacted or caption.lemmas[i] in WORDS.unseen
            for i in range(len(code))
            if code[i] in "ZGgv"
        ),
        "event": not SCENES.events.isdisjoint(lower),
        "region": not SCENES.regions.isdisjoint(lower),
        "label": not SCENES.labels.isdisjoint(lower),
        "maker": "by" in lower,
        "adverb": "R" in code,
        "particle": "r" in code,
        "stand-in": not SCENES.stand_ins.isdisjoint(lower),
        "share described": len([level for level in nouns if level > 0.3]) / len(nouns) if nouns else 0,
    }


def pair_features(caption: Caption, pair: Pair) -> Features:
    """Return the features of a predicate-object pair."""
    lower, tags, lemmas, code = caption.lower, caption.tags, caption.lemmas, caption.code
    (start, stop), (first, end), owner = pair.predicate, pair.object, pair.owner or caption.subject
    head = lemmas[head_of(caption, pair.object)].lower()
    last = lower[stop - 1] if code[stop - 1] in "Iio" else ""
    act = next((i for i in range(start, stop) if code[i] in "ZGgVv"), None) if pair.kind in ACTS else None
    after, _ = caption.kinds_after(end)
    owner_head = head_of(caption, owner)
    bare = code[first] not in "DC" and tags[end - 1] == "NN"
    found = {
        "pairs": min(len(caption.pairs), 4),
        "owner is subject": owner == caption.subject,
        "owner person": lower[owner_head] in WORDS.people or lower[owner_head] in TAGGER_WORDS.animate,
        "owner abstract": is_abstract(lemmas[owner_head]),
        "owner picture": lower[owner_head] in WORDS.pictures,
        "owner seen": _level("noun", lemmas[owner_head]),
        "owner described": _level("described noun", lemmas[owner_head]),
        "owner may be verb": _may_be_verb(caption, owner[1] - 1),
        "object person": lemmas[end - 1] in WORDS.people or lower[end - 1] in TAGGER_WORDS.animate,
        "object definite": lower[first] == "the",
        "object indefinite": lower[first] in ("a", "an"),
        "object bare": bare,
        "object plural": tags[end - 1] == "NNS",
        "object owned": tags[first] == "PRP$",
        "object abstract": is_abstract(head),
        "object body": head in WORDS.body,
        "object words": min(end - first, 6) / 3,
        "object place": head in SCENES.places,
        "with after an act": pair.kind == "with" and pair.place == "later",
        "object time": 3 * (head in SCENES.periods),
        "object of": "o" in code[first:end],
        "object hyphen": "-" in lower[first:end],
        "object background": head in ("background", "backdrop"),
        "object seen": _level("noun", head),
        "object described": _level("described noun", head),
        "object unseen": ("noun", head) not in ATTESTED,
        "place later": pair.place == "later",
        "place comma": pair.place == "comma",
        "after infinitive": "T" in code[:start],
        "after a verb": any(letter in FINITE for letter in code[:start]),
        "after a comma": "," in code[:start],
        "position": start / max(len(code), 1),
        "ends": not after.strip("."),
        "then preposition": after.startswith("p"),
        "then and": after.startswith("c"),
        "then comma": after.startswith(","),
        "then participle": after[:1] in ("G", "g", "V"),
        "then other": bool(after.strip(".")) and after[0] not in "pc,.GgV",
        "long tail": len(after.strip(".")) > 3,
        "verb later": any(kind in FINITE for kind in after),
    }
    if last or pair.kind in ("preposition", "with"):
        word = lower[start] if pair.kind in ("preposition", "with") else last
        found["link " + (word if word in PREPOSITIONS else "other")] = 1
        level = _level(word, head)
        found["link and object seen"] = level
        found["link and object unseen"] = not level
    if act is not None:
        found["verb seen"] = _level("verb", lemmas[act])
        found["verb described"] = _level("described verb", lemmas[act])
        link = _level(f"verb {last}", lemmas[act]) if last else _level("verb object", f"{lemmas[act]} {head}")
        found["verb and link seen"] = link if last else 0
        found["verb and object seen"] = 0 if last else link
        found["verb and link unseen"] = not link
        found["verb unseen"] = ("verb", lemmas[act]) not in ATTESTED
        found["verb " + tags[act]] = 1
        found["verb with preposition"] = bool(last)
        found["verb of several words"] = stop - start - bool(last) > 1
        found["bare noun acts"] = (
            owner[1] - owner[0] == 1 and code[owner[0]] == "N" and tags[act] in ("VBG", "VBP", "VBZ")
        )
        found["thing acts"] = not found["owner person"] and tags[act] in ("VBG", "VBP", "VBZ")
        found["verb may be noun"] = "NN" in lexicon_tags(lower[act]) or "NNS" in lexicon_tags(lower[act])
    return found


def form_features(caption: Caption, candidate: Candidate, case: str) -> Features:
    """Return the features of a form."""
    rule, start = candidate.form.rule, candidate.pair.predicate[0]
    absent = candidate.form.word != "not"
    return {
        "not in": not absent and caption.lower[start] == "in",
        "not definite": not absent and caption.lower[candidate.pair.object[0]] == "the",
        f"form {rule}": 1,
        f"case {case}": 1,
        "absent after with": absent and "with" in caption.lower[:start],
        "absent background": absent and caption.head(candidate.pair.object) in ("background", "backdrop"),
        "absent where": absent and candidate.text.endswith(("nearby", "background", "around", "front", "below")),
        "tail gone": rule == "none-in-sight" and len(candidate.text) < len(caption.doc.text),
        "no and an adjective": rule == "with-no" and "JJ" in caption.tags[slice(*candidate.pair.object)],
        "not and a picture": rule.startswith("not") and caption.lower[start - 1] in WORDS.pictures,
    }


def features(caption: Caption, candidate: Candidate) -> Features:
    """Return all features of a candidate that are not 0."""
    pair = candidate.pair
    found = sentence_features(caption) | pair_features(caption, pair)
    found |= form_features(caption, candidate, case_of(caption, pair))
    return {name: float(value) for name, value in found.items() if value}


class Scorer:
    """Scores the candidates of one caption; what its candidates share is computed once."""

    def __init__(self, caption: Caption):
        self._caption = caption
        self._sentence: float | None = None
        self._pairs: dict[int, float] = {}

    def quality(self, candidate: Candidate) -> float:
        """Return the probability that a strict reader calls a candidate good."""
        caption, number = self._caption, candidate.number
        if self._sentence is None:
            self._sentence = _CONSTANT + _sum(sentence_features(caption))
        if number not in self._pairs:
            self._pairs[number] = _sum(pair_features(caption, candidate.pair))
        case = case_of(caption, candidate.pair)
        total = self._sentence + self._pairs[number] + _sum(form_features(caption, candidate, case))
        return 1 / (1 + math.exp(-total))


def reasons(caption: Caption, candidate: Candidate, count: int = 4) -> list[tuple[str, float]]:
    """Return the features that move a candidate's score most, with what each adds to the sum."""
    parts = {name: _WEIGHTS.get(name, 0.0) * value for name, value in features(caption, candidate).items()}
    return sorted(parts.items(), key=lambda part: -abs(part[1]))[:count]


def _sum(found: Features) -> float:
    return sum(_WEIGHTS.get(name, 0.0) * value for name, value in found.items() if value)


def _level(kind: str, word: str) -> float:
    return ATTESTED.get((kind, word), 0.0)


@lru_cache(maxsize=1 << 14)
def _is_verb_form(word: str) -> bool:
    return not {"VBZ", "VBP"}.isdisjoint(lexicon_tags(word))


def _may_be_verb(caption: Caption, i: int) -> bool:
    """Whether the noun at `i`, after another noun, may be a verb: "water boils in a glass"."""
    return i > 0 and caption.code[i - 1] == "N" and caption.code[i] == "N" and _is_verb_form(caption.lower[i])
