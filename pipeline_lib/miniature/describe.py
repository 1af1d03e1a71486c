"""Say in words what a scene shows: captions in the manner of CC3M, labels, and SugarCREPE- and CREPE-like items.

Captions are true, lower case and tokenised, mostly verbless noun phrases with some verbs; several wordings fit one
scene, and parts of it are left unsaid. None holds a negation word, so a model that is pretrained on them knows none.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

from pipeline_lib.formats.wordings import indefinite
from pipeline_lib.miniature import COLOURS, CONVERSE, KINDS, PATTERNS, RELATIONS, SETTINGS, SIZES, Scene, Thing

Labelled = tuple[list[str], str | None, Callable[[Scene], int | None]]

WORDINGS = {relation: (relation,) for relation in RELATIONS} | {
    "next to": ("next to", "beside"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
VERBS = {"floats": "floating", "sits": "sitting", "stands": "standing", "lies": "lying"}
NUMBERS = {2: "two", 3: "three"}
FOUR = list(COLOURS)[:4]
PARTS = ("add_obj", "add_att", "replace_obj", "replace_att", "replace_rel", "swap_obj", "swap_att")


def _plural(kind: str) -> str:
    return {"fish": "fish", "box": "boxes", "cross": "crosses"}.get(kind, kind + "s")


def _place(setting: str) -> str:
    """Return where a scene is: ``on a beach``."""
    return f"{SETTINGS[setting]} {indefinite(setting)}"


def _adjectives(thing: Thing, rng: Random, says: float) -> list[str]:
    """Return some of a thing's attributes in English order; `says` scales how much is said."""
    said = []
    if rng.random() < 0.2 * says:
        said.append(thing.size)
    if rng.random() < (0.15 if thing.pattern == "plain" else 0.5) * says:
        said.append(thing.pattern)
    if rng.random() < 0.45 * says:
        said.append(thing.colour)
    return said


def _noun(thing: Thing, rng: Random) -> str:
    return "thing" if rng.random() < 0.08 else thing.kind


def _noun_phrase(thing: Thing, rng: Random) -> str:
    return indefinite(" ".join([*_adjectives(thing, rng, 1.0), _noun(thing, rng)]))


def _plural_phrase(thing: Thing, count: int, rng: Random) -> str:
    things = " ".join([*_adjectives(thing, rng, 0.8), "things" if rng.random() < 0.25 else _plural(thing.kind)])
    together = "a pair of" if count == 2 else f"a group of {NUMBERS[count]}"
    return rng.choice((f"{NUMBERS[count]} {things}", f"{together} {things}"))


def _relation_phrase(relation: str, rng: Random) -> str:
    words = rng.choice(WORDINGS[relation])
    verb, participle = rng.choice(list(VERBS.items()))
    chance = rng.random()
    return f"{verb} {words}" if chance < 0.2 else f"{participle} {words}" if chance < 0.3 else words


def _framed(what: str, setting: str, rng: Random) -> str:
    """Put the setting before, after or nowhere, and an opening such as ``photo of`` now and then."""
    chance = rng.random()
    if chance <= 0.4:  # what follows an opening is a noun phrase: "standing", not "stands"
        for verb, participle in VERBS.items():
            what = what.replace(f" {verb} ", f" {participle} ")
    if chance < 0.12:
        opening = rng.choice(("view of", "photo of", "picture of", "this is a photo of"))
        return f"{opening} {indefinite(setting)} with {what}"
    opening = "" if chance > 0.4 else rng.choice(("photo of ", "picture of ", "this is a photo of ", "a photo of "))
    place = f" {_place(setting)}" if rng.random() < 0.35 else ""
    if not opening and rng.random() < 0.3:
        what = what.removeprefix("a ").removeprefix("an ")
    return f"{opening}{what}{place}"


def caption(scene: Scene, rng: Random) -> str:
    """Return a true caption of a scene, in the manner of CC3M; `rng` chooses the wording and what stays unsaid."""
    first, *others = scene.things
    if scene.arrangement == "single":
        if rng.random() < 0.12:
            words = " ".join([*_adjectives(first, rng, 1.0), _noun(first, rng)])
            return f"a single {words}" + (f" {_place(scene.setting)}" if rng.random() < 0.6 else "")
        if rng.random() < 0.08:
            return f"{rng.choice(('photo of', 'view of', 'this is a photo of'))} {indefinite(scene.setting)}"
        return _framed(_noun_phrase(first, rng), scene.setting, rng)
    if scene.arrangement == "group":
        return _framed(_plural_phrase(first, len(scene.things), rng), scene.setting, rng)
    if scene.arrangement == "trio":
        if rng.random() < 0.25:
            return _framed("a group of three things", scene.setting, rng)
        parts = [_noun_phrase(thing, rng) for thing in scene.things]
        return _framed(f"{parts[0]} , {parts[1]} and {parts[2]}", scene.setting, rng)
    if rng.random() < 0.05:
        return _framed("a pair of things", scene.setting, rng)
    relation = scene.relation
    if rng.random() < 0.4:
        first, others, relation = others[0], [first], CONVERSE[relation]
    link = "and" if rng.random() < 0.2 else _relation_phrase(relation, rng)
    return _framed(f"{_noun_phrase(first, rng)} {link} {_noun_phrase(others[0], rng)}", scene.setting, rng)


def _coloured_kind(scene: Scene) -> int | None:
    colour, kind = scene.things[0].colour, scene.things[0].kind
    return 4 * FOUR.index(colour) + KINDS.index(kind) if colour in FOUR and kind in KINDS[:4] else None


def _by_attribute(name: str, values: Iterable[str], noun: str = " thing") -> Labelled:
    values = list(values)
    return [value + noun for value in values], "single", lambda scene: values.index(getattr(scene.things[0], name))


# A labelled set: its classes as they stand in a prompt, the arrangement it needs (None: any), and a scene's label
# (None: the scene shows no class of this set).
LABELLED: dict[str, Labelled] = {
    "kinds": _by_attribute("kind", KINDS, noun=""),
    "colours": _by_attribute("colour", COLOURS),
    "sizes": _by_attribute("size", SIZES),
    "patterns": _by_attribute("pattern", PATTERNS),
    "settings": (list(SETTINGS), "single", lambda scene: list(SETTINGS).index(scene.setting)),
    "counts": (["single thing", "pair of things", "group of three things"], None, lambda scene: len(scene.things) - 1),
    "relations": (
        ["thing next to a thing", "thing above a thing", "thing in front of a thing"],
        "pair",
        lambda scene: {"next to": 0, "above": 1, "below": 1, "in front of": 2, "behind": 2}[scene.relation],
    ),
    "coloured-kinds": ([f"{colour} {kind}" for colour in FOUR for kind in KINDS[:4]], "single", _coloured_kind),
}


def _coloured(thing: Thing) -> str:
    return indefinite(f"{thing.colour} {thing.kind}")


def _pair_caption(first: Thing, relation: str, second: Thing, setting: str) -> str:
    return f"{_coloured(first)} {relation} {_coloured(second)} {_place(setting)}"


def sugarcrepe_item(scene: Scene, part: str, rng: Random) -> dict[str, str]:
    """Return ``caption``, true of a pair, and ``negative_caption``, false, which differ as the SugarCREPE part says.

    `part` is one of `PARTS`: an object, attribute or relation is replaced, added or swapped.
    """
    first, second = scene.things
    truth = _pair_caption(first, scene.relation, second, scene.setting)
    other_kind = rng.choice([kind for kind in KINDS if kind not in (first.kind, second.kind)])
    other_colour = rng.choice([colour for colour in COLOURS if colour not in (first.colour, second.colour)])
    if part == "add_obj":
        false = f"{truth} with {indefinite(other_kind)}"
    elif part == "add_att":
        wrong = rng.choice([word for word in PATTERNS if word != first.pattern])
        false = truth.replace(_coloured(first), indefinite(f"{wrong} {first.colour} {first.kind}"), 1)
    else:
        relation = scene.relation
        if part == "replace_obj":
            second = replace(second, kind=other_kind)
        elif part == "replace_att":
            second = replace(second, colour=other_colour)
        elif part == "replace_rel":
            relation = rng.choice([other for other in RELATIONS if other != relation])
        elif part == "swap_obj":
            first, second = second, first
        else:
            first, second = replace(first, colour=second.colour), replace(second, colour=first.colour)
        false = _pair_caption(first, relation, second, scene.setting)
    return {"caption": truth, "negative_caption": false}


def crepe_item(scene: Scene, rng: Random) -> dict[str, str]:
    """Return a caption and its hard negative in the manner of CREPE-Negate: full sentences, one fact negated.

    They differ in style from the captions stage's: ``there is no ...`` and ``... is not ...``.
    """
    first, second = scene.things
    one, rest = f"{first.colour} {first.kind}", f"{scene.relation} {_coloured(second)}"
    place = _place(scene.setting)
    truth = f"there is {indefinite(one)} {place} . the {first.kind} is {rest}"
    false = (
        f"there is no {one} {place} . the {first.kind} is {rest}",
        f"there is {indefinite(one)} {place} . the {first.kind} is not {rest}",
    )
    return {"caption": truth, "negated_caption": rng.choice(false)}
