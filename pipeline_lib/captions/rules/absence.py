"""Negation by absence: "without a hat" and "with no hat" in the place of the words that link a hat to its owner.

"a woman wearing a hat" -> "a woman without a hat"; "a bench near a lake" -> "a bench with no lake nearby"
"""

import re
from typing import NamedTuple

from pipeline_lib.captions.rules.chunks import VERB_FORMS, WORDS, Caption, Pair, Span
from pipeline_lib.captions.rules.rewriting import ACTS, Rewrite, left_out
from pipeline_lib.captions.rules.scenes import is_sight
from pipeline_lib.captions.rules.visibility import head_of
from pipeline_lib.captions.tagger.lexicon import WORDS as TAGGER_WORDS

# What says the place where a thing is not: "a bench near a lake" is "a bench with no lake nearby".
WHERE_ABSENT = dict.fromkeys(WORDS.near, "nearby") | {
    "behind": "in front", "in front of": "in the background", "against": "in the background", "over": "below",
    "above": "below", "amid": "around", "among": "around",
}  # fmt: skip

# What keeps "with no beach in sight" from being said of the whole: a clause, an act after *and*, a comma of no list.
BUSY = re.compile(f"[.SW]|,(?!.*c)|c.*[{VERB_FORMS}]")


class Link(NamedTuple):
    """The tokens before a pair's object that *without* or *with no* replaces, and a word to put after the object."""

    start: int
    stop: int
    end: str = ""


def without(caption: Caption, pair: Pair) -> str | None:
    """Write "without a hat"."""
    link, first, i = _removable_link(caption, pair), pair.object[0], noun_start(caption, pair.object)
    if link is None or _goes_on(caption, pair) or _is_definite(caption, pair, link):
        return None
    if link.end and caption.code[first] != "D" and caption.tags[pair.object[1] - 1] == "NN":
        return None  # "without river in sight"
    keeps_article = i == first + 1 and caption.lower[first] in ("a", "an")
    return _replace_link(caption, pair, link, "without", first if keeps_article else i)


def with_no(caption: Caption, pair: Pair) -> str | None:
    """Write "with no hat", "with no lake nearby"."""
    link, first, i = _removable_link(caption, pair), pair.object[0], noun_start(caption, pair.object)
    if link is None or _goes_on(caption, pair):
        return None
    if _is_definite(caption, pair, link):
        return _replace_link(caption, pair, link, "with no", first + 1)
    return _replace_link(caption, pair, link, "with no", i) if takes_no(caption, pair.object) else None


def _goes_on(caption: Caption, pair: Pair) -> bool:
    """Whether *with* or *which* follows, so that the scope is unclear: "without a dress with a full skirt"."""
    stop = pair.object[1]
    return stop < len(caption.lower) and (caption.lower[stop] == "with" or caption.code[stop] == "W")


def _is_definite(caption: Caption, pair: Pair, link: Link) -> bool:
    """Whether *the* has to go: "with no lake nearby", not "without the lake nearby"."""
    first, stop = pair.object
    is_the = caption.lower[first] == "the" and caption.lower[first + 1] != "very"
    return bool(link.end) and is_the and caption.tags[stop - 1] != "NNP"


def _replace_link(caption: Caption, pair: Pair, link: Link, words: str, kept: int) -> str:
    """Put `words` in the place of the link and leave out the object's words before token `kept`."""
    edit = Rewrite(caption).replace(link.start, words).drop(link.start + 1, link.stop).drop(pair.object[0], kept)
    return (edit.put_after(pair.object[1] - 1, link.end) if link.end else edit).text()


def noun_start(caption: Caption, span: Span) -> int:
    """Return where a noun phrase starts without its article or number."""
    i, stop = span
    while i < stop - 1 and caption.lower[i] in WORDS.indefinites:
        i += 1
    return i


def takes_no(caption: Caption, span: Span) -> bool:
    """Whether *no* can stand before a noun phrase: neither "no the dog" nor "no her hat", "no Peter" or "no single"."""
    start, stop = span
    if "POS" in caption.tags[start:stop] or not {"single", "very"}.isdisjoint(caption.lower[start:stop]):
        return False
    tag = caption.tags[start]
    return tag not in ("DT", "PRP$", "PRP", "NNP", "WDT") or caption.lower[start] in WORDS.indefinites


def put_no(caption: Caption, pair: Pair) -> str | None:
    """Write *no* in the place of the article or number of a pair's object; inside a phrase *and* becomes *but*."""
    if not takes_no(caption, pair.object):
        return None
    i, link = noun_start(caption, pair.object), pair.predicate[0]
    inside = pair.kind == "and" and ("with" in caption.lower[:link] or "o" in caption.code[slice(*pair.owner)])
    edit = Rewrite(caption).put(i, "no").drop(pair.object[0], i)
    return (edit.replace(link, "but") if inside else edit).text()


def _removable_link(caption: Caption, pair: Pair) -> Link | None:
    match pair.kind:
        case "preposition":
            return _place_link(caption, pair)
        case "with" | "contents":
            return Link(*pair.predicate)
        case "participle" | "verb":
            return _possession_link(caption, pair) or _companion_link(caption, pair)
        case _:
            return _companion_link(caption, pair)


def _place_link(caption: Caption, pair: Pair) -> Link | None:
    """Write "without a hat" for "in a hat", "with no lake nearby" for "near a lake"."""
    start, stop = pair.predicate
    link, head = caption.words(pair.predicate), caption.head(pair.object).lower()
    following = caption.next_kind(pair.object[1])
    if following not in ".,p":
        return None
    if link == "in" and head in WORDS.worn:
        return Link(start, stop)
    if any(other.kind == "with" and other.object == pair.owner for other in caption.told):
        return None  # "a card with a bow with no red background"
    if link in ("on", "against", "over") and head in ("background", "backdrop"):
        return Link(start, stop)
    if link == "in" and head in WORDS.haze:
        return Link(start, stop, "around")
    near = link in WORDS.near
    if caption.tags[start - 1][:2] != "NN" or (following == "p" and not near):
        return None
    if head_of(caption, pair.object) != pair.object[1] - 1:
        return None  # "no background of leaves in the background"
    if link in WHERE_ABSENT and (near or head not in TAGGER_WORDS.animate):
        return Link(start, stop, WHERE_ABSENT[link])
    return Link(start, stop, "nearby") if link in ("by", "along") and head in WORDS.shores else None


def _possession_link(caption: Caption, pair: Pair) -> Link | None:
    """Write "a woman without a hat" for "a woman wearing a hat", "a fence with no trees" for "surrounded by trees"."""
    start, stop = pair.predicate
    act = start + (caption.code[start] == "b")  # "is wearing"
    lemma, tag, head = caption.lemmas[act], caption.tags[act], caption.head(pair.object)
    following = caption.next_kind(pair.object[1])
    alone = tag in ("VBG", "VBZ", "VBP") and stop == act + 1
    if caption.code[start - 1 : start] in ("c", "R", "W") or following not in (
        ".," if pair.kind == "verb" else ".,pGgVcW"
    ):
        return None
    # not "decorated for a feast"
    by = tag in ("VBN", "VBD") and stop == act + 2 and caption.lower[act + 1] in ("with", "by", "in", "on")
    if not ((alone and lemma in WORDS.possessing) or (by and lemma in WORDS.equipping)):
        return None
    if following == "p" and caption.lower[pair.object[1]] in WORDS.completing:
        return None  # "pulling a cart | through a brook"
    return None if lemma == "play" and head not in WORDS.instruments else Link(start, stop)


def _companion_link(caption: Caption, pair: Pair) -> Link | None:
    """Write "poses without a dog" for "poses with a dog", "sits with no dog nearby" for "sits next to a dog"."""
    start, stop = pair.predicate
    act = start + (caption.code[start] == "b")
    last = next((chunk.span for chunk in caption.chunks if chunk.kind == "p" and chunk.stop == stop), None)
    if last is None or caption.tags[act][:2] != "VB" or caption.lemmas[act] not in WORDS.companioned:
        return None
    link, following = caption.words(last), caption.next_kind(pair.object[1])
    if link == "with":
        return Link(*last)
    is_near = (link in WORDS.near and following in ".p") or (link in ("in front of", "behind") and following == ".")
    return Link(*last, WHERE_ABSENT[link]) if is_near else None


def none_in_sight(caption: Caption, pair: Pair, words: str) -> str | None:
    """Write "a couple with no beach in sight": the exclusion caption, and that the object is out of sight."""
    if not is_sight(caption, pair.object):
        return None
    (start, stop), (first, end) = left_out(caption, pair), pair.object
    # Before a comma it stands in the pair's place: "a fortress with no hill in sight , aerial shot".
    length = start if caption.code[stop : stop + 1] == "," else len(caption.code)
    kept = [i for i in range(length) if not start <= i < stop]
    last = max((i for i in kept if caption.code[i] != "."), default=-1)
    code = "".join(caption.code[i] for i in kept if i <= last)
    if code in ("", "P") or BUSY.search(code):
        return None
    if pair.kind in ACTS and pair.owner != caption.subject:
        return None
    if "with" in caption.lower[:start] + caption.lower[stop:]:
        if words == "without" or length == start or pair.kind == "and":
            return None
        # "a girl with a hat and no beach in sight", "a girl with a hat and a bag , no beach in sight"
        words = ", no" if re.search("[,c]", code) else "and no"
    one_of_two = pair.kind == "and" and (_is_listed(caption, pair) or _is_compound(caption, pair))
    if one_of_two or caption.words(pair.predicate) in WORDS.near:
        return None
    i = noun_start(caption, pair.object)
    i += caption.lower[i] == "the"
    if words == "without" and caption.tags[end - 1] == "NN":
        if caption.lower[first] not in ("a", "an"):
            return None  # "without river in sight"
        i = first
    thing = caption.text((i, end))
    return Rewrite(caption).drop(start, stop).put_after(last, f"{words} {thing} in sight").text()


def _is_compound(caption: Caption, pair: Pair) -> bool:
    """Whether "A and B" may be one thing, or both be needed: "a painter and poet", "both a cat and a dog"."""
    first, stop = pair.object
    bare = caption.code[first] not in "DC" and (stop - first > 1 or caption.code[pair.owner[0]] == "D")
    return bare or not WORDS.together.isdisjoint(caption.lower[max(0, pair.owner[0] - 3) : pair.predicate[0]])


def _is_listed(caption: Caption, pair: Pair) -> bool:
    """Whether the A of "A and B" stands after a comma, in a list."""
    return caption.code[: pair.owner[0]].endswith(",")


def and_no(caption: Caption, pair: Pair) -> str | None:
    """Write "A and no B", "with A but no B"."""
    code, lower, tags = caption.code, caption.lower, caption.tags
    link, (first, stop), (owner, owner_stop) = pair.predicate[0], pair.object, pair.owner
    of_both = not WORDS.together.isdisjoint(lower[max(0, owner - 3) : link])
    if lower[link] != "and" or of_both or _is_listed(caption, pair):
        return None  # "a giraffe, a zebra and no lion"
    if caption.next_kind(stop) in f"cn{VERB_FORMS}":
        return None
    singular = tags[stop - 1] == "NN" and tags[first] not in ("DT", "PRP$", "CD")
    several = stop - first > 1 and lower[first + 1] != "of" and tags[first] != "JJ"
    bare_owner = code[owner] != "D"
    one = lower[owner] in ("a", "an") and "o" not in code[owner:owner_stop]
    if singular and (several or not (bare_owner or one)):
        return None  # "a coffee and walnut cake" may be one cake; "the stairs and hall": the article is for both
    if bare_owner and stop - first > 1 and tags[owner_stop - 1] == "NN" and owner_stop - owner == 1:
        return None  # "kitchen and bathroom walls": one noun for both
    if singular and caption.head(pair.object).lower() in WORDS.people:
        return None  # "actor and person": no article, as with a name
    # "A and B" may be the object of a preposition other than *with*, where "on grass and no rocks" is odd.
    of = next((other.predicate[1] - 1 for other in caption.told if other.object == pair.owner), None)
    in_phrase = of is not None and ((tags[of] in ("IN", "TO") and lower[of] != "with") or lower[of] == "featuring")
    in_phrase = in_phrase or code[owner - 1 : owner] == "o"
    return put_no(caption, pair) if "o" in code[owner:owner_stop] or not in_phrase else None
