"""Say in words what a scene shows: captions in the manner of CC3M, labels, and SugarCREPE- and CREPE-like items.

Captions are true, lower case and tokenised, mostly verbless noun phrases with some verbs; several wordings fit one
scene, and parts of it are left unsaid. None holds a negation word, so a model that is pretrained on them knows none.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from pipeline_lib.miniature.scenes import (
    COLOURS,
    CONVERSE,
    KINDS,
    PATTERNS,
    RELATIONS,
    SETTINGS,
    SIZES,
    Scene,
    Thing,
)

WORDINGS = {
    "next to": ("next to", "beside"),
    "above": ("above", "over"),
    "below": ("below", "under"),
    "in front of": ("in front of",),
    "behind": ("behind",),
}
VERBS = {"floats": "floating", "sits": "sitting", "stands": "standing", "lies": "lying"}
NUMBERS = {2: "two", 3: "three"}
PARTS = ("add_obj", "add_att", "replace_obj", "replace_att", "replace_rel", "swap_obj", "swap_att")


def plural(kind: str) -> str:
    """Return the plural of a kind of thing."""
    return {"fish": "fish", "box": "boxes", "cross": "crosses"}.get(kind, kind + "s")


def phrase(words: str) -> str:
    """Return `words` with the indefinite article before them."""
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def setting_phrase(setting: str) -> str:
    """Return where a scene is: ``"on a beach"``."""
    return f"{SETTINGS[setting]} {phrase(setting)}"


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
    return phrase(" ".join([*_adjectives(thing, rng, 1.0), _noun(thing, rng)]))


def _plural_phrase(thing: Thing, count: int, rng: Random) -> str:
    things = " ".join([*_adjectives(thing, rng, 0.8), "things" if rng.random() < 0.25 else plural(thing.kind)])
    wordings = [f"{NUMBERS[count]} {things}", f"a group of {NUMBERS[count]} {things}"]
    if count == 2:
        wordings[1] = f"a pair of {things}"
    return rng.choice(wordings)


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
        return (
            f"{rng.choice(('view of', 'photo of', 'picture of', 'this is a photo of'))} {phrase(setting)} with {what}"
        )
    opening = "" if chance > 0.4 else rng.choice(("photo of ", "picture of ", "this is a photo of ", "a photo of "))
    place = f" {setting_phrase(setting)}" if rng.random() < 0.35 else ""
    if not opening and rng.random() < 0.3:
        what = what.removeprefix("a ").removeprefix("an ")
    return f"{opening}{what}{place}"


def caption(scene: Scene, rng: Random) -> str:
    """Return one true caption of a scene, in the manner of CC3M.

    Parameters
    ----------
    scene : Scene
        The truth.
    rng : Random
        Chooses the wording and what stays unsaid.
    """
    first, *others = scene.things
    if scene.arrangement == "single":
        if rng.random() < 0.12:
            return f"a single {' '.join([*_adjectives(first, rng, 1.0), _noun(first, rng)])}" + (
                f" {setting_phrase(scene.setting)}" if rng.random() < 0.6 else ""
            )
        if rng.random() < 0.08:
            return f"{rng.choice(('photo of', 'view of', 'this is a photo of'))} {phrase(scene.setting)}"
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
    colour, kind = list(COLOURS).index(scene.things[0].colour), KINDS.index(scene.things[0].kind)
    return colour * 4 + kind if colour < 4 and kind < 4 else None


# A labelled set: its classes as they stand in a prompt, the arrangement it needs (None: any), and a scene's label
# (None: the scene shows no class of this set).
LABELLED: dict[str, tuple[list[str], str | None, Callable[[Scene], int | None]]] = {
    "kinds": (list(KINDS), "single", lambda scene: KINDS.index(scene.things[0].kind)),
    "colours": (
        [f"{colour} thing" for colour in COLOURS],
        "single",
        lambda scene: list(COLOURS).index(scene.things[0].colour),
    ),
    "sizes": ([f"{size} thing" for size in SIZES], "single", lambda scene: SIZES.index(scene.things[0].size)),
    "patterns": (
        [f"{pattern} thing" for pattern in PATTERNS],
        "single",
        lambda scene: PATTERNS.index(scene.things[0].pattern),
    ),
    "settings": (list(SETTINGS), "single", lambda scene: list(SETTINGS).index(scene.setting)),
    "counts": (
        ["single thing", "pair of things", "group of three things"],
        None,
        lambda scene: len(scene.things) - 1,
    ),
    "relations": (
        ["thing next to a thing", "thing above a thing", "thing in front of a thing"],
        "pair",
        lambda scene: {"next to": 0, "above": 1, "below": 1, "in front of": 2, "behind": 2}[scene.relation],
    ),
    "coloured-kinds": (
        [f"{colour} {kind}" for colour in list(COLOURS)[:4] for kind in KINDS[:4]],
        "single",
        _coloured_kind,
    ),
}


def _pair_caption(first: Thing, relation: str, second: Thing, setting: str) -> str:
    return (
        f"{phrase(f'{first.colour} {first.kind}')} {relation} {phrase(f'{second.colour} {second.kind}')} "
        f"{setting_phrase(setting)}"
    )


def sugarcrepe_item(scene: Scene, part: str, rng: Random) -> dict[str, str]:
    """Return a true and a false caption of a pair that differ as the SugarCREPE part says.

    Parameters
    ----------
    scene : Scene
        A pair in a relation.
    part : str
        One of `PARTS`: an object, attribute or relation is replaced, added or swapped.
    rng : Random
        Chooses the replacement.

    Returns
    -------
    dict
        ``caption`` (true) and ``negative_caption`` (false), as in SugarCREPE's files.
    """
    first, second = scene.things
    truth = _pair_caption(first, scene.relation, second, scene.setting)
    other_kind = rng.choice([kind for kind in KINDS if kind not in (first.kind, second.kind)])
    other_colour = rng.choice([colour for colour in COLOURS if colour not in (first.colour, second.colour)])
    if part == "add_obj":
        false = f"{truth} with {phrase(other_kind)}"
    elif part == "add_att":
        wrong = rng.choice([word for word in PATTERNS if word != first.pattern])
        false = truth.replace(phrase(f"{first.colour} {first.kind}"), phrase(f"{wrong} {first.colour} {first.kind}"), 1)
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
    one, two = f"{first.colour} {first.kind}", f"{second.colour} {second.kind}"
    place = setting_phrase(scene.setting)
    truth = f"there is {phrase(one)} {place} . the {first.kind} is {scene.relation} {phrase(two)}"
    false = rng.choice(
        (
            f"there is no {one} {place} . the {first.kind} is {scene.relation} {phrase(two)}",
            f"there is {phrase(one)} {place} . the {first.kind} is not {scene.relation} {phrase(two)}",
        )
    )
    return {"caption": truth, "negated_caption": false}
