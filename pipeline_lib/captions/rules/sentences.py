"""Sentence formation: negate one predicate-object pair of a caption (paper section 3, step 3).

Every rule is a small edit of the caption's own words: *not* before a preposition or a participle, *does not* before a
verb's base form, *without* for *with*, *no* for an article, and so on. The rules for verbs are in `clauses`. The
exclusion caption is the caption with predicate and object left out.

    "a dog on a mat", pair (on, a mat) -> "a dog that is not on a mat", exclusion "a dog", object "a mat"
"""

from spacy.tokens import Doc

from pipeline_lib.captions.rules import clauses, phrases
from pipeline_lib.captions.rules.edit import Edit, Sentence, bare, ends, lacking, next_kind, takes_no
from pipeline_lib.captions.rules.relations import Pair, Relations
from pipeline_lib.captions.tagger.usual import ANIMATE


def sentences(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return every way to negate `pair`, best rule first; empty where no rule is safe."""
    return RULES[pair.kind](doc, relations, pair)


def _preposition(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    start = pair.predicate[0]
    if doc[start].lower_ in ("after", "before"):
        return _absent(doc, relations, pair)
    if pair.place == "later":
        if next_kind(relations, pair.object[1]) not in ".,pcS":
            return []
        if doc[start].lower_ == "in" and doc[pair.object[1] - 1].lower_ in phrases.SCENERY:
            return []  # "a field with a tree | in the background" has the tree to negate
        listed = relations.code[start - 1] == "c"  # "with red hair and in a jacket"
        made = [Sentence("not", "but-not", Edit(doc).put(start, "not" if listed else "but not").text())]
    else:
        while relations.code[start - 1] in "rR" or doc[start - 1].lower_ == "left":
            start -= 1  # "waves not out on the sand", "a hat not left on a bench"
        made = [Sentence("not", "not-preposition", Edit(doc).put(start, "not").text())]
    return made + _that_is_not(doc, relations, pair) + _absent(doc, relations, pair)


def _that_is_not(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return "a dog that is not on a mat" where the pair ends the sentence and one noun phrase opens it."""
    owner = pair.owner
    if pair.place != "first" or not owner or owner[1] != pair.predicate[0] or not ends(relations, pair.object[1]):
        return []
    last = doc[owner[1] - 1]
    if (
        "o" in relations.code[slice(*owner)]
        or last.tag_ == "PRP"
        or last.lower_ == "left"
        or not _is_alone(relations, owner)
    ):
        return []
    if last.lower_ == "left":
        return []
    be = "are" if last.tag_ in ("NNS", "NNPS") else "is"
    vehicle = last.i > owner[0] and doc[last.i - 1].lower_ in ("automobile", "car", "vehicle", "aircraft", "scale")
    which = "who" if last.lemma_.lower() in phrases.PEOPLE and not vehicle else "that"
    return [Sentence("not", "that-is-not", Edit(doc).put(pair.predicate[0], f"{which} {be} not").text())]


def _absent(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return "without a hat" for "in a hat", "with no lake nearby" for "near a lake"."""
    start, stop = pair.predicate
    link = doc[start:stop].text.lower()
    following, head = next_kind(relations, pair.object[1]), doc[pair.object[1] - 1].lemma_.lower()
    if (link == "in" and head in phrases.WORN) or (link == "under" and head in ("umbrella", "parasol", "blanket")):
        return lacking(doc, pair.object, start, stop, "") if following in ".,p" else []
    if following not in ".,p" or any(other.kind == "with" and other.object == pair.owner for other in relations.pairs):
        return []  # "a card with a bow with no red background"
    if (link in ("on", "against", "over") and head in ("background", "backdrop")) or (
        link in ("during", "after", "before", "at") and head in phrases.WEATHER
    ):
        return lacking(doc, pair.object, start, stop, "")
    if link == "in" and head in phrases.HAZE:
        return lacking(doc, pair.object, start, stop, "around")
    if doc[start - 1].tag_[:2] != "NN" or head in phrases.WEATHER or (following == "p" and link not in phrases.NEAR):
        return []
    if link in phrases.ABSENT and (head not in ANIMATE or link in phrases.NEAR):
        return lacking(doc, pair.object, start, stop, phrases.ABSENT[link])
    if link in ("by", "along") and head in phrases.SHORES:
        return lacking(doc, pair.object, start, stop, "nearby")
    return []


def _with(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    """Return "a beach without palm trees", "a bowl with no fruit"."""
    return lacking(doc, pair.object, *pair.predicate, "")


def _and(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    start, (first, stop) = pair.predicate[0], pair.object
    heads = doc[pair.owner[1] - 1].lemma_.lower(), doc[stop - 1].lemma_.lower()
    earlier = {token.lower_ for token in doc[max(0, pair.owner[0] - 3) : start]}
    mutual = any(token.lower_ in ("each", "together", "both") for token in doc[stop:])
    if heads[0] == heads[1] or doc[start].lower_ not in ("and", "&") or earlier & phrases.TOGETHER or mutual:
        return []
    if next_kind(relations, stop) in "cn" or "," in relations.code[pair.owner[1] : first]:
        return []
    i = bare(doc, pair.object)
    if i is None:
        return []
    singular = doc[stop - 1].tag_ == "NN" and doc[first].tag_ not in ("DT", "PRP$", "CD")
    several = stop - first > 1 and doc[first + 1].lower_ != "of"
    if singular and (several or doc[pair.owner[0]].lower_ in ("a", "an")):
        return []  # "a coffee and walnut cake" may be one cake
    bare_owner = relations.code[pair.owner[0]] != "D"
    if singular and not bare_owner:
        return []  # "the stairs and hall": the article is for both
    if bare_owner and stop - first > 1 and doc[pair.owner[1] - 1].tag_ == "NN" and pair.owner[1] - pair.owner[0] == 1:
        return []  # "kitchen and bathroom walls": one noun for both
    listed = relations.code[: pair.owner[0]].endswith(",")
    in_phrase = _in_phrase(doc, relations, pair)
    but_not = Sentence("not", "but-not", Edit(doc).replace(start, "but not").text())
    named = singular and heads[1] in phrases.PEOPLE  # "actor and person": no article, as with a name
    if named and "o" in relations.code[slice(*pair.owner)]:
        return []  # "a portrait of a painter and poet" may be of one
    if named or not takes_no(doc, pair.object) or in_phrase:
        return [] if listed else [but_not]
    made = [Sentence("no", "and-no", Edit(doc).put(i, "no").drop(first, i).text())]
    if listed:
        return made
    if pair.place == "first" and not any(other.object == pair.owner for other in relations.pairs):
        made += [option for option in lacking(doc, pair.object, start, start + 1, "") if option.word == "without"]
    return [*made, but_not] if doc[first].lower_ in ("a", "an") else made


def _picture(doc: Doc, relations: Relations, pair: Pair) -> list[Sentence]:
    start, of = pair.owner
    article = ""
    if relations.code[start] != "D" and doc[of - 1].tag_ == "NN" and not relations.code[start:of].startswith("C"):
        article = " an" if doc[start].lower_[0] in "aeiou" else " a"
    return [Sentence("not", "not-a-picture", Edit(doc).put(start, f"not{article}").text())]


def _in_phrase(doc: Doc, relations: Relations, pair: Pair) -> bool:
    """Whether "A and B" is the object of a preposition other than *with*, where "on grass and no rocks" is odd."""
    for other in relations.pairs:
        if other.object == pair.owner:
            return doc[other.predicate[1] - 1].tag_ in ("IN", "TO") and doc[other.predicate[1] - 1].lower_ != "with"
    return False


def _is_alone(relations: Relations, owner: tuple[int, int]) -> bool:
    """Whether no "A and" stands before the noun phrase, which would make *is* wrong."""
    return owner[0] == 0 or relations.code[owner[0] - 1] not in "c,"


RULES = {
    "preposition": _preposition,
    "with": _with,
    "contents": _with,
    "and": _and,
    "participle": clauses.participle,
    "verb": clauses.verb,
    "picture": _picture,
}
