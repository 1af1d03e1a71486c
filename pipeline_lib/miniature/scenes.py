"""What there is in the miniature world: things, settings, and how likely each arrangement of them is.

A scene is the truth that an image shows and that captions, labels and SugarCREPE-like items are derived from. Which
words exist belongs to the world and stands here; how many scenes there are and from which seed is configuration.
"""

from dataclasses import dataclass, replace
from random import Random

KINDS = ("ball", "box", "star", "heart", "ring", "cross", "moon", "tree", "house", "fish", "boat", "flower")
COLOURS = {
    "red": (214, 40, 40),
    "green": (44, 150, 60),
    "blue": (45, 90, 220),
    "yellow": (245, 215, 50),
    "purple": (130, 60, 170),
    "orange": (245, 140, 30),
    "pink": (250, 150, 190),
    "white": (245, 245, 245),
}
SIZES = ("small", "large")
PATTERNS = ("plain", "striped", "dotted")
SETTINGS = {"beach": "on", "forest": "in", "desert": "in", "city": "in", "meadow": "in", "lake": "on"}
# Seen from the first thing; the second of each couple is the same layout seen from the other thing.
RELATIONS = ("next to", "above", "below", "in front of", "behind")
CONVERSE = {
    "next to": "next to",
    "above": "below",
    "below": "above",
    "in front of": "behind",
    "behind": "in front of",
}
ARRANGEMENTS = {"single": 0.35, "pair": 0.45, "group": 0.12, "trio": 0.08}


@dataclass(frozen=True)
class Thing:
    """One object: a kind from `KINDS` and its attributes."""

    kind: str
    colour: str
    size: str
    pattern: str


@dataclass(frozen=True)
class Scene:
    """The truth of an image.

    Attributes
    ----------
    setting : str
        A key of `SETTINGS`: the background.
    arrangement : str
        ``single``: one thing; ``pair``: two different things in a relation; ``group``: two or three equal things;
        ``trio``: three different things in a row.
    things : tuple of Thing
        One to three.
    relation : str or None
        In a pair, where the first thing is, seen from the second: one of `RELATIONS`.
    """

    setting: str
    arrangement: str
    things: tuple[Thing, ...]
    relation: str | None = None


def sample_thing(rng: Random) -> Thing:
    """Draw a thing; three in five are plain."""
    return Thing(
        kind=rng.choice(KINDS),
        colour=rng.choice(list(COLOURS)),
        size=rng.choice(SIZES),
        pattern=rng.choices(PATTERNS, weights=(3, 1, 1))[0],
    )


def sample_scene(rng: Random, arrangement: str | None = None) -> Scene:
    """Draw a scene.

    Parameters
    ----------
    rng : Random
        The source of chance.
    arrangement : str, optional
        A key of `ARRANGEMENTS`; drawn by their weights where not given.

    Returns
    -------
    Scene
        In pairs and trios no two things share a kind or a colour, so that swapping either changes the truth.
    """
    if arrangement is None:
        arrangement = rng.choices(list(ARRANGEMENTS), weights=list(ARRANGEMENTS.values()))[0]
    setting = rng.choice(list(SETTINGS))
    if arrangement == "single":
        return Scene(setting, arrangement, (sample_thing(rng),))
    if arrangement == "group":
        return Scene(setting, arrangement, (sample_thing(rng),) * rng.choice((2, 3)))
    count = 2 if arrangement == "pair" else 3
    kinds, colours = rng.sample(KINDS, count), rng.sample(list(COLOURS), count)
    things = tuple(
        replace(sample_thing(rng), kind=kind, colour=colour) for kind, colour in zip(kinds, colours, strict=True)
    )
    return Scene(setting, arrangement, things, rng.choice(RELATIONS) if arrangement == "pair" else None)
