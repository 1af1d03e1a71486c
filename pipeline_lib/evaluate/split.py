"""Split a caption into what it affirms and what it denies, without a model.

::

    split("a man without a hat on a bench")           -> "a man on a bench", denied "a hat"
    split("This image shows a cup, but no couch.")    -> "this image shows a cup", denied "couch"
    split("There are no people in the photo.")        -> "a photo", denied "people"

1. Other ways to deny are rewritten with one of `NEGATION_WORDS`: "lacks" and "is missing a" as *without*, "isn't" and
   "absent" as *not*, "nobody" and "neither" as *no*.
2. Each such word denies a span of its clause, its scope. *No* and *without* deny the noun phrase that follows, *not*
   what follows up to the end of the first noun phrase. A relative clause goes with its noun, as does all up to a
   pronoun ("with nobody on it"). Said of its own subject ("a couch is not visible", "no couch is shown"), a denial
   takes the subject.
3. What is about the picture, or connects nothing any more, is left out at the ends. Where nothing else is affirmed, it
   is `NOTHING`.

Lists of function words and the ending *-ing* tell where a noun phrase ends; nothing is parsed. "No hat and gloves"
denies both, "no hat and a bag" the hat alone.
"""

import re
from typing import NamedTuple

from pipeline_lib.formats.negation import NEGATION_WORDS

NOTHING = "a photo"  # what a caption affirms that only denies


class Split(NamedTuple):
    """What a caption says: as it stands if it denies nothing, else in lower case, with spaces around punctuation."""

    affirmed: str
    denied: list[str]


#: Pattern -> words, in this order.
REWRITTEN = [
    (re.compile(pattern), words)
    for pattern, words in {
        r"[\"“”*]": " ",
        r"[’`]": "'",
        r" ' (?=[st] )": "'",
        r"\bwho's (?=\w+ (?:is|are)\b)": "whose ",
        r"\bcan(?:not|'t)\b": "can not",
        r"\bwon't\b": "will not",
        r"n't\b": " not",
        r"\b(there|what)'s\b": r"\1 is",
        r"\bno[- ]one\b|\bnobody\b": "no person",
        r"\bnothing\b": "no thing",
        r"\bno longer\b|\bnever\b|\bnot yet\b": "not",
        r"\bneither(?: of)?\b|\bnone of\b|(?<=,) nor\b": " no",
        r"\bnor\b": "or",
        r"\b(?:(?:is|are|was|were) )?(?:(?:completely|entirely) )?(?:devoid|free) of\b": "without",
        r"\black(?:s|ing)?(?: of)?\b|\bexclud(?:es|ing)\b": "without",
        r"\b(?:is|are) missing (?=\w)(?!(?:from|in|on|at|under)\b)": "without ",
        r"\bmissing (?=(?:an?|the|any|its|his|her|their|both|some|one|two|part)\b)": "without ",
        # "absent from this image is a dog", "note the absence of a dog"
        r"(?:^ *|\bwhat is |\bnot(?:ice)?ably )(?:absent|missing)(?: (?:from|in) (?:this|the) \w+)? is\b": "not",
        r"\b(?:(?:a|an|the|notable|noticeable|by|its) )+absence(?: (?:from|in) (?:this|the) \w+)? is\b": "not",
        r"\b(?:(?:with|note|notice|an?|the|notable|noticeable) )+absence of\b": "without",
        r"\b(?:absent|missing|nowhere)\b": "not present",
        r"\b(?:excluded|omitted)\b": "not included",
    }.items()
]
#: Where a negation word denies nothing: "no parking sign", "bus no 5", "not only".
DENIES_NOTHING = re.compile(
    r"\bno(?= (?:\w+ing|entry|exit|[\w-]+ turn)(?: zone)? (?:sign|zone|area)s?\b)|"
    r"(?<=\bdo )not(?= [\w-]+ signs?\b)|\bno(?= ?\.? ?\d)|\bnot(?= (?:only|just|sure|far)\b)"
)
TOKEN = re.compile(r"\w[\w'-]*|[^\w\s]")


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


CUES = frozenset(NEGATION_WORDS)
SEPARATORS = _set(", . ; : ! ? ( ) – but while whilst whereas although though yet however")
RELATIVES = _set("that which who whose where")
BE = _set("is are was were be been being")
AUXILIARIES = BE | _set("do does did has have had can could will would should may might")
ARTICLES = _set("a an the his her its their my your our this these those another one two three four five several")
ANY = _set("any either both single")  # after a negation word: no part of what is denied
PREPOSITIONS = _set(
    "in on at by with from to into onto over under above below behind beside besides between among amid amongst near "
    "inside outside against around along across through during before after for as like toward towards beneath upon "
    "within about past off because"
)
#: After a preposition, what makes it one of the noun before: "no cap on", "no stripes on its legs", "no tree in front".
OWN = re.compile(r"$|(?:is|are|was|were|its|his|her|their|front|(?:the )?(?:background|foreground|distance))\b")
#: Words on *-ing* that are no participles.
THINGS = _set(
    "thing things something anything building ring king wing string painting drawing ceiling clothing lighting evening "
    "morning wedding swing spring railing awning topping covering icing frosting filling stuffing seasoning lettering "
    "writing parking dining swimming opening crossing marking ending swelling earring bedding siding flooring "
    "carving showing"
)
PLACES = _set("front next top back side middle center left right close edge")  # "in front of" is one preposition
#: Of which nothing is the content of a phrase.
ADVERBS = _set(
    "out up down away together back very too so quite yet even really actually directly fully entirely mostly just to"
)
PRONOUNS = _set("it them him itself themselves")
#: Before a participle without a comma it is what they do: "with no people | sitting there".
PEOPLE = _set("person people man woman men women child children boy girl boys girls passengers players riders")
#: What says that something is in the picture at all.
PICTURE = _set(
    "image picture photo photograph scene shot view sight visible present included shown seen featured depicted "
    "displayed pictured found detected part anywhere here"
)
SHOWS = _set(
    "shows show features feature includes include contains contain depicts depict displays "
    "display showing featuring including containing depicting displaying have having see sees"
)
#: What connects nothing at the end of a phrase.
LINKS = (
    AUXILIARIES | SEPARATORS | RELATIVES | _set("and or with of in to at from within there noticeably notably clearly")
)
#: What says no more than that there is a picture.
FRAME = LINKS | PICTURE | SHOWS | _set("this the a an these what also any")


def split(caption: str) -> Split:
    """Return what a caption affirms and denies."""
    text = caption.lower()
    for pattern, words in REWRITTEN:
        text = pattern.sub(words, text)
    words = TOKEN.findall(DENIES_NOTHING.sub(lambda found: found[0].upper(), text))  # in capitals it is no cue
    affirmed, denied = [], []
    for separator, clause in _clauses(words):
        kept, spans = _split_clause(clause)
        denied += spans
        if not _is_frame(kept):
            affirmed += [*separator, *kept] if affirmed else kept
    if not denied:
        return Split(caption, [])
    return Split(" ".join(affirmed).lower() or NOTHING, denied)


def _clauses(words: list[str]) -> list[tuple[list[str], list[str]]]:
    """Return the clauses of a caption, each with the separators before it."""
    found: list[tuple[list[str], list[str]]] = [([], [])]
    for word in words:
        if word not in SEPARATORS:
            found[-1][1].append(word)
        elif found[-1][1]:
            found.append(([word], []))
        else:
            found[-1][0].append(word)
    return found


def _split_clause(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the words of a clause that it affirms, and the phrases that it denies."""
    kept, denied, place = [], [], 0
    while place < len(words):
        cue, place = words[place], place + 1
        if cue not in CUES or (cue != "not" and place == len(words)):
            kept.append(cue)
            continue
        rest = words[place:]
        start, stop = _scope_of_not(kept, rest) if cue == "not" else _scope_of_no(cue, kept, rest)
        if phrase := _phrase(kept[start:] + rest[:stop]):
            denied.append(phrase)
        kept = _without_end(kept[:start], LINKS)
        place += stop
    return (kept if not denied else _without_end(kept, LINKS)), denied


def _scope_of_not(kept: list[str], rest: list[str]) -> tuple[int, int]:
    """Return from which of the words before *not* on, and how many of those after it, it denies."""
    if not rest or (_is_frame(rest) and not PICTURE.isdisjoint(rest)):  # "a couch is | not | visible here"
        return _subject(kept), len(rest)
    start = len(kept)
    if "whose" in kept:  # "a man whose head is | not | turned"
        start = len(kept) - kept[::-1].index("whose")
    if rest[0] in ARTICLES | SHOWS:  # "this is | not | a photo of a dog on a beach"
        return start, len(rest)
    return start, _end(rest, 2)


def _scope_of_no(cue: str, kept: list[str], rest: list[str]) -> tuple[int, int]:
    """Return the same of *no* and *without*."""
    start, stop = len(kept), _end(rest, 2 if _is_participle(rest[0]) else 1)
    if cue == "without":
        return start, stop
    there = "there" in kept[-3:] and not AUXILIARIES.isdisjoint(kept[-2:])
    if (
        there
        or (_is_frame(kept) and kept[-1:] != ["with"])
        or (stop < len(rest) and rest[stop] in AUXILIARIES and kept[-1] != "with")
    ):
        return start, len(rest)  # "there are | no | people on the track", "no | couch is included"
    if _is_participle(kept[-1]):
        return start - 1, stop  # "a man wearing | no | hat"
    if rest[stop - 1] in PEOPLE and stop < len(rest) and _is_participle(rest[stop]):
        return start, len(rest)  # "a bench with | no | people sitting there"
    return start, stop


def _subject(kept: list[str]) -> int:
    """Return where the subject of the last verb starts."""
    body = _without_end(kept, LINKS)
    start = 0
    for place, word in enumerate(body):
        one = kept[-1] in ("is", "was") or not (AUXILIARIES | SHOWS).isdisjoint(body[:place])
        if word in RELATIVES or word == "with" or (word == "and" and one):
            start = place + 1
    return start


def _end(words: list[str], needed: int) -> int:
    """Return where the first phrase ends: of `needed` words with a content of their own, fewer after an article.

    A noun phrase needs one, a predicate two: "wearing glasses", but "wearing a hat".
    """
    content, stop, noun = 0, len(words), needed == 1
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        if content >= needed:
            if word in RELATIVES:
                return len(words)
            if (word == "to" and not noun) or (word in PREPOSITIONS and OWN.match(" ".join(words[place + 1 :]))):
                content, needed = 0, 1
                continue
            new = noun and word in PLACES and following == "to"
            new = new or word in AUXILIARIES | CUES | PREPOSITIONS | ARTICLES or _is_participle(word)
            if new or (word == "and" and (following in ARTICLES | LINKS or _is_participle(following))):
                stop = place
                break
            if word in ("or", "of"):
                content, needed = 0, 1
            continue
        if word == "to" and following not in ARTICLES:  # "to go"
            content = 0
        elif word in PREPOSITIONS | ARTICLES | {"of"}:
            content, needed = 0, 1
        elif (
            word not in ADVERBS
            and not word.endswith("ly")
            and not (word in PLACES and following in PREPOSITIONS | {"of"})
        ):
            content += 1
    pronouns = [place for place, word in enumerate(words) if place >= stop and word in PRONOUNS]
    return pronouns[-1] + 1 if pronouns else stop


def _is_frame(words: list[str]) -> bool:
    """Whether words say nothing but that there is a picture."""
    return all(word in FRAME or word in ("it", "you") for word in words)


def _is_participle(word: str) -> bool:
    return word.endswith("ing") and word not in THINGS


def _phrase(words: list[str]) -> str:
    """Return a denied phrase without what is about the picture."""
    start = next((place for place, word in enumerate(words) if word not in ANY | SHOWS), 0)
    short = _without_end(words[start:], FRAME)
    return " ".join(words if ADVERBS.issuperset(short) else short).lower()


def _without_end(words: list[str], dropped: frozenset[str]) -> list[str]:
    """Return the words without those at the end that are in `dropped`."""
    stop = len(words)
    while stop and words[stop - 1] in dropped:
        stop -= 1
    return words[:stop]
