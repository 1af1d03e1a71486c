"""Sentence formation: every way to negate a predicate-object pair of a caption (paper section 3, step 3).

A form is a small edit of the caption's own words: *not* before a preposition or a participle, *does not* before a
verb's base form, *without* for *with*, *no* for an article, and so on. `FORMS` declares all of them.

    "a dog on a mat", pair (on, a mat) -> "a dog that is not on a mat"
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from pipeline_lib.captions.rules.absence import and_no, none_in_sight, put_no, with_no, without
from pipeline_lib.captions.rules.chunks import FINITE, WORDS, Caption, Pair
from pipeline_lib.captions.rules.rewriting import Rewrite, is_animate, left_out
from pipeline_lib.captions.rules.scenes import ACTS, past_verb

DO_NOT = {"VBZ": "does not", "VBP": "do not"}


def case_of(caption: Caption, pair: Pair) -> str:
    """Return which forms can negate a pair: `Form.cases` lists them; empty where none is safe.

    That is the pair's kind; a preposition may also be ``later`` (other phrases lie before it), and a verb is ``there
    is``, ``be`` or ``act``; of what is ``unseen`` the link hardly shows, and the object does.
    """
    code, start, following = caption.code, pair.predicate[0], caption.next_kind(pair.object[1])
    if pair.place == "unseen":
        return pair.place
    if pair.kind == "preposition":
        return _preposition_case(caption, pair, following)
    if pair.kind == "participle":
        return "" if following in FINITE else "participle"
    if pair.kind != "verb":
        return pair.kind
    before = code[start - 1 : start]
    if code[start] == "b":
        if before == "E":
            return "there is"
        asks = code[start + 1] in "DE" and before in ("S", "")
        focused = caption.lower[start + 1] in WORDS.focusing or (start and caption.lower[start - 1] == "so")
        return "" if asks or focused else "be"
    focused = not WORDS.focusing.isdisjoint(caption.lower[caption.adverbs_before(start) : start])
    return "" if focused or caption.tags[start] not in DO_NOT else "act"


def _preposition_case(caption: Caption, pair: Pair, following: str) -> str:
    word = caption.lower[pair.predicate[0]]
    scenery = word == "in" and caption.lower[pair.object[1] - 1] in WORDS.scenery
    if scenery and pair.place in ("later", "comma"):
        return ""  # "a field with a tree | in the background" has the tree to negate
    if pair.place != "later" or caption.lower[:2] == ["this", "is"]:
        return "preposition"
    return "later" if following in ".,pcS" else ""


def _not_preposition(caption: Caption, pair: Pair) -> str | None:
    start, following = pair.predicate[0], caption.next_kind(pair.object[1])
    at = caption.lower[start] == "at" and caption.head(pair.object) != "night"
    if following not in ".,p" or at or _that_is_not(caption, pair):
        return None  # "a table not in the bathroom works hard", "a sky not at sunrise"
    if caption.lower[start] == "in" and caption.head(pair.object).lower() in WORDS.worn:
        return None  # "a girl not in hat"
    while caption.code[start - 1] in "rR" or caption.lower[start - 1] == "left":
        start -= 1  # "waves not out on the sand", "a hat not left on a bench"
    return Rewrite(caption).put(start, "not").text()


def _that_is_not(caption: Caption, pair: Pair) -> str | None:
    """Write "a dog that is not on a mat": the pair ends the sentence and one noun phrase opens it."""
    start, stop = pair.owner
    if pair.place != "first" or stop != pair.predicate[0] or caption.next_kind(pair.object[1]) != ".":
        return None
    tag, word = caption.tags[stop - 1], caption.lower[stop - 1]
    in_list = start and caption.code[start - 1] in "c,"  # "A and" before it makes *is* wrong
    if "o" in caption.code[start:stop] or tag == "PRP" or word == "left" or in_list:
        return None
    vehicle = stop - start > 1 and caption.lower[stop - 2] in ("automobile", "car", "vehicle", "aircraft", "scale")
    which = "who" if caption.head(pair.owner).lower() in WORDS.people and not vehicle else "that"
    be = "are" if tag in ("NNS", "NNPS") else "is"
    return Rewrite(caption).put(stop, f"{which} {be} not").text()


def _not_participle(caption: Caption, pair: Pair) -> str | None:
    start = caption.adverbs_before(pair.predicate[0], true=True)
    earlier, before = _earlier_act(caption, pair), caption.code[start - 1 : start]
    if earlier and before != "c" and (earlier.kind == "verb" or before != ","):
        return None  # "a woman stands on a cliff not staring"
    return Rewrite(caption).put(start, "not").text()


def _earlier_act(caption: Caption, pair: Pair) -> Pair | None:
    """Return what the subject of an -ing form does besides: "a man | sitting on | a bench , holding a hat"; or None."""
    start, subject = pair.predicate[0], caption.subject
    acts = [other for other in caption.told if other.kind in ACTS and caption.code[other.predicate[0] - 1] != "E"]
    earlier = [other for other in acts if other.predicate[0] < start]
    if not earlier or caption.tags[start] != "VBG" or not is_animate(caption, subject):
        return None
    return earlier[-1] if pair.owner == subject or not is_animate(caption, pair.owner) else None


def _not_after_verb(caption: Caption, pair: Pair) -> str | None:
    """Write "is not", "has not seen"."""
    return Rewrite(caption).put(pair.predicate[0] + 1, "not").text()


def _do_not(caption: Caption, pair: Pair) -> str | None:
    """Write "does not wear", "do not"; captions write "a girl take coffee" too."""
    start, subject = pair.predicate[0], caption.subject
    tag, before = caption.tags[start], caption.code[:start]
    if tag == "VBP" and subject[0] == 0 and not {"c", "W", "."}.intersection(before):
        singular = caption.tags[subject[1] - 1] == "NN" and "o" not in caption.code[slice(*subject)]
        tag = "VBZ" if singular and caption.head(subject) not in WORDS.collectives else tag
    do, lemma, adverbs = DO_NOT[tag], caption.lemmas[start], caption.adverbs_before(start, true=True)
    if adverbs == start:
        return Rewrite(caption).replace(start, f"{do} {lemma}").text()
    return Rewrite(caption).replace(start, lemma).put(adverbs, do).text()


class Form(NamedTuple):
    """A way to negate a pair; ``write`` returns the negated caption, or None where the form does not fit."""

    rule: str  # its name in the negation table
    word: str  # the one of `NEGATION_WORDS` that it uses
    cases: tuple[str, ...]  # where it may apply, see `case_of`
    write: Callable[[Caption, Pair], str | None]


ABSENT_CASES = ("preposition", "later", "with", "contents", "participle", "act", "be")
SIGHT_CASES = ("unseen", "preposition", "later", "and", "participle", "act", "be")
# The forms of a pair are drawn in this order: a change of the order changes what a seed draws.
FORMS = (
    Form("not-preposition", "not", ("preposition",), _not_preposition),
    Form("that-is-not", "not", ("preposition",), _that_is_not),
    Form("not-participle", "not", ("participle",), _not_participle),
    Form("there-is-no", "no", ("there is",), put_no),
    Form("is-not", "not", ("be",), _not_after_verb),
    Form("do-not", "not", ("act",), _do_not),
    Form("and-no", "no", ("and",), and_no),
    Form("without", "without", ABSENT_CASES, without),
    Form("with-no", "no", ABSENT_CASES, with_no),
    Form("none-in-sight", "no", SIGHT_CASES, partial(none_in_sight, words="with no")),
    Form("none-in-sight", "without", SIGHT_CASES, partial(none_in_sight, words="without")),
)


class Candidate(NamedTuple):
    """A negated caption that could be drawn: a pair in a form. What a score of candidates would read is all here."""

    number: int  # of the pair in the caption
    pair: Pair
    form: Form
    text: str


def candidates(caption: Caption) -> list[Candidate]:
    """Return every form of every pair of a caption that can be written, unchecked."""
    found, past = [], past_verb(caption)
    for number, pair in enumerate(caption.pairs):
        case = "unseen" if caption.code[0] == "G" else case_of(caption, pair) or "unseen"
        if past is not None:
            # "the dog ran in the snow": what is past does not show, but "the dog with no snow in sight" does.
            case = "unseen" if past in range(*left_out(caption, pair)) else ""
        for form in FORMS:
            if case in form.cases and (text := form.write(caption, pair)) is not None:
                found.append(Candidate(number, pair, form, text))
    return found
